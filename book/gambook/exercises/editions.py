"""From one solved notebook an exercise: the student's edition, without solution or outputs, and the teacher's."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path

from gambook.publish.build import merged
from gambook.publish.project import Project, Refused

FOLDER = "exercises"


def exercise_names(project: Project) -> dict[str, str]:
    """Exercise -> name of its solved notebook, such as "ex01" -> "exercises/ex01_gradient_of_a_score", in order.

    The exercise is what metadata.gamlib.exercise of the notebook says. Raises Refused for one that two notebooks claim.
    """
    found: dict[str, str] = {}
    for name in project.names():
        if name.startswith(f"{FOLDER}/"):
            exercise = exercise_of(read(project.source(name)))
            if exercise is None or exercise in found:
                raise Refused(f"{name}: metadata.gamlib.exercise is {exercise!r}; each exercise has one notebook")
            found[exercise] = name
    return dict(sorted(found.items()))


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def exercise_of(notebook: Mapping) -> str | None:
    """What a notebook says which exercise it is."""
    return notebook["metadata"].get("gamlib", {}).get("exercise")


def tags(cell: Mapping) -> list[str]:
    return cell["metadata"].get("tags", [])


def source(cell: Mapping) -> str:
    return "".join(cell["source"])


def readable(path: Path) -> dict:
    """The notebook, in the shape that Papermill needs; ValueError where it is none, or not one for Python."""
    try:
        notebook = read(path)
        [(cell["cell_type"], source(cell), [*tags(cell)]) for cell in notebook["cells"]]
        exercise_of(notebook)
        kernel = notebook["metadata"].get("kernelspec", {})
        language = kernel.get("language") or (
            "python" if str(kernel.get("name", "python")).startswith("python") else ""
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a notebook: {type(error).__name__}: {error}") from error
    if language != "python":
        raise ValueError(f"wrong kernel: {kernel.get('name')!r}, expected one for Python")
    return notebook


def recognise(notebook: dict, path: Path, solved: dict[str, dict]) -> str:
    """Which exercise it is: what its metadata says; the name of the file only where they say nothing."""
    named = exercise_of(notebook) or path.name[:4]
    if named not in list(solved):
        raise ValueError(f"not one of the exercises: {named!r}; accepted: {', '.join(solved)}")
    return named


def last_check(submission: dict) -> int:
    """Position of the last check cell; the number of cells where there is none."""
    numbers = [number for number, cell in enumerate(submission["cells"]) if "check" in tags(cell)]
    return numbers[-1] if numbers else len(submission["cells"])


def check_cells(solved: dict) -> list[str]:
    return [source(cell) for cell in solved["cells"] if "check" in tags(cell)]


def below_check(submission: dict, solved: dict) -> list[str]:
    """Functions that the check asks for and that the submission defines below it."""
    text = "\n".join(map(source, submission["cells"][last_check(submission) :]))
    return [name for name in asked_for(solved) if re.search(rf"^def {name}\(", text, re.M)]


def asked_for(solved: dict) -> list[str]:
    """Names of the student's that the check cells read, sorted."""
    nodes = [node for text in check_cells(solved) for node in ast.walk(ast.parse(text))]
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    own = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {alias.asname or alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return sorted(read - own - {"seed"})


def student_edition(solved: Mapping) -> dict:
    """A solved notebook without outputs, cells tagged `solution`, and those from {solution-start} to {solution-end}.

    What marks the exercise on the page of the book becomes a heading.
    """
    notebook = copy.deepcopy(dict(solved))
    notebook["metadata"] = {key: notebook["metadata"][key] for key in ("gamlib", "kernelspec", "language_info")}
    notebook["metadata"]["gamlib"] = {"exercise": exercise_of(solved)}
    cells, inside = [], False
    for cell in notebook["cells"]:
        text = source(cell)
        if cell["cell_type"] == "markdown" and "{solution-start}" in text:
            inside = True
        if not inside and "solution" not in tags(cell):
            cells.append(cell)
        if cell["cell_type"] == "markdown" and "{solution-end}" in text:
            inside = False
    for cell in cells:
        # the description of a figure tells what is asked
        cell["metadata"].pop("mystnb", None)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        else:
            cell["source"] = _plain(source(cell)).splitlines(keepends=True)
    notebook["cells"] = [cell for cell in cells if source(cell)]
    return notebook


def _plain(text: str) -> str:
    """Markdown that Jupyter shows as it is meant: without the directives of the book's pages."""
    text = re.sub(r"```\{exercise-start\}[^\n]*\n(?::[^\n]*\n)*```\n*", "## Your task\n\n", text)
    text = re.sub(r"```\{solution-start\}[^\n]*\n(?::[^\n]*\n)*```\n*", "## A solution\n\n", text)
    text = re.sub(r"```\{(exercise|solution)-end\}\n```\n*", "", text)
    text = re.sub(r":::\{admonition\} ([^\n]*)\n(?::[^\n]*\n)*\n*(.*?)\n:::", r"## \1\n\n\2", text, flags=re.S)
    return re.sub(r" ?\{cite\}`[^`]*`", "", text)


def write_student(project: Project, folder: Path, force: bool = False) -> tuple[list[Path], list[Path]]:
    """Write the student's edition of every exercise into `folder`; the paths written and those kept.

    A notebook that is there and differs is somebody's work: it is kept unless force is given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written, kept = [], []
    for name in exercise_names(project).values():
        path = folder / Path(name).with_suffix(".ipynb").name
        text = json.dumps(student_edition(read(project.source(name))), indent=1, ensure_ascii=False) + "\n"
        if path.exists() and not force and path.read_bytes() != text.encode():
            kept.append(path)
            continue
        path.write_text(text)
        written.append(path)
    return written, kept


def write_teacher(project: Project, profile: str, folder: Path) -> list[Path]:
    """Write the solved and executed notebooks into `folder`; they have to be run before. Other files stay."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in exercise_names(project).values():
        path = folder / Path(name).with_suffix(".ipynb").name
        notebook = json.loads(merged(project.source(name), project.executed(profile, name)))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = _plain(source(cell)).splitlines(keepends=True)
        notebook["cells"] = [cell for cell in notebook["cells"] if source(cell)]
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
        written.append(path)
    return written
