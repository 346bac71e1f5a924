"""From one solved notebook an exercise: the student's edition, without solution or outputs, and the teacher's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from gambook.publish.build import merged, write_wheel
from gambook.publish.project import Project, Refused, notebook_bytes


def exercise_names(project: Project) -> dict[str, str]:
    """Exercise -> name of its solved notebook, such as "ex01" -> "exercises/ex01_gradient_of_a_score", in order.

    The exercise is what metadata.gamlib.exercise of the notebook says. Raises Refused for one that two notebooks claim.
    """
    found: dict[str, str] = {}
    for name in project.names():
        if name.startswith("exercises/"):
            exercise = exercise_of(read_notebook(project.source(name)))
            if exercise is None or exercise in found:
                raise Refused(f"{name}: metadata.gamlib.exercise is {exercise!r}; each exercise has one notebook")
            found[exercise] = name
    return dict(sorted(found.items()))


def read_notebook(path: Path) -> dict:
    """A notebook as JSON, the source of each cell as one string."""
    # some editors begin a file with a mark
    notebook = json.loads(path.read_text(encoding="utf-8-sig"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def exercise_of(notebook: Mapping) -> str | None:
    """Which exercise a notebook says it is."""
    return notebook["metadata"].get("gamlib", {}).get("exercise")


def tags(cell: Mapping) -> list[str]:
    """Tags of a cell."""
    return cell["metadata"].get("tags", [])


def stub_of(solved: Mapping) -> str:
    """Code that students fill in."""
    return "\n".join(cell["source"] for cell in solved["cells"] if "stub" in tags(cell))


def student_edition(solved: Mapping) -> dict:
    """A solved notebook without outputs, solutions and answers.

    Left out are the cells tagged `solution` or `answer`, and those from {solution-start} to {solution-end}.
    What marks the exercise on the page of the book becomes a heading.
    """
    cells, inside = [], False
    for cell in solved["cells"]:
        inside = inside or "{solution-start}" in cell["source"]
        if not inside and not {"solution", "answer"} & set(tags(cell)):
            # the description of a figure tells what is asked
            metadata = {key: value for key, value in cell["metadata"].items() if key != "mystnb"}
            emptied = {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {}
            cells.append(cell | {"metadata": metadata} | emptied)
        inside = inside and "{solution-end}" not in cell["source"]
    metadata = {key: solved["metadata"][key] for key in ("kernelspec", "language_info")}
    return _plain({**solved, "cells": cells, "metadata": metadata | {"gamlib": {"exercise": exercise_of(solved)}}})


def _plain(notebook: dict) -> dict:
    """A notebook as Jupyter shows it as it is meant: without the directives of the book's pages."""
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            text = re.sub(r"```\{exercise-start\}[^\n]*\n(?::[^\n]*\n)*```\n*", "## Your task\n\n", text)
            text = re.sub(r"```\{solution-start\}[^\n]*\n(?::[^\n]*\n)*```\n*", "## A solution\n\n", text)
            text = re.sub(r"```\{(exercise|solution)-end\}\n```\n*", "", text)
            text = re.sub(r":::\{admonition\} ([^\n]*)\n(?::[^\n]*\n)*\n*(.*?)\n:::", r"## \1\n\n\2", text, flags=re.S)
            text = re.sub(r" ?\{cite\}`[^`]*`", "", text)
        cell["source"] = text
    return notebook | {"cells": [cell for cell in notebook["cells"] if cell["source"]]}


def write_student(project: Project, folder: Path, force: bool = False) -> tuple[list[Path], list[Path]]:
    """Write the student's edition of every exercise, and the wheel they need, into `folder`; paths written and kept.

    A notebook that is there and differs is somebody's work: it is kept unless force is given.
    """
    written, kept = [], []
    for name in exercise_names(project).values():
        path = folder / f"{Path(name).name}.ipynb"
        edition = notebook_bytes(student_edition(read_notebook(project.source(name))))
        if path.exists() and not force and path.read_bytes() != edition:
            kept.append(path)
        else:
            written.append(_write(path, edition))
    return [*written, write_wheel(project, folder)], kept


def write_teacher(project: Project, profile: str, folder: Path) -> list[Path]:
    """Write the solved and executed notebooks into `folder`; they have to be run before. Other files stay."""
    editions = {
        folder / f"{Path(name).name}.ipynb": json.loads(merged(project.source(name), project.executed(profile, name)))
        for name in exercise_names(project).values()
    }
    return [_write(path, notebook_bytes(_plain(edition))) for path, edition in editions.items()]


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
