"""What several test folders share: the checkout, the open data, and the embedded book, built once for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]


class ByFile(LoadScopeScheduling):
    """Tests of a file run in one process, for what they share."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]


# xdist's own groups rely on a private name of pytest that is gone
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """In the order of collection."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """To build the book takes longest, so it begins; what reads its pages comes last, in whatever process is free."""
    items.sort(key=lambda item: _turn(item.nodeid))


def _turn(nodeid: str) -> int:
    return 0 if nodeid.startswith("tests/book/test_book") else 1 + nodeid.startswith(("tests/book/", "tests/browser/"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def open_data() -> Path:
    """Folder of the openly licensed data sets: GAMLIB_DATA, or shared/open-data beside the checkout."""
    named = os.environ.get("GAMLIB_DATA")
    folder = Path(named).resolve() if named else ROOT.parent / "shared" / "open-data"
    if not folder.is_dir():
        pytest.skip(f"no open data: {folder} does not exist; set GAMLIB_DATA to its folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Sums are added up in the same order on every machine, and tests that run beside others do not slow them."""
    import torch

    torch.set_num_threads(1)


@dataclass(frozen=True)
class Book:
    """The embedded book of a checkout, as a user builds it."""

    root: Path

    @property
    def html(self) -> Path:
        return self.root / "_build" / "html"

    def build(self) -> subprocess.CompletedProcess:
        """Call `gam book`; notebooks that an earlier build has run stay."""
        command = [str(Path(sys.executable).with_name("gam")), "book"]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True)


@pytest.fixture(scope="session")
def built(root: Path) -> tuple[Book, str]:
    """The book, built once for all tests, and what building it printed."""
    book = Book(root)
    process = book.build()
    if process.returncode:
        pytest.fail(f"gam book failed:\n{process.stdout}\n{process.stderr}")
    return book, process.stdout


@pytest.fixture(scope="session")
def book(built: tuple[Book, str]) -> Book:
    return built[0]
