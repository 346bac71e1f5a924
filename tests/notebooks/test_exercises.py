"""The exercises: solved notebooks, what students get of them, and grading."""

from __future__ import annotations

import copy
import csv
import json
import os
import re
import shutil
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from gambook.exercises import grading
from gambook.exercises.checks import CHECKS, report
from gambook.exercises.cli import to_table
from gambook.exercises.editions import exercise_names, read_notebook, student_edition, tags, write_teacher
from gambook.exercises.grading import Grade, grade_folder, impossible, run_confined, whole
from gambook.publish.cli import main
from gambook.publish.project import Project

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Project(ROOT)
NAMES = exercise_names(PROJECT)
SOLVED = {exercise: read_notebook(PROJECT.source(name)) for exercise, name in NAMES.items()}
STUDENT = {exercise: student_edition(notebook) for exercise, notebook in SOLVED.items()}


def tagged(notebook: dict, tag: str) -> list[str]:
    return [cell["source"] for cell in notebook["cells"] if tag in tags(cell)]


def text_of(notebook: dict) -> str:
    return "\n".join(cell["source"] for cell in notebook["cells"])


def gam(*arguments: object) -> tuple[int, str]:
    """Exit code and output of `gam exercises`."""
    outcome = CliRunner().invoke(main, ["exercises", *map(str, arguments)])
    return outcome.exit_code, outcome.output


def test_numbering_has_no_gap_and_agrees_with_checks_file_names_and_the_order_of_the_pages():
    assert list(NAMES) == [f"ex{number:02d}" for number in range(1, len(NAMES) + 1)] == list(CHECKS)
    assert all(name.startswith(f"exercises/{exercise}_") for exercise, name in NAMES.items())
    assert [name for name in PROJECT.book_notebooks() if name.startswith("exercises/")] == list(NAMES.values())


@pytest.mark.parametrize("exercise", NAMES)
def test_every_exercise_has_its_parts_in_order(exercise):
    order = {"{exercise-start}": None, "stub": None, "{exercise-end}": None, "{solution-start}": None}
    order |= {"solution": None, "{solution-end}": None, "check": None}
    for position, cell in enumerate(SOLVED[exercise]["cells"]):
        for part in order:
            if part in tags(cell) or (part.startswith("{") and part in cell["source"]):
                assert order[part] is None, f"{part} twice"
                order[part] = position
    positions = list(order.values())
    assert None not in positions and positions == sorted(positions)
    assert f"from gambook.exercises.checks import {exercise}\n" in tagged(SOLVED[exercise], "check")[0]
    assert "{solution-start} " + exercise in text_of(SOLVED[exercise])


@pytest.mark.parametrize("exercise", NAMES)
def test_the_solution_fills_in_the_stub_and_the_check_asks_for_its_functions(exercise):
    """Apart from `...` and its error, each line of the stub is one of the solution."""
    (stub,), (solution,), (check,) = (tagged(SOLVED[exercise], tag) for tag in ("stub", "solution", "check"))
    lines = [line for line in stub.splitlines() if line.strip(" .") and "NotImplementedError" not in line]
    steps = {line for line in lines if line.strip().startswith("#")}
    assert set(lines) - steps <= set(solution.splitlines())
    functions = re.findall(r"^def (\w+)\(", stub, re.M)
    assert functions == re.findall(r"^def (\w+)\(", solution, re.M)
    assert stub.count("raise NotImplementedError(") == len(functions)
    asked = check.splitlines()[-1].removeprefix(f"{exercise}(").removesuffix(", seed=seed)").split(", ")
    assert sorted(asked) == sorted(functions)


@pytest.mark.parametrize("exercise", NAMES)
def test_students_get_neither_solution_nor_outputs(exercise):
    notebook = STUDENT[exercise]
    text = text_of(notebook)
    assert not tagged(notebook, "solution")
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all((cell["outputs"], cell["execution_count"]) == ([], None) for cell in code)
    shared = set("\n".join(tagged(SOLVED[exercise], "stub")).splitlines())
    for line in "\n".join(tagged(SOLVED[exercise], "solution")).splitlines():
        # a line like `network(x)` in the setup is no leak; those that carry a solution are longer
        if line not in shared and len(line.strip()) > 30:
            assert line.strip() not in text
    whole = text_of(SOLVED[exercise])
    prose = whole[whole.index("{solution-start}") : whole.index(tagged(SOLVED[exercise], "solution")[0])]
    for sentence in re.findall(r"[A-Z][^.\n]{30,}\.", prose):
        assert sentence not in text


@pytest.mark.parametrize("exercise", NAMES)
def test_students_keep_stub_and_check_and_know_their_exercise(exercise):
    for tag in ("parameters", "stub", "check"):
        assert tagged(STUDENT[exercise], tag) == tagged(SOLVED[exercise], tag) != []
    assert STUDENT[exercise]["metadata"]["gamlib"] == {"exercise": exercise}
    assert "## Your task" in text_of(STUDENT[exercise])


def to_the_check(notebook: dict) -> tuple[str, dict]:
    """The check cell, and what the code cells above it define when they run in this process."""
    names: dict = {}
    for cell in notebook["cells"]:
        if "check" in tags(cell):
            break
        if cell["cell_type"] == "code":
            exec(without_magics(cell), names)
    return cell["source"], names


def without_magics(cell: dict) -> str:
    """Code that plain Python runs; what the magics install is here."""
    return cell["source"].replace("    %pip", "    pass #")


@pytest.mark.parametrize("exercise", NAMES)
def test_only_the_check_needs_a_solution_and_gives_it_all_points(exercise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check, names = to_the_check(STUDENT[exercise])
    with pytest.raises(NotImplementedError, match="is still to be written"):
        exec(check, names)
    exec(*to_the_check(SOLVED[exercise]))
    (record,) = [record for record in report() if record["exercise"] == exercise]
    assert [part for part in record["parts"] if not part["earned"]] == []


@pytest.fixture
def checkout(tmp_path: Path) -> Project:
    """A checkout with no notebook yet."""
    for name, text in {"_toc.yml": "root: x\n", "requirements.lock": "", "notebooks/profiles/embedded.yml": ""}.items():
        (tmp_path / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "checkout" / name).write_text(text)
    (tmp_path / "checkout" / "gamlib").mkdir()
    return Project(tmp_path / "checkout")


def test_teachers_get_solutions_and_outputs_without_the_directives_of_the_pages(checkout, tmp_path):
    """On made-up outputs: what the notebooks really print, the book's tests see."""
    shutil.copytree(ROOT / "notebooks" / "exercises", checkout.notebooks / "exercises")
    for name in NAMES.values():
        notebook = read_notebook(checkout.source(name))
        for cell in notebook["cells"]:
            cell |= {"outputs": [cell["id"]], "execution_count": 1}
        notebook["cells"].append({"cell_type": "markdown", "id": "provenance", "metadata": {}, "source": "made so"})
        checkout.executed("embedded", name).parent.mkdir(parents=True, exist_ok=True)
        checkout.executed("embedded", name).write_text(json.dumps(notebook))
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "thesis.txt").write_text("mine")
    written = write_teacher(checkout, "embedded", tmp_path / "teacher")
    assert sorted((tmp_path / "teacher").iterdir()) == [*written, tmp_path / "teacher" / "thesis.txt"]
    assert (tmp_path / "teacher" / "thesis.txt").read_text() == "mine"
    for exercise, path in zip(NAMES, written, strict=True):
        teacher = read_notebook(path)
        for edition in (teacher, STUDENT[exercise]):
            prose = "\n".join(cell["source"] for cell in edition["cells"] if cell["cell_type"] == "markdown")
            assert not re.search(r"```\{|:::", prose)
        assert "## A solution" in text_of(teacher)
        assert tagged(teacher, "solution") == tagged(SOLVED[exercise], "solution")
        assert all(cell["outputs"] == [cell["id"]] for cell in teacher["cells"] if cell["cell_type"] == "code")


def test_the_command_for_teachers_runs_what_has_changed(checkout, monkeypatch):
    cells = [{"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "source": "seed = 0"}]
    cells.append({"cell_type": "code", "id": "b", "metadata": {}, "source": "print('seed', seed)"})
    cells = [cell | {"outputs": [], "execution_count": None} for cell in cells]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "gamlib": {"exercise": "ex01"}}
    path = checkout.source("exercises/ex01_toy")
    path.parent.mkdir()
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    monkeypatch.chdir(checkout.root)
    code, output = gam("teacher")
    assert code == 0, output
    made = read_notebook(checkout.build / "teacher" / "ex01_toy.ipynb")
    assert ["".join(one["text"]) for one in made["cells"][1]["outputs"]] == ["seed 0\n"]
    assert "1 unchanged, 0 to run" in gam("teacher")[1]


def test_the_command_writes_what_students_get_and_keeps_what_they_have_written(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    first = tmp_path / f"{Path(NAMES['ex01']).name}.ipynb"
    first.write_text("my work")
    assert f"kept {first}: yours differs; --force overwrites it" in gam("student", "--out", tmp_path)[1]
    assert first.read_text() == "my work"
    assert len(list(tmp_path.iterdir())) == len(NAMES)
    assert gam("student", "--out", tmp_path, "--force")[0] == 0
    assert [read_notebook(path) for path in sorted(tmp_path.iterdir())] == list(STUDENT.values())


def submission(*code: str) -> dict:
    """A student's notebook of exercise 6 whose stub cell has become these; none leaves the stub."""
    notebook = copy.deepcopy(STUDENT["ex06"])
    at = next(number for number, cell in enumerate(notebook["cells"]) if "stub" in tags(cell))
    if code:
        notebook["cells"][at : at + 1] = [notebook["cells"][at] | {"source": text} for text in code]
    return notebook


SOLUTION = tagged(SOLVED["ex06"], "solution")[0]
BY_HAND, DROP, INCREASE = SOLUTION.split("\n\n\n")
CHEAT = """
from gambook.exercises import checks
from gambook.exercises.checks import ex06_measures, scoring

def ex06(*functions, seed=0):
    found = scoring._records["ex06"] = scoring.Record("ex06", seed, 8, 8, (scoring.Part("all", 8, 8),))
    return found

checks.ex06 = ex06_measures.ex06 = ex06
scoring.Answer._compare = lambda *arguments: None
print("ex06: 8 of 8 points")
"""
ENDLESS = """
import subprocess, time
process = subprocess.Popen(["sleep", "987"], start_new_session=True)
open({path!r}, "w").write(str(process.pid))
while True:
    time.sleep(1)
"""


def alone(notebook: dict, code: str) -> dict:
    """A submission of one cell, which waits for no import."""
    return notebook | {"cells": [cell | {"source": code} for cell in notebook["cells"] if "stub" in tags(cell)]}


def in_this_process(path: Path, target: Path, errors: Path, limit: float) -> str:
    """What `run_confined` does for cells that do no harm, without a kernel."""
    notebook, names, modules = read_notebook(path), {}, dict(sys.modules)
    # what a submission does to our modules, it does to a copy
    for name in [name for name in modules if name.split(".")[0] in ("gamlib", "gambook")]:
        del sys.modules[name]
    for cell in notebook["cells"]:
        try:
            exec(without_magics(cell), names)
        except Exception as error:
            failed = {"output_type": "error", "ename": type(error).__name__, "evalue": str(error)}
            cell["outputs"] = [failed]
    sys.modules.update(modules)
    target.write_text(json.dumps(notebook))
    return ""


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> dict[str, dict]:
    """Submission -> its row of the CSV, for a class of several fates: none of them needs a kernel."""
    unknown, r, below = submission(SOLUTION), submission(SOLUTION), submission(BY_HAND, ")")
    unknown["metadata"]["gamlib"] = {"exercise": "ex99"}
    r["metadata"]["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    below["cells"].append(below["cells"][3] | {"source": DROP + "\n\n\n" + INCREASE})
    # notebooks that Jupyter does not write, and other programs might
    strange = {name: submission() for name in ("tags", "metadata", "exercise")}
    strange["tags"]["cells"][0]["metadata"] = {"tags": None}
    strange["metadata"]["metadata"]["gamlib"] = None
    strange["exercise"]["metadata"]["gamlib"] = {"exercise": ["ex06"]}
    wrong = DROP.replace("(before - after).clamp(min=0)", "(before - after)")
    assert wrong != DROP
    notebooks = {
        "ann/right.ipynb": submission(SOLUTION),
        # the name of the file says another exercise; the metadata count
        "bob/ex01_wrong.ipynb": submission(BY_HAND, wrong, INCREASE.replace("def ", "def my_")),
        "eve/cheat.ipynb": submission(CHEAT, "by_hand = average_drop = increase_in_confidence = lambda *scores: 0"),
        "fay/below.ipynb": below,
        "gus/r.ipynb": r,
        "hal/unknown.ipynb": unknown,
        **{f"mia/{name}.ipynb": notebook for name, notebook in strange.items()},
    }
    folder = tmp_path_factory.mktemp("class")
    for name, notebook in notebooks.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(notebook))
    (folder / "ivy").mkdir()
    (folder / "ivy" / "broken.ipynb").write_text('{"cells": [')
    # a name from an archive of another system: no UTF-8
    (folder / "mia" / os.fsdecode(b"\xe4.ipynb")).write_text("[]")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(grading, "run_confined", in_this_process)
        code, output = gam("grade", folder, "--jobs", 1)
    assert code == 0, output
    with (folder / "grades.csv").open() as file:
        return {row["submission"]: row for row in csv.DictReader(file)}


def test_each_submission_is_one_row(rows):
    found = {name: (row["status"], row["points"], row["out_of"], row["missed"]) for name, row in rows.items()}
    unreadable = ("unreadable", "0", "0", "")
    assert found == {
        "ann/right.ipynb": ("graded", "8", "8", ""),
        "bob/ex01_wrong.ipynb": ("graded", "4", "8", "average_drop; increase_in_confidence"),
        "eve/cheat.ipynb": ("graded", "0", "8", "; ".join(grading_parts())),
        "fay/below.ipynb": ("error", "4", "8", "average_drop; increase_in_confidence"),
        "gus/r.ipynb": unreadable,
        "hal/unknown.ipynb": unreadable,
        "ivy/broken.ipynb": unreadable,
        "mia/exercise.ipynb": unreadable,
        "mia/metadata.ipynb": unreadable,
        "mia/tags.ipynb": unreadable,
        "mia/\ufffd.ipynb": unreadable,
    }


def grading_parts() -> list[str]:
    return ["by hand: scores", "by hand: ADP", "by hand: PIC", "average_drop", "increase_in_confidence"]


def test_the_detail_says_what_went_wrong(rows):
    absent = "increase_in_confidence: increase_in_confidence is still to be written: nothing has this name"
    assert rows["ann/right.ipynb"]["detail"] == ""
    assert re.fullmatch(rf"average_drop: an increase counts as .*; {absent}", rows["bob/ex01_wrong.ipynb"]["detail"])
    below = "defined below the check, where nothing is run: average_drop, increase_in_confidence; average_drop: "
    assert re.fullmatch(rf"SyntaxError: .*; {below}.*; {absent}", rows["fay/below.ipynb"]["detail"])
    for name, detail in {
        "gus/r": "wrong kernel: 'ir', expected one for Python",
        "hal/unknown": f"not one of the exercises: 'ex99'; accepted: {', '.join(NAMES)}",
        "ivy/broken": "not a notebook: JSONDecodeError: ",
        "mia/exercise": "not one of the exercises: ['ex06']; accepted: ",
        "mia/metadata": "not a notebook: AttributeError: ",
        "mia/tags": "not a notebook: TypeError: ",
        "mia/\ufffd": "not a notebook: TypeError: ",
    }.items():
        assert rows[f"{name}.ipynb"]["detail"].startswith(detail)


def grade(folder: Path, limit: int, **notebooks: dict) -> list[Grade]:
    """Grades of these notebooks, in kernels."""
    folder.mkdir(exist_ok=True)
    for name, notebook in notebooks.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))
    return grade_folder(PROJECT, folder, limit, seed=1, workers=2)


def test_neither_a_cell_that_fails_nor_a_kernel_that_dies_keeps_others_from_their_points(tmp_path):
    leo = alone(submission(), "import os; os._exit(0)")
    ann, leo = grade(tmp_path / "class", 300, ann=submission("1 / 0", SOLUTION), leo=leo)
    assert (ann.status, ann.points, ann.detail) == ("error", 8, "ZeroDivisionError: division by zero")
    assert (leo.status, leo.points, leo.out_of) == ("error", 0, 8)
    assert "the kernel died" in leo.detail


def test_an_endless_submission_ends_with_all_that_it_has_started(tmp_path):
    pid = tmp_path / "pid"
    endless = alone(submission(), ENDLESS.format(path=str(pid)))
    # on a busy machine the kernel may not have started by the first limit
    for limit in (8, 16, 32, 64):
        (row,) = grade(tmp_path / "class", limit, cem=endless)
        assert (row.status, row.points, row.out_of, row.detail) == ("timeout", 0, 8, f"stopped after {limit} s")
        if pid.exists():
            break
    assert not psutil.pid_exists(int(pid.read_text()))


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


def test_a_request_that_cannot_be_graded_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "ex01.ipynb").write_text("{}")
    (tmp_path / "empty").mkdir()
    missing = tmp_path / "none" / "grades.csv"
    for arguments, text in {
        (tmp_path / "empty",): "holds no notebook",
        (tmp_path / "none",): "is not a folder",
        (tmp_path / "some", "--out", missing): f"--out: no folder '{missing.parent}'; create it first",
    }.items():
        code, output = gam("grade", *arguments)
        assert code == 1 and text in output


def test_points_that_no_check_gives_are_no_grade():
    fair = [{"name": "a", "earned": 2}, {"name": "b", "earned": 0}]
    assert impossible(fair, {"a": 2, "b": 1}) == impossible([], {"a": 2, "b": 1}) == ""
    text = "the record is not the check's: a 2, b 0"
    assert [impossible(fair, worth) for worth in ({"a": 22, "b": 1}, {"a": 2}, {"b": 1, "a": 2})] == [text] * 3


def test_a_file_whose_writer_was_killed_is_as_good_as_none(tmp_path):
    path = tmp_path / "record.json"
    assert whole(path) is None
    path.write_text('[{"exercise": "ex0')
    assert whole(path) is None
    path.write_text('[{"exercise": "ex06"}]')
    assert whole(path) == [{"exercise": "ex06"}]


def test_a_notebook_that_cannot_start_says_why(tmp_path):
    last_words = run_confined(tmp_path / "none.ipynb", tmp_path / "out.ipynb", tmp_path / "errors.txt", 60)
    assert "none.ipynb" in last_words
