"""The exercises: solved notebooks, what students get of them, and grading."""

from __future__ import annotations

import contextlib
import copy
import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from gambook.exercises.checks import CHECKS
from gambook.exercises.cli import to_table
from gambook.exercises.confined import run_confined
from gambook.exercises.editions import exercise_names, read, source, student_edition, tags, write_teacher
from gambook.exercises.grading import Grade, impossible, whole
from gambook.publish.cli import main
from gambook.publish.project import Project

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Project(ROOT)
NAMES = exercise_names(PROJECT)
SOLVED = {exercise: read(PROJECT.source(name)) for exercise, name in NAMES.items()}
STUDENT = {exercise: student_edition(notebook) for exercise, notebook in SOLVED.items()}


def tagged(notebook: dict, tag: str) -> list[str]:
    return [source(cell) for cell in notebook["cells"] if tag in tags(cell)]


def test_numbering_has_no_gap_and_agrees_with_checks_and_file_names():
    assert list(NAMES) == [f"ex{number:02d}" for number in range(1, len(NAMES) + 1)] == list(CHECKS)
    assert all(name.startswith(f"exercises/{exercise}_") for exercise, name in NAMES.items())


def test_every_exercise_is_a_page_of_the_book_in_order():
    assert [name for name in PROJECT.book_notebooks() if name.startswith("exercises/")] == list(NAMES.values())


@pytest.mark.parametrize("exercise", NAMES)
def test_every_exercise_has_its_parts_in_order(exercise):
    order = {"{exercise-start}": None, "stub": None, "{exercise-end}": None, "{solution-start}": None}
    order |= {"solution": None, "{solution-end}": None, "check": None}
    for position, cell in enumerate(SOLVED[exercise]["cells"]):
        for part in order:
            if part in tags(cell) or (part.startswith("{") and part in source(cell)):
                assert order[part] is None, f"{part} twice"
                order[part] = position
    positions = list(order.values())
    assert None not in positions and positions == sorted(positions)
    assert f"from gambook.exercises.checks import {exercise}\n" in tagged(SOLVED[exercise], "check")[0]
    assert "{solution-start} " + exercise in "".join(map(source, SOLVED[exercise]["cells"]))


@pytest.mark.parametrize("exercise", NAMES)
def test_students_get_neither_solution_nor_outputs(exercise):
    notebook = STUDENT[exercise]
    text = "\n".join(map(source, notebook["cells"]))
    assert not tagged(notebook, "solution") and "{solution" not in text and "{exercise" not in text
    assert all(
        not cell["outputs"] and cell["execution_count"] is None for cell in notebook["cells"] if "outputs" in cell
    )
    shared = set("\n".join(tagged(SOLVED[exercise], "stub")).splitlines())
    for line in "\n".join(tagged(SOLVED[exercise], "solution")).splitlines():
        # a line like `network(x)` in the setup is no leak; those that carry a solution are longer
        if line not in shared and len(line.strip()) > 30:
            assert line.strip() not in text
    prose = "\n".join(source(cell) for cell in _between(SOLVED[exercise], "{solution-start}", "solution"))
    for sentence in re.findall(r"[A-Z][^.\n]{30,}\.", prose):
        assert sentence not in text


def _between(notebook: dict, start: str, end: str) -> list[dict]:
    cells = notebook["cells"]
    first = next(n for n, cell in enumerate(cells) if start in source(cell))
    return cells[first : next(n for n, cell in enumerate(cells) if end in tags(cell))]


@pytest.mark.parametrize("exercise", NAMES)
def test_students_keep_stub_and_check_and_know_their_exercise(exercise):
    for tag in ("parameters", "stub", "check"):
        assert tagged(STUDENT[exercise], tag) == tagged(SOLVED[exercise], tag) != []
    assert STUDENT[exercise]["metadata"]["gamlib"] == {"exercise": exercise}
    assert "## Your task" in "\n".join(map(source, STUDENT[exercise]["cells"]))


@pytest.mark.parametrize("exercise", NAMES)
def test_the_solution_fills_in_the_stub(exercise):
    """Apart from `...` and its error, each line of the stub is one of the solution."""
    (stub,), (solution,) = tagged(SOLVED[exercise], "stub"), tagged(SOLVED[exercise], "solution")
    lines = [
        line for line in stub.splitlines() if line.strip() not in ("", "...") and "NotImplementedError" not in line
    ]
    steps = {line for line in lines if line.strip().startswith("#")}
    assert set(lines) - steps <= set(solution.splitlines())
    functions = re.compile(r"^def (\w+)\(", re.M)
    assert functions.findall(stub) == functions.findall(solution)
    assert stub.count("raise NotImplementedError(") == stub.count("\ndef ") + stub.startswith("def ")


ALL_STUDENTS = """
import contextlib, io, json, sys
for exercise, cells in json.load(sys.stdin).items():
    names = {}
    try:
        for tags, text in cells:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(text.replace("    %pip", "    pass #"), names)
            if "check" in tags:
                break
    except Exception as error:
        print(exercise, type(error).__name__, "check" in tags)
    else:
        print(exercise, "no error", True)
"""


def test_student_notebooks_fail_at_the_first_check_with_the_stub_s_error_only(tmp_path):
    """All of them in one process: what matters is that nothing above the check needs the solution."""
    cells = {
        exercise: [(tags(cell), source(cell)) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        for exercise, notebook in STUDENT.items()
    }
    process = subprocess.run(
        [sys.executable, "-c", ALL_STUDENTS], input=json.dumps(cells), capture_output=True, text=True, cwd=tmp_path
    )
    assert process.stdout.splitlines() == [f"{exercise} NotImplementedError True" for exercise in NAMES], process.stderr


def as_output(cell: dict) -> str:
    return "".join(
        "".join(o.get("text", "")) + "".join(o.get("data", {}).get("text/plain", "")) for o in cell["outputs"]
    )


@pytest.fixture(scope="module")
def executed() -> dict[str, dict]:
    """Exercise -> its solved notebook, executed as the book has it: from an unchanged earlier run, else anew."""
    with contextlib.chdir(ROOT):
        outcome = CliRunner().invoke(main, ["exercises", "teacher"], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return {exercise: read(PROJECT.build / "teacher" / f"{Path(name).name}.ipynb") for exercise, name in NAMES.items()}


def test_the_teacher_s_folder_may_hold_other_files(executed, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    written = write_teacher(PROJECT, "embedded", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.txt", *(path.name for path in written)}
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_no_directive_of_the_pages_is_left_in_a_notebook_of_its_own(executed):
    for exercise, notebook in executed.items():
        for edition in (notebook, student_edition(SOLVED[exercise])):
            prose = "\n".join(source(cell) for cell in edition["cells"] if cell["cell_type"] == "markdown")
            assert not re.search(r"```\{|:::", prose)
        assert "## A solution" in "\n".join(map(source, notebook["cells"]))


def test_solved_notebooks_pass_all_their_checks(executed):
    for exercise, notebook in executed.items():
        (shown,) = [as_output(cell) for cell in notebook["cells"] if "check" in tags(cell)]
        earned, points = re.search(rf"{exercise}: (\d+) of (\d+) points", shown).groups()
        assert (earned, "not yet" in shown) == (points, False), shown
        assert any("solution" in tags(cell) for cell in notebook["cells"])


def test_the_command_writes_what_students_get(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert CliRunner().invoke(main, ["exercises", "student", "--out", str(tmp_path)]).exit_code == 0
    assert [read(path) for path in sorted(tmp_path.iterdir())] == list(STUDENT.values())


def test_what_a_student_has_written_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    first = tmp_path / f"{Path(NAMES['ex01']).name}.ipynb"
    first.write_text("my work")
    outcome = CliRunner().invoke(main, ["exercises", "student", "--out", str(tmp_path)])
    assert f"kept {first}: yours differs; --force overwrites it" in outcome.output
    assert first.read_text() == "my work"
    assert len(list(tmp_path.iterdir())) == len(NAMES)
    assert CliRunner().invoke(main, ["exercises", "student", "--out", str(tmp_path), "--force"]).exit_code == 0
    assert read(first) == STUDENT["ex01"]


def submission(exercise: str, code: str | None) -> dict:
    """A student's notebook whose stub cell has become `code`; None leaves the stub."""
    notebook = copy.deepcopy(STUDENT[exercise])
    for cell in notebook["cells"]:
        if "stub" in tags(cell) and code is not None:
            cell["source"] = code
    return notebook


SOLUTION = tagged(SOLVED["ex06"], "solution")[0]
CHEAT = """
from gambook.exercises import checks
from gambook.exercises.checks import measures, record

def ex06(*functions, seed=0):
    found = record._records["ex06"] = record.Record("ex06", seed, (record.Part("all", 8, 8),))
    return found

checks.ex06 = measures.ex06 = ex06
measures.compare = lambda *arguments: None
by_hand = average_drop = increase_in_confidence = lambda *scores: 0
print("ex06: 8 of 8 points")
"""
ENDLESS = """
import subprocess
subprocess.Popen(["sleep", "987"], start_new_session=True)
while True:
    pass
"""


# Notebooks that Jupyter does not write, and other programs might.
STRANGE = {name: submission("ex06", None) for name in ("tags", "metadata", "exercise")}
STRANGE["tags"]["cells"][0]["metadata"] = {"tags": None}
STRANGE["metadata"]["metadata"]["gamlib"] = None
STRANGE["exercise"]["metadata"]["gamlib"] = {"exercise": ["ex06"]}


def grade(folder: Path, limit: int) -> None:
    with contextlib.chdir(ROOT):
        arguments = ["exercises", "grade", str(folder), "--time-limit", str(limit)]
        outcome = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> dict[str, dict]:
    """Submission -> its row of the CSV, for a class of several fates."""
    folder = tmp_path_factory.mktemp("class")
    wrong = SOLUTION.replace("(before - after).clamp(min=0)", "(before - after)")
    assert wrong != SOLUTION
    r = submission("ex06", SOLUTION)
    r["metadata"]["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    below = submission("ex06", None)
    below["cells"].append(below["cells"][-2] | {"cell_type": "code", "metadata": {}, "source": SOLUTION})
    unknown = submission("ex06", SOLUTION)
    unknown["metadata"]["gamlib"] = {"exercise": "ex99"}
    notebooks = {
        "ann/right.ipynb": submission("ex06", SOLUTION),
        "bob/ex01_wrong.ipynb": submission("ex06", wrong),
        "dan/renamed.ipynb": submission("ex06", SOLUTION.replace("def average_drop", "def my_average_drop")),
        "eve/cheat.ipynb": submission("ex06", CHEAT),
        "fay/syntax.ipynb": submission("ex06", SOLUTION + "\n)"),
        "gus/r.ipynb": r,
        "kim/below.ipynb": below,
        "leo/exit.ipynb": submission("ex06", SOLUTION + "\nimport os; os._exit(0)"),
        **{f"mia/{name}.ipynb": notebook for name, notebook in STRANGE.items()},
        "hal/unknown.ipynb": unknown,
    }
    for name, notebook in notebooks.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(json.dumps(notebook))
    (folder / "ivy").mkdir()
    (folder / "ivy" / "broken.ipynb").write_text('{"cells": [')
    # a name from an archive of another system: no UTF-8
    (folder / "mia" / os.fsdecode(b"\xe4.ipynb")).write_text("[]")
    grade(folder, 300)
    (folder / "grades.csv").rename(folder / "first.csv")
    for path in list(folder.rglob("*.ipynb")):
        path.unlink()
    # the endless one by itself, with a limit that the others could miss on a busy machine
    (folder / "cem").mkdir()
    (folder / "cem" / "endless.ipynb").write_text(json.dumps(submission("ex06", ENDLESS)))
    grade(folder, 12)
    rows = [row for name in ("first.csv", "grades.csv") for row in csv.DictReader((folder / name).open())]
    return {row["submission"]: row for row in rows}


@pytest.mark.parametrize(
    ("name", "status", "points", "out_of", "detail"),
    [
        ("ann/right.ipynb", "graded", "8", "8", ""),
        # the name of the file says another exercise; the metadata count
        ("bob/ex01_wrong.ipynb", "graded", "6", "8", "average_drop: "),
        ("cem/endless.ipynb", "timeout", "0", "8", "stopped after 12 s"),
        (
            "dan/renamed.ipynb",
            "graded",
            "6",
            "8",
            "average_drop: average_drop is still to be written: nothing has this name",
        ),
        ("eve/cheat.ipynb", "graded", "0", "8", ""),
        ("fay/syntax.ipynb", "error", "0", "8", "SyntaxError"),
        ("gus/r.ipynb", "unreadable", "0", "0", "wrong kernel: 'ir'"),
        ("hal/unknown.ipynb", "unreadable", "0", "0", "not one of the exercises: 'ex99'"),
        (
            "kim/below.ipynb",
            "graded",
            "0",
            "8",
            "defined below the check, where nothing is run: average_drop, by_hand, increase_in_confidence; by hand: ",
        ),
        ("leo/exit.ipynb", "error", "0", "8", "the kernel died"),
        ("mia/tags.ipynb", "unreadable", "0", "0", "not a notebook: TypeError"),
        ("mia/metadata.ipynb", "unreadable", "0", "0", "not a notebook: AttributeError"),
        ("mia/exercise.ipynb", "unreadable", "0", "0", "not one of the exercises: ['ex06']"),
        ("mia/\ufffd.ipynb", "unreadable", "0", "0", "not a notebook: TypeError"),
        ("ivy/broken.ipynb", "unreadable", "0", "0", "not a notebook"),
    ],
)
def test_each_submission_is_one_row(graded, name, status, points, out_of, detail):
    row = graded[name]
    assert (row["status"], row["points"], row["out_of"]) == (status, points, out_of)
    assert detail in row["detail"]


def test_only_what_is_missed_is_named(graded):
    assert graded["ann/right.ipynb"]["missed"] == ""
    assert graded["bob/ex01_wrong.ipynb"]["missed"] == "average_drop"
    assert len(graded) == 15


def test_the_table_shows_points_and_what_was_missed():
    rows = [
        Grade("ann.ipynb", "ex06", "graded", 6, 8, "average_drop", "average_drop: a hint", 1.0),
        Grade("b.ipynb", "", "unreadable", 0, 0, "", "not a notebook", 0.0),
        Grade("cem.ipynb", "ex06", "error", 6, 8, "average_drop", "NameError: x", 1.0),
    ]
    assert to_table(rows).splitlines() == [
        "submission  exercise  status      points  missed, or what failed",
        "ann.ipynb   ex06      graded      6/8     average_drop",
        "b.ipynb     -         unreadable  0       not a notebook",
        "cem.ipynb   ex06      error       6/8     NameError: x",
    ]


def test_nothing_of_an_endless_submission_is_left(graded):
    lines = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", "987"] not in lines


def test_grading_an_empty_or_missing_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    for folder, text in ((tmp_path, "holds no notebook"), (tmp_path / "none", "is not a folder")):
        outcome = CliRunner().invoke(main, ["exercises", "grade", str(folder)])
        assert outcome.exit_code == 1 and text in outcome.output


def test_grades_need_a_folder_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "ex01.ipynb").write_text("{}")
    missing = tmp_path / "none" / "grades.csv"
    outcome = CliRunner().invoke(main, ["exercises", "grade", str(tmp_path), "--out", str(missing)])
    assert outcome.exit_code == 1 and f"--out: no folder '{missing.parent}'; create it first" in outcome.output


def test_points_that_no_check_gives_are_no_grade(tmp_path):
    fair = {"name": "a", "points": 2, "earned": 2}
    assert impossible([fair, fair | {"earned": 0}]) is None
    assert impossible([fair | {"earned": 22}]) == "the record is not the check's: part 'a' has 22 of 2 points"


def test_a_file_whose_writer_was_killed_is_as_good_as_none(tmp_path):
    path = tmp_path / "record.json"
    assert whole(path) is None
    path.write_text('[{"exercise": "ex0')
    assert whole(path) is None
    path.write_text('[{"exercise": "ex06"}]')
    assert whole(path) == [{"exercise": "ex06"}]


def test_a_notebook_that_cannot_start_says_why(tmp_path):
    job = {"source": str(tmp_path / "none.ipynb"), "target": str(tmp_path / "out.ipynb"), "parameters": {}}
    assert "none.ipynb" in run_confined(job, tmp_path / "errors.txt", 60)
