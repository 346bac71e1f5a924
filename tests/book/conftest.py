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
    """The embedded book of a checkout, as a user builds it; `offline`: with its own scripts or not."""

    root: Path
    offline: bool

    @property
    def html(self) -> Path:
        return self.root / "_build" / "html"

    def build(self) -> subprocess.CompletedProcess:
        """Call `gam book`; notebooks that an earlier build has run stay."""
        command = [str(Path(sys.executable).with_name("gam")), "book", *(["--offline"] if self.offline else [])]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True)


@pytest.fixture(scope="session")
def built(root: Path) -> tuple[Book, str]:
    """The book, built once for all tests (without npm as the online edition), and what building it printed."""
    book = Book(root, offline=shutil.which("npm") is not None)
    process = book.build()
    if process.returncode:
        pytest.fail(f"gam book failed:\n{process.stdout}\n{process.stderr}")
    return book, process.stdout


@pytest.fixture(scope="session")
def book(built: tuple[Book, str]) -> Book:
    return built[0]
