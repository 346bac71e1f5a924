"""The command `gam`, which needs more than what a notebook imports."""


def gam() -> None:
    """Run it, or say what to install."""
    try:
        from gambook.publish.cli import main
    except ModuleNotFoundError as error:
        raise SystemExit(f"gam needs the package {error.name}: pip install 'gamlib[book]'") from error
    main()
