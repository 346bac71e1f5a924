"""Grade submissions: run each by itself, then our own checks on the functions it has defined.

This runs the students' code with the rights of whoever calls it. A time limit, a process group and a temporary folder
keep accidents apart; they are no wall against malice.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from gambook.exercises.editions import exercise_names, exercise_of, read_notebook, tags
from gambook.publish.project import Project, Refused
from gambook.publish.run import kernel_environment

# Between a submission and the check: what the student's cells have changed of ours is thrown away and imported anew.
BETWEEN = """import sys as _sys

for _name in [name for name in _sys.modules if name.split(".")[0] in ("gamlib", "gambook")]:
    del _sys.modules[_name]
seed = {seed}
"""
AFTER = """from gambook.exercises.checks import report as _report

_report({path!r})
"""
# Every process of a submission inherits this variable, and is found by it however it has detached itself.
MARK = "GAMLIB_SUBMISSION"


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
    """Grade every notebook below `folder`, sorted by path; Refused where there is none.

    limit: seconds for each. seed: of the checks' inputs. workers: submissions at a time.
    """
    # the command line does not wait for torch
    from gambook.exercises.checks import CHECKS, worth

    if not folder.is_dir():
        raise Refused(f"{folder} is not a folder: give the one that holds the submissions")
    paths = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    if not paths:
        raise Refused(f"{folder} holds no notebook (*.ipynb)")
    names = exercise_names(project)
    solved = {exercise: read_notebook(project.source(name)) for exercise, name in names.items()}
    worths = {exercise: worth(CHECKS[exercise]) for exercise in names}
    # archives from other systems leave bytes in names that no text file can hold
    shown = [os.fsencode(path.relative_to(folder).as_posix()).decode(errors="replace") for path in paths]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda path, name: _grade(path, name, solved, worths, limit, seed), paths, shown))


def _grade(
    path: Path, name: str, solved: Mapping[str, dict], worths: Mapping[str, dict], limit: float, seed: int
) -> Grade:
    """Grade one submission; whatever is wrong with it is told in its row."""
    try:
        notebook = _readable(path)
        exercise = exercise_of(notebook) or path.name[:4]
        if exercise not in list(solved):
            raise Refused(f"not one of the exercises: {exercise!r}; accepted: {', '.join(solved)}")
    except (Refused, OSError) as error:
        return Grade(name, "", "unreadable", 0, 0, "", _line([str(error)]), 0.0)
    start, points = time.perf_counter(), worths[exercise]
    with tempfile.TemporaryDirectory(prefix="gam-grade-", ignore_cleanup_errors=True) as folder:
        status, parts, told = _run(notebook, solved[exercise], points, Path(folder), limit, seed)
    below = "\n".join(cell["source"] for cell in notebook["cells"][_last_check(notebook) :])
    functions = re.compile(r"^def (\w+)\(", re.M)
    if late := {*functions.findall(below)} & {*functions.findall(_tagged(solved[exercise], "stub"))}:
        told.append(f"defined below the check, where nothing is run: {', '.join(sorted(late))}")
    told += [f"{part['name']}: {part['hint']}" for part in parts if part["hint"]]
    missed = "; ".join(part["name"] for part in parts if not part["earned"])
    earned, seconds = sum(part["earned"] for part in parts), round(time.perf_counter() - start, 1)
    return Grade(name, exercise, status, earned, sum(points.values()), missed, _line(told), seconds)


def _readable(path: Path) -> dict:
    """The notebook, once it has the shape that Papermill needs and is for Python."""
    try:
        notebook = read_notebook(path)
        [(cell["cell_type"], *tags(cell)) for cell in notebook["cells"]]
        exercise_of(notebook)
        kernel = notebook["metadata"].get("kernelspec", {})
        python = kernel.get("language") == "python" or str(kernel.get("name", "python")).startswith("python")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refused(f"not a notebook: {type(error).__name__}: {error}") from error
    if not python:
        raise Refused(f"wrong kernel: {kernel.get('name')!r}, expected one for Python")
    return notebook


def _last_check(notebook: Mapping) -> int:
    """Position of the last check cell; the number of cells where there is none."""
    return max((n for n, cell in enumerate(notebook["cells"]) if "check" in tags(cell)), default=len(notebook["cells"]))


def _tagged(notebook: Mapping, tag: str) -> str:
    return "\n".join(cell["source"] for cell in notebook["cells"] if tag in tags(cell))


def _run(
    submission: Mapping, solved: Mapping, worth: Mapping[str, int], folder: Path, limit: float, seed: int
) -> tuple[str, list[dict], list[str]]:
    """Status, the parts of the record, and what went wrong."""
    source, target = folder / "work" / "submission.ipynb", folder / "executed.ipynb"
    record = folder / f"{secrets.token_hex(8)}.json"
    source.parent.mkdir()
    source.write_text(json.dumps(_prepared(submission, solved, record, seed)))
    message = run_confined(source, target, folder / "errors.txt", limit)
    if message is None:
        return "timeout", [], [f"stopped after {limit:g} s"]
    executed, records = whole(target), whole(record)
    if records is None or executed is None:
        failure = executed and executed["metadata"].get("gamlib", {}).get("failure", {}).get("message")
        return "error", [], [failure or message or "the kernel ended before the check"]
    parts = [part for one in records if one["exercise"] == exercise_of(solved) for part in one["parts"]]
    if wrong := impossible(parts, worth):
        return "error", [], [wrong]
    outputs = [output for cell in executed["cells"] for output in cell.get("outputs", [])]
    errors = [f"{one['ename']}: {one['evalue']}" for one in outputs if one["output_type"] == "error"]
    # a stub that was called is no error
    errors = [error for error in errors if "is still to be written" not in error]
    return ("error" if errors or not parts else "graded"), parts, errors


def _prepared(submission: Mapping, solved: Mapping, record: Path, seed: int) -> dict:
    """The submission's code above its last check cell, and behind it the original check, on gamlib loaded anew.

    A cell that fails does not keep the next ones from running, so that each function counts by itself; one that was
    renamed or left out is the stub, which stands before all.
    """
    above = submission["cells"][: _last_check(submission)]
    texts = [_tagged(solved, "stub").replace("to be written", "to be written: nothing has this name")]
    texts += [cell["source"] for cell in above if cell["cell_type"] == "code" and "check" not in tags(cell)]
    texts += [BETWEEN.format(seed=seed), _tagged(solved, "check"), AFTER.format(path=str(record))]
    code = {"cell_type": "code", "metadata": {"tags": ["raises-exception"]}, "outputs": [], "execution_count": None}
    cells = [code | {"id": f"cell-{number}", "source": text} for number, text in enumerate(texts)]
    return {"cells": cells, "metadata": solved["metadata"], "nbformat": 4, "nbformat_minor": 5}


def whole(path: Path) -> Any:
    """The JSON in a file; None where there is none, or its writer was killed while writing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def impossible(parts: Sequence[Mapping], worth: Mapping[str, int]) -> str:
    """What is wrong with a record that a check of parts of this worth cannot have written; empty where nothing is."""
    found = [(part["name"], part["earned"]) for part in parts]
    if [name for name, _ in found] in ([], [*worth]) and all(earned in (0, worth[name]) for name, earned in found):
        return ""
    return f"the record is not the check's: {', '.join(f'{name} {earned}' for name, earned in found)}"


def _line(texts: Sequence[str]) -> str:
    return " ".join("; ".join(texts).split())[:1000]


def run_confined(source: Path, target: Path, errors: Path, limit: float) -> str | None:
    """Run execute.py on a notebook, in a process group of its own; its last words, or None where the time was up.

    errors: file for what it says. limit: seconds. Nothing that the notebook has started is left afterwards: the
    kernel is in a group of its own, and what it starts may be in any, so all are ended by their mark.
    """
    job, mark = {"source": str(source), "target": str(target), "parameters": {}}, secrets.token_hex(16)
    with errors.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "gambook.publish.execute"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=file,
            text=True,
            env=kernel_environment() | {MARK: mark},
            start_new_session=True,
        )
        try:
            process.communicate(json.dumps(job), timeout=limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            _end_marked(mark)
            process.wait()
    return (errors.read_text(errors="replace").strip().splitlines() or [""])[-1]


def _end_marked(mark: str) -> None:
    """Kill every process that carries this mark, again until none is left."""

    def marked(process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark
        except psutil.Error:
            return False

    while found := list(filter(marked, psutil.process_iter())):
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=5)
