"""The exercises: solved notebooks, and what students and teachers get of them."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from gambook.exercises.answering import without_magics
from gambook.exercises.checks import CHECKS, report
from gambook.exercises.children import pickled
from gambook.exercises.editions import exercise_names, read_notebook, student_edition, tags, write_teacher
from gambook.exercises.plain import decode, encode
from gambook.publish.build import write_wheel
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
    written = re.sub(r"raise NotImplementedError\([^)]*\)", "", stub)
    lines = [line for line in written.splitlines() if line.strip(" .")]
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
            exec(without_magics(cell["source"]), names)
    return cell["source"], names


@pytest.mark.parametrize("exercise", NAMES)
def test_only_the_check_needs_a_solution_and_gives_it_all_points(exercise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check, names = to_the_check(STUDENT[exercise])
    with pytest.raises(NotImplementedError, match="is still to be written"):
        exec(check, names)
    exec(*to_the_check(SOLVED[exercise]))
    (record,) = [record for record in report() if record["exercise"] == exercise]
    assert [part for part in record["parts"] if not part["earned"]] == []


def install_cell(notebook: dict, repository: str = "") -> str:
    """The cell that installs gamlib, as if the book had this address; what it installs goes to a list `installed`."""
    source = next(cell["source"] for cell in notebook["cells"] if "google.colab" in cell["source"])
    source = source.replace("%pip install --quiet {place}", "installed.append(place)")
    return source.replace('repository = ""', f'repository = "{repository}"')


@pytest.mark.parametrize("exercise", NAMES)
def test_without_gamlib_a_notebook_says_how_to_install_it(exercise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    installed: list[str] = []
    exec(install_cell(STUDENT[exercise]), {"installed": installed})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=r"here: save the wheel gamlib-\*.whl from the book's exercises page be"
    ):
        exec(install_cell(STUDENT[exercise]), {"installed": installed})
    (tmp_path / "gamlib-0.1.0-py3-none-any.whl").touch()
    with pytest.raises(ModuleNotFoundError, match=r"run %pip install gamlib-0.1.0-py3-none-any.whl; then restart"):
        exec(install_cell(STUDENT[exercise]), {"installed": installed})
    with pytest.raises(ModuleNotFoundError, match=r"run %pip install git\+https://a.example/b/c; then restart"):
        exec(install_cell(STUDENT[exercise], "https://a.example/b/c"), {"installed": installed})
    assert installed == []


@pytest.mark.parametrize(
    ("repository", "place"),
    [("", "gamlib-0.1.0-py3-none-any.whl"), ("https://a.example/b/c", "git+https://a.example/b/c")],
)
def test_on_colab_a_notebook_installs_gamlib_once(repository, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gamlib-0.1.0-py3-none-any.whl").touch()
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    installed: list[str] = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: installed or None)
    for _ in range(2):
        exec(install_cell(STUDENT["ex01"], repository), {"installed": installed})
    assert installed == [place]


def test_the_wheel_holds_both_packages_and_works_alone(tmp_path):
    wheel = write_wheel(PROJECT, tmp_path / "student")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(tmp_path / "site"), str(wheel)], check=True)
    for package, name in {"gamlib": "gamlib", "book/gambook": "gambook"}.items():
        files = [path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        for path in files:
            assert (tmp_path / "site" / name / path.relative_to(ROOT / package)).read_bytes() == path.read_bytes()
    code = "import gambook.exercises.checks, gamlib; print(gamlib.__file__, gambook.__file__)"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(tmp_path / "site" / name / "__init__.py") for name in ("gamlib", "gambook")]


@pytest.mark.parametrize("exercise", NAMES)
def test_every_exercise_says_how_long_it_takes_as_the_table_does(exercise):
    first = SOLVED[exercise]["cells"][0]["source"]
    (minutes,) = re.findall(r"\*\*Time and what you need\.\*\* (\d+) minutes; .+\.$", first, re.M)
    page = (ROOT / "book" / "exercises.md").read_text()
    stem = Path(NAMES[exercise]).name
    (row,) = [line for line in page.splitlines() if f"student/{stem}.ipynb" in line]
    assert row.split("|")[2].strip() == minutes


@pytest.mark.parametrize("exercise", NAMES)
def test_only_teachers_get_the_answer_to_the_last_question(exercise):
    answers = tagged(SOLVED[exercise], "answer")
    assert answers[0].startswith(":::{admonition} Answer\n:class: dropdown\n")
    assert "Going further" in text_of(STUDENT[exercise])
    for line in "\n".join(answers).splitlines():
        assert len(line) < 40 or line not in text_of(STUDENT[exercise])
    assert not tagged(STUDENT[exercise], "answer")


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
        assert "## Answer" in text_of(teacher)
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
    assert len(list(tmp_path.glob("*.ipynb"))) == len(NAMES)
    assert (tmp_path / "gamlib-0.1.0-py3-none-any.whl").is_file()
    assert gam("student", "--out", tmp_path, "--force")[0] == 0
    assert [read_notebook(path) for path in sorted(tmp_path.glob("*.ipynb"))] == list(STUDENT.values())


def test_of_a_view_no_more_is_sent_than_it_shows():
    rows = torch.arange(100_000.0).reshape(1000, 100)
    message = pickled({"arguments": [rows[0]]})
    assert len(message) < 2000 and torch.equal(pickle.loads(message)["arguments"][0], rows[0])


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16", "int64"])
def test_an_answer_comes_back_in_whatever_precision(name):
    answer = torch.tensor([[0, 1], [2, 3]], dtype=getattr(torch, name))
    assert decode(encode(answer)).tolist() == answer.tolist()
