"""The notebooks that a class has handed in: whose each is, which exercise, and what it holds."""

from __future__ import annotations

import itertools
import operator
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gambook.exercises.editions import exercise_of, read_notebook, tags
from gambook.publish.project import Refused

LARGEST_FILE = 64_000_000
CHECK = re.compile(r"^from gambook\.exercises\.checks import ", re.M)
# Where learning platforms put a student's name: Moodle (folder or file), Canvas (file), GitHub Classroom, which has
# no id (<assignment>-submissions/<assignment>-<student>/).
PLATFORMS = (
    r"(?:^|/)(?P<name>[^/]+?)_(?P<id>\d+)_assignsubmission",
    r"(?:^|/)(?P<name>[^/_]+)_(?:LATE_)?(?P<id>\d+)_\d+_",
    r"(?:^|/)(?P<assignment>[^/]+)-submissions/(?P=assignment)-(?P<name>[^/]+)(?P<id>)/",
)


@dataclass(frozen=True)
class Submission:
    """One file. exercise: "" where it is none; fault: why it cannot be graded.

    cells: code up to the last check; below: code behind it; late: the error that the saved outputs there show.
    """

    file: str
    student: str
    id: str
    exercise: str = ""
    attempt: int = 1
    fault: str = ""
    cells: tuple[str, ...] = ()
    below: str = ""
    late: str = ""


def find_submissions(
    folder: Path, stubs: Mapping[str, str], stems: Collection[str]
) -> tuple[list[Submission], list[str]]:
    """Submissions below `folder` in order of student, exercise and attempt; and what was left out, with the reason.

    stubs: exercise -> code of its stub. stems: names of the exercises' files. Attempts are those of one student at one
    exercise, numbered in the order of their paths, in which 2 comes before 10. Refused where there is no notebook.
    """
    if not folder.is_dir():
        raise Refused(f"{folder} is not a folder: give the one that holds the submissions")
    found, skipped = [], []
    for path in sorted(folder.rglob("*.ipynb")):
        inside = path.relative_to(folder)
        if reason := _reason_to_skip(path, inside):
            skipped.append(f"{shown(inside)}: {reason}")
        else:
            found.append(_read(path, Submission(shown(inside), *_student(inside, stems)), stubs))
    if not found:
        raise Refused(f"{folder} holds no notebook (*.ipynb)")
    whose = operator.attrgetter("student", "exercise", "id")
    found.sort(key=lambda one: (one.student.lower(), *whose(one), _natural(one.file)))
    counted = itertools.groupby(found, key=whose)
    return [replace(one, attempt=n) for _, group in counted for n, one in enumerate(group, start=1)], skipped


def shown(path: Path) -> str:
    """A path as text; archives of other systems leave bytes in names that no text file can hold."""
    return os.fsencode(path.as_posix()).decode(errors="replace")


def _natural(file: str) -> list:
    """Numbers by their value, and a name before the same name with something behind it."""
    parts = re.split(r"(\d+)", file.removesuffix(".ipynb"))
    return [int(part) if n % 2 else part for n, part in enumerate(parts)]


def _reason_to_skip(path: Path, inside: Path) -> str:
    if "__MACOSX" in inside.parts or path.name.startswith("._"):
        return "written by macOS beside the file itself"
    if ".ipynb_checkpoints" in inside.parts:
        return "a copy made by Jupyter"
    if path.is_symlink():
        return "a link"
    return "" if path.is_file() else "not a file"


def _read(path: Path, empty: Submission, stubs: Mapping[str, str]) -> Submission:
    """The submission filled in; whatever is wrong with it is its fault."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise Refused(f"larger than {LARGEST_FILE // 10**6} MB: clear its outputs")
        notebook = read_notebook(path)
        kernel, language = (notebook["metadata"].get(key, {}) for key in ("kernelspec", "language_info"))
        languages = {one.lower() for one in (kernel.get("language"), language.get("name")) if one}
        if languages and "python" not in languages:
            raise Refused(f"wrong kernel: {kernel.get('name')!r}, expected one for Python")
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        checks = [n for n, cell in enumerate(code, start=1) if "check" in tags(cell) or CHECK.search(cell["source"])]
        end = checks[-1] if checks else len(code)
        cells, below = ([cell["source"] for cell in part] for part in (code[:end], code[end:]))
        outputs = [one for cell in code[end:] for one in cell.get("outputs", []) if one["output_type"] == "error"]
        late = "".join(f"{one['ename']}: {one['evalue']}" for one in outputs[:1])
        exercise = exercise_of(notebook) or _exercise(empty.file, "\n".join(cells), stubs)
        if exercise not in list(stubs):
            raise Refused(f"not one of the exercises: {exercise!r}; accepted: {', '.join(stubs)}")
    except (Refused, OSError) as error:
        return replace(empty, fault=str(error))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        return replace(empty, fault=f"not a notebook: {type(error).__name__}: {error}")
    return replace(empty, exercise=exercise, cells=tuple(cells), below="\n".join(below), late=late)


def _exercise(file: str, code: str, stubs: Mapping[str, str]) -> str:
    """By the name of the file or of a folder, else by the functions that are defined; "" where neither says."""
    for part in reversed(file.split("/")):
        if name := re.search(r"ex0\d", part, re.I):
            return name[0].lower()
    mine = functions(code)
    return next((exercise for exercise, stub in stubs.items() if functions(stub) & mine), "")


def functions(code: str) -> set[str]:
    """Names of the functions that code defines at the left margin."""
    return set(re.findall(r"^def (\w+)\(", code, re.M))


def _student(inside: Path, stems: Iterable[str]) -> tuple[str, str]:
    """Who has handed in a file, by its path below the folder of the class, and what tells apart two of one name."""
    path = shown(inside.with_suffix(""))
    for pattern in PLATFORMS:
        if match := re.search(pattern, path):
            return match["name"], match["id"]
    *folders, name = path.split("/")
    # a number at the end of a file's name counts attempts
    for part in [*folders, re.sub(r"[-_ ]?(-\d{1,2}|\(\d+\)|v\d+)$", "", name)]:
        for stem in stems:
            part = part.replace(stem, " ").replace(stem.replace("_", "-"), " ")
        if bare := " ".join(re.sub(r"ex0\d", " ", part, flags=re.I).split()).strip("-_ ."):
            return bare, ""
    return name, ""
