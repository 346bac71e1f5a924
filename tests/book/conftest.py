"""The embedded book, run and built once for all tests of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Book:
    """The built book. `html`: folder of its pages, `printed`: what building it said, `offline`: own scripts or not."""

    html: Path
    printed: str
    offline: bool


def gam_book(root: Path, offline: bool) -> subprocess.CompletedProcess:
    """`gam book` as a user calls it; notebooks that an earlier build has run stay."""
    command = [str(Path(sys.executable).with_name("gam")), "book", *(["--offline"] if offline else [])]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.fixture(scope="session")
def book(root: Path) -> Book:
    """The offline edition of the embedded book (without npm: the online one) in _build/html."""
    offline = shutil.which("npm") is not None
    process = gam_book(root, offline)
    if process.returncode:
        pytest.fail(f"gam book failed:\n{process.stdout}\n{process.stderr}")
    return Book(root / "_build" / "html", process.stdout, offline)
