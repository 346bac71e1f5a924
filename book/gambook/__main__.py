"""The command `gam`, which needs more than what a notebook imports."""


def main() -> None:
    """Run it, or say what to install."""
    try:
        from gambook.publish.cli import main as gam
    except ModuleNotFoundError as error:
        raise SystemExit(f"gam needs the package {error.name}: pip install 'gamlib[book]'") from error
    gam()
