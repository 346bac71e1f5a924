"""The CSV of grades, one row a submission, complete and safe to open at any time."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gambook.publish.project import Refused


class Grade(NamedTuple):
    """One row: what became of one submission. The last attempt of a student at an exercise counts."""

    student: str
    exercise: str
    attempt: int
    points: int
    of: int
    status: str
    hint: str
    file: str


def plain(value: object) -> str:
    r"""A cell that no spreadsheet takes for a formula and no terminal for a command.

    Examples
    --------
    >>> plain("=HYPERLINK(1)"), plain("a\x1b[2Kb"), plain(7)
    ("'=HYPERLINK(1)", 'a\ufffd[2Kb', '7')
    """
    text = str(value)
    # a tab at the beginning, too, begins a formula in some programs
    quote = "'" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else ""
    return quote + "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))


def new_gradebook(path: Path) -> None:
    """Make a CSV that has no row yet. Refused where the file is there already, or cannot be written."""
    try:
        path.open("x").close()
    except FileExistsError:
        raise Refused(f"{path} is there, perhaps with remarks: move it away, or name another by --out") from None
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}; name another by --out") from error
    write_grades(path, [])


def write_grades(path: Path, grades: Iterable[Grade]) -> None:
    """Write rows, in the order of students; at any time the file is as it was before, or as it is now."""
    ordered = sorted(grades, key=lambda one: (one.student.lower(), one.student, one.exercise, one.attempt))
    rows = [[value if isinstance(value, int) else plain(value) for value in row] for row in ordered]
    partial = path.with_name(f".{path.name}.partial")
    try:
        # the mark at the beginning tells spreadsheets that this is UTF-8
        with partial.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([Grade._fields, *rows])
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Refused(f"{path} cannot be written any more: {error.strerror}; it has the rows so far") from error
