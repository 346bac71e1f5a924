"""The open data files: fetched once, checked by hash, kept in one folder."""

from __future__ import annotations

import os
from pathlib import Path

import pooch
import requests
from tqdm.auto import tqdm

REGISTRY = Path(__file__).with_name("registry.txt")


def data_folder() -> Path:
    """Where open data lies: the folder named by the environment variable GAMLIB_DATA, else pooch's cache."""
    return Path(os.environ.get("GAMLIB_DATA") or pooch.os_cache("gamlib")).expanduser()


def fetch(folder: str, root: str | Path | None = None, registry: Path = REGISTRY) -> list[Path]:
    """The files of a registry folder ("raccoon"), sorted by name, each checked against its SHA-256.

    What is missing or differs is downloaded, with a progress bar. A file gets its name only when it is complete
    and its hash is right, so after an interruption the next call goes on with the first file that is missing.
    Other files in the folder do not count. root: where the folder lies or will lie; default data_folder().
    Errors: ConnectionError (offline) or ValueError (hash), each with the file and its URL.
    """
    root = Path(root).expanduser() if root is not None else data_folder()
    store = pooch.create(path=root, base_url="")
    store.load_registry(registry)
    names = [name for name in store.registry if name.startswith(f"{folder}/")]
    logger = pooch.get_logger()
    level = logger.level
    # One bar for the folder instead of pooch's line a file.
    logger.setLevel("WARNING")
    try:
        for name in tqdm(names, desc=folder, unit="file", disable=_complete(store, names)):
            _fetch_one(store, name, root)
    finally:
        logger.setLevel(level)
    return [root / name for name in sorted(names)]


def _fetch_one(store: pooch.Pooch, name: str, root: Path) -> None:
    url = store.get_url(name)
    try:
        store.fetch(name)
    except requests.RequestException as error:
        path = root / name
        if path.is_file():
            expected = store.registry[name].rpartition(":")[2]
            raise ConnectionError(
                f"data file '{path}' is damaged: its SHA-256 is {pooch.file_hash(str(path))}, expected {expected}; it "
                f"cannot be fetched again from {url} ({error}): delete it and connect to the network once"
            ) from error
        raise ConnectionError(
            f"data file '{name}' is not in '{root}' and cannot be fetched from {url} ({error}); connect to the "
            "network once, or set GAMLIB_DATA to a folder that holds the files"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"data file '{name}' from {url} is not the one in the registry ({error}); try again, and if it stays "
            "so, the source has changed: put the right file into the folder named by GAMLIB_DATA"
        ) from error


def _complete(store: pooch.Pooch, names: list[str]) -> bool:
    return all((store.abspath / name).is_file() for name in names)
