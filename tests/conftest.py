"""What several test folders share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
