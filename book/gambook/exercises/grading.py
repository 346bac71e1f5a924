"""Grade submissions: run each by itself, then our own checks on the functions it has defined.

This runs the students' code with the rights of whoever calls it. A time limit, a process group and a temporary folder
keep accidents apart; they are no wall against malice.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gambook.exercises.confined import run_confined
from gambook.exercises.editions import (
    asked_for,
    below_check,
    check_cells,
    exercise_names,
    last_check,
    read,
    readable,
    recognise,
    source,
    tags,
)
from gambook.publish.project import Project, Refused

# What the student's cells have imported or changed of gamlib is thrown away before the check is imported anew.
FRESH = """import sys as _sys

for _name in [name for name in _sys.modules if name.split(".")[0] == "gamlib"]:
    del _sys.modules[_name]
seed = {seed}
"""
# A function that was renamed or left out costs its own points, and not those of the others.
ABSENT = """
def _absent(name):
    def stub(*arguments, **options):
        raise NotImplementedError(name + " is still to be written: nothing has this name")

    return stub


for _name in {names!r}:
    globals().setdefault(_name, _absent(_name))
"""
WRITE = """from gambook.exercises.checks import report as _report

_report({path!r})
"""


@dataclass(frozen=True)
class Grade:
    """One row: what became of one submission. status: graded, error, timeout, unreadable.

    "error": a cell of the submission failed; what its functions are worth has been counted all the same.
    missed: the parts without points. detail: what failed, then the check's hints.
    """

    submission: str
    exercise: str
    status: str
    points: int
    out_of: int
    missed: str
    detail: str
    seconds: float


def grade_folder(project: Project, folder: Path, limit: float, seed: int, workers: int) -> list[Grade]:
    """Grade every notebook below `folder`, sorted by path. limit: seconds for each. seed: of the checks' inputs."""
    if not folder.is_dir():
        raise Refused(f"{folder} is not a folder: give the one that holds the submissions")
    paths = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if not paths:
        raise Refused(f"{folder} holds no notebook (*.ipynb)")
    solved = {exercise: read(project.source(name)) for exercise, name in exercise_names(project).items()}
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda path: grade(path, _name(path, folder), solved, limit, seed), paths))


def _name(path: Path, folder: Path) -> str:
    """Path below the folder; archives from other systems leave bytes in names that no text file can hold."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode(errors="replace")


def grade(path: Path, name: str, solved: dict[str, dict], limit: float, seed: int) -> Grade:
    """Grade one submission; whatever is wrong with it is told in its row."""
    try:
        notebook = readable(path)
        exercise = recognise(notebook, path, solved)
    except (ValueError, OSError) as error:
        return Grade(name, "", "unreadable", 0, 0, "", _line(str(error)), 0.0)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gam-grade-", ignore_cleanup_errors=True) as folder:
        status, records, detail = _run(notebook, solved[exercise], exercise, Path(folder), limit, seed)
    seconds = round(time.perf_counter() - start, 1)
    out_of = sum(part["points"] for part in records) or _points(exercise)
    hints = [f"{part['name']}: {part['hint']}" for part in records if part["hint"]]
    below = below_check(notebook, solved[exercise])
    if below:
        hints.insert(0, f"defined below the check, where nothing is run: {', '.join(below)}")
    missed = "; ".join(part["name"] for part in records if not part["earned"])
    points = sum(part["earned"] for part in records)
    detail = _line("; ".join([detail, *hints] if detail else hints))
    return Grade(name, exercise, status, points, out_of, missed, detail, seconds)


def _points(exercise: str) -> int:
    """What an exercise is worth whose check has not run."""
    # the command line does not wait for torch
    from gambook.exercises.checks import POINTS

    return POINTS[exercise]


def _run(
    submission: dict, solved: dict, exercise: str, folder: Path, limit: float, seed: int
) -> tuple[str, list[dict], str]:
    """Status, the parts of the record, and a line on what went wrong."""
    record = folder / f"{secrets.token_hex(8)}.json"
    work = folder / "work"
    work.mkdir()
    prepared = _prepared(submission, solved, record, seed)
    (work / "submission.ipynb").write_text(json.dumps(prepared))
    job = {"source": str(work / "submission.ipynb"), "target": str(folder / "executed.ipynb"), "parameters": {}}
    message = run_confined(job, folder / "errors.txt", limit)
    if message is None:
        return "timeout", [], f"stopped after {limit:g} s"
    executed = whole(Path(job["target"])) or {"cells": []}
    entries = whole(record)
    if entries is None:
        failure = executed.get("metadata", {}).get("gamlib", {}).get("failure", {}).get("message")
        return "error", [], failure or message or "the kernel ended before the check"
    parts = [part for entry in entries if entry["exercise"] == exercise for part in entry["parts"]]
    wrong = impossible(parts)
    if wrong:
        return "error", [], wrong
    errors = [line for line in map(_error, executed["cells"]) if line]
    return ("error" if errors or not parts else "graded"), parts, "; ".join(errors)


def whole(path: Path) -> dict | list | None:
    """The JSON in a file; None where there is none, or its writer was killed while writing."""
    try:
        return read(path)
    except (FileNotFoundError, ValueError):
        return None


def impossible(parts: Sequence[Mapping]) -> str | None:
    """What is wrong with a record that no check can have written: each part has all of its points or none."""
    for part in parts:
        if part["earned"] not in (0, part["points"]):
            return (
                f"the record is not the check's: part '{part['name']}' has {part['earned']} of {part['points']} points"
            )
    return None


def _prepared(submission: dict, solved: dict, record: Path, seed: int) -> dict:
    """The submission's code above its last check cell, and behind it the original check, on gamlib loaded anew.

    A cell that fails does not keep the next ones from running, so that each function counts by itself.
    """
    cells = [
        _code(f"student-{number}", source(cell), ["student"])
        for number, cell in enumerate(submission["cells"][: last_check(submission)])
        if cell["cell_type"] == "code" and "check" not in tags(cell)
    ]
    cells.append(_code("fresh", FRESH.format(seed=seed), []))
    cells.append(_code("absent", ABSENT.format(names=asked_for(solved)), []))
    cells += [_code(f"check-{number}", text, []) for number, text in enumerate(check_cells(solved))]
    cells.append(_code("record", WRITE.format(path=str(record)), []))
    return {"cells": cells, "metadata": solved["metadata"], "nbformat": 4, "nbformat_minor": 5}


def _code(name: str, text: str, own: list[str]) -> dict:
    metadata = {"tags": [*own, "raises-exception"]}
    return {
        "cell_type": "code", "id": name, "metadata": metadata, "source": text, "outputs": [], "execution_count": None,
    }  # fmt: skip


def _error(cell: dict) -> str:
    """Name and text of an error in one of the student's cells; a stub that was called is none."""
    if "student" not in tags(cell) and not cell["id"].startswith("check"):
        return ""
    found = [output for output in cell.get("outputs", []) if output["output_type"] == "error"]
    return "".join(
        f"{output['ename']}: {output['evalue']}" for output in found if "is still to be written" not in output["evalue"]
    )


def _line(text: str) -> str:
    return " ".join(text.split())[:1000]
