"""Files inside packages that are installed for their data alone: found without running a line of them."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def packaged(package: str, name: str, sha256: str) -> Path:
    """Path of a file of an installed package; `name` is its path there, with slashes, `sha256` that of its content.

    ImportError, FileNotFoundError or ValueError, each with what to do, where the package is not installed, has no such
    file, or another than published.
    """
    again = f"install it again: pip install --force-reinstall --no-deps {package}"
    try:
        found = distribution(package)
    except PackageNotFoundError:
        raise ImportError(f"package '{package}' is not installed; {again}") from None
    path = Path(str(found.locate_file(name)))
    if not path.is_file():
        raise FileNotFoundError(f"package '{package}' {found.version} has no file '{name}'; {again}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise ValueError(f"'{path}' is not as published: its SHA-256 is another; {again}")
    return path
