"""What a user waits for: importing, the command line, the book, a fresh environment."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rounds import Row, medians

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def _run(*command: str | Path, **more: object) -> None:
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, **more)  # ty: ignore[no-matching-overload]


def start(rounds: int) -> Iterator[Row]:
    runs = {
        "torch": lambda: _run(sys.executable, "-c", "import torch"),
        "gamlib": lambda: _run(sys.executable, "-c", "import gamlib"),
        "every name": lambda: _run(sys.executable, "-c", "from gamlib import *"),
        "chapter": lambda: _run(
            sys.executable, "-c", "from gamlib import *; import gamlib.plots, gambook.claims.pages"
        ),
        "gam": lambda: _run(BIN / "gam", "--help"),
    }
    found = medians(runs, max(3, rounds // 3))
    yield Row(
        "house", "import gamlib / import torch", "", found["gamlib"] / found["torch"], goal=1.5, seconds=found["gamlib"]
    )
    yield Row(
        "house",
        "all names of gamlib / import torch",
        "",
        found["every name"] / found["torch"],
        seconds=found["every name"],
    )
    yield Row("house", "what a chapter imports", "", found["chapter"], "s", seconds=found["chapter"])
    yield Row("house", "gam --help", "", found["gam"], "s", 0.5, seconds=found["gam"])


def _seconds(*command: str | Path, **more: object) -> float:
    begin = time.perf_counter()
    _run(*command, **more)
    return time.perf_counter() - begin


def book() -> Iterator[Row]:
    """The book of this tree: every notebook, nothing, and one page that has changed for the time of the measurement."""
    page = ROOT / "book" / "glossary.md"
    text = page.read_text()
    whole = _seconds(BIN / "gam", "book", "--force")
    again = _seconds(BIN / "gam", "book")
    try:
        page.write_text(text + "\n")
        one = _seconds(BIN / "gam", "book")
    finally:
        page.write_text(text)
    for what, seconds, goal in (("everything", whole, 240), ("unchanged", again, 10), ("one page changed", one, 40)):
        yield Row("house", f"make book, {what}", "", seconds, "s", goal, seconds=seconds)


def setup() -> Iterator[Row]:
    """The environment of requirements.lock from an empty cache; the network decides most of it."""
    with tempfile.TemporaryDirectory() as folder:
        own = os.environ | {"UV_CACHE_DIR": f"{folder}/cache"}
        seconds = _seconds(BIN / "uv", "venv", "--quiet", "--python", sys.executable, f"{folder}/venv", env=own)
        install = ["pip", "install", "--quiet", "--python", f"{folder}/venv/bin/python", "--require-hashes"]
        seconds += _seconds(BIN / "uv", *install, "-r", ROOT / "requirements.lock", env=own)
    yield Row("house", "fresh environment, empty cache", "", seconds, "s", 60, seconds=seconds)


def rows(rounds: int) -> Iterator[Row]:
    yield from start(rounds)
    yield from setup()
    yield from book()
