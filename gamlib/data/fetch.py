"""The open data files: fetched once, checked by hash, kept in one folder."""

from __future__ import annotations

import os
from pathlib import Path

import pooch
from tqdm import tqdm

REGISTRY = Path(__file__).with_name("registry.txt")


def data_folder() -> Path:
    """Where open data lies: the folder named by the environment variable GAMLIB_DATA, else pooch's cache."""
    return Path(os.environ.get("GAMLIB_DATA") or pooch.os_cache("gamlib")).expanduser()


def fetch(folder: str, root: str | Path | None = None) -> list[Path]:
    """The files of a registry folder, each checked against its SHA-256, and downloaded where missing or different.

    An interrupted call is taken up again with the first file that is missing. Other files in the folder do not count.
    `root` is where the folder lies, or will lie, by default `data_folder()`. Paths are sorted. ConnectionError, with
    file and URL, where it fails.
    """
    root = Path(root).expanduser() if root is not None else data_folder()
    store = pooch.create(path=root, base_url="", retry_if_failed=2)
    store.load_registry(REGISTRY)
    names = sorted(name for name in store.registry if name.startswith(f"{folder}/"))
    logger = pooch.get_logger()
    level = logger.level
    # one bar for the folder instead of pooch's line a file
    logger.setLevel("WARNING")
    try:
        for name in tqdm(names, desc=folder, unit="file", disable=all((root / name).is_file() for name in names)):
            store.fetch(name)
    # pooch raises ValueError for a hash; what requests raises, and a folder that cannot be written to, are OSErrors
    except (OSError, ValueError) as error:
        state = "is damaged: its SHA-256 is not the registry's" if (root / name).is_file() else "is not there"
        raise ConnectionError(
            f"data file '{root / name}' {state}, and it cannot be fetched from {store.get_url(name)} ({error}); "
            "connect to the network once, or set GAMLIB_DATA to a folder that holds the files"
        ) from error
    finally:
        logger.setLevel(level)
    return [root / name for name in names]
