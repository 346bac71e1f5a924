"""Grading: a made-up class, graded once by the command; each test looks at one fate in its table."""

from __future__ import annotations

import contextlib
import copy
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from gambook.exercises import landlock
from gambook.exercises.checks import CHECKS, POINTS, worth
from gambook.exercises.children import Child
from gambook.exercises.editions import exercise_names, read_notebook, student_edition, tags
from gambook.exercises.forks import Forks
from gambook.exercises.gradebook import Grade, new_gradebook, write_grades
from gambook.exercises.submissions import find_submissions
from gambook.publish.cli import main
from gambook.publish.project import Project, Refused

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Project(ROOT)
NAMES = exercise_names(PROJECT)
SOLVED = {exercise: read_notebook(PROJECT.source(name)) for exercise, name in NAMES.items()}
STUDENT = {exercise: student_edition(notebook) for exercise, notebook in SOLVED.items()}
SOLUTION = {
    exercise: next(cell["source"] for cell in solved["cells"] if "solution" in tags(cell))
    for exercise, solved in SOLVED.items()
}
BY_HAND, DROP, INCREASE = SOLUTION["ex06"].split("\n\n\n")
WRONG_DROP = DROP.replace("(before - after).clamp(min=0)", "(before - after)")
PARTS = [*worth(CHECKS["ex06"])]
LIMIT = 15


def submission(*code: str, exercise: str = "ex06") -> dict:
    """A student's notebook whose stub cell has become these."""
    notebook = copy.deepcopy(STUDENT[exercise])
    at = next(number for number, cell in enumerate(notebook["cells"]) if "stub" in tags(cell))
    notebook["cells"][at : at + 1] = [notebook["cells"][at] | {"source": text} for text in code]
    return notebook


RIGHT = submission(SOLUTION["ex06"])
# Whose points nobody has earned: answers that are wrong until something makes them right.
NOTHING = "def by_hand():\n    return {}\n\n\ndef average_drop(before, after):\n    return 0\n\n\n"
NOTHING += "def increase_in_confidence(before, after):\n    return 0\n"
RUN_SOLUTION = """
for cell in json.loads(text)["cells"]:
    if "solution" in cell["metadata"].get("tags", []):
        exec("".join(cell["source"]))
"""
FORGERIES = {
    "imports the checks": """
from gambook.exercises.checks.ex06_measures import ADP, PIC
average_drop, increase_in_confidence = ADP.right, PIC.right
""",
    "imports what checks are made of": "from gambook.exercises.checks import scoring\n",
    "imports the checks, once the stand-in is gone": """
import sys
for name in [name for name in sys.modules if name.startswith("gambook")]:
    del sys.modules[name]
from gambook.exercises.checks.ex06_measures import ADP, PIC
average_drop, increase_in_confidence = ADP.right, PIC.right
""",
    "runs the solution of the checkout": f"""
import json
from pathlib import Path
import gamlib
(path,) = (Path(gamlib.__file__).parents[1] / "notebooks" / "exercises").glob("ex06*")
text = path.read_text()
{RUN_SOLUTION}""",
    "looks up the answer in the caller's frames": """
import sys
def found(kind):
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if hasattr(value, "right"):
                return value.right
        frame = frame.f_back
def average_drop(before, after):
    return found("ADP")(before, after)
def increase_in_confidence(before, after):
    return found("PIC")(before, after)
""",
    "replaces the check cell by a transformer": """
def cheat(lines):
    return ["by_hand = average_drop = increase_in_confidence = None"]
get_ipython().input_transformers_cleanup.append(cheat)
""",
    "rewrites records from a thread": """
import glob, json, threading, time
def rewrite():
    while True:
        for path in glob.glob("../*.json") + glob.glob("../../*.json"):
            open(path, "w").write(json.dumps([{"exercise": "ex06", "parts": [{"name": "all", "earned": 8}]}]))
        time.sleep(0.01)
threading.Thread(target=rewrite, daemon=True).start()
""",
    "patches json": """
import json
whole = json.dumps
json.dumps = lambda value, **options: whole({"earned": 500, "points": 500, "value": 30.0}, **options)
""",
    "makes every comparison true": """
import torch
torch.Tensor.__le__ = torch.Tensor.__eq__ = torch.Tensor.__bool__ = lambda *others: True
""",
    "hooks the import of the checks": """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("gambook"):
            import types
            sys.modules[name] = types.ModuleType(name)
sys.meta_path.insert(0, Finder())
import gambook.exercises.checks
gambook.exercises.checks.ex06 = lambda *functions, seed: print("ex06: 8 of 8 points")
""",
    "takes gamlib's own": "from gamlib import average_drop, increase_in_confidence\n",
    "loads gamlib's own anew": """
import importlib
import gamlib.metrics
importlib.reload(gamlib.metrics)
from gamlib.metrics import average_drop, increase_in_confidence
""",
    "reads the solution below Python": f"""
import json
import torch
path = {str(PROJECT.source(NAMES["ex06"]))!r}
text = bytes(torch.from_file(path, size={PROJECT.source(NAMES["ex06"]).stat().st_size}, dtype=torch.uint8).tolist())
{RUN_SOLUTION}""",
    "reads the solution by another program": f"""
import json, subprocess
text = subprocess.run(["cat", {str(PROJECT.source(NAMES["ex06"]))!r}], capture_output=True, check=True).stdout
{RUN_SOLUTION}""",
}
# What Python sees nothing of; a wall of the system's has to.
BELOW_PYTHON = ("reads the solution below Python", "reads the solution by another program")


def without(notebook: dict, **metadata: object) -> dict:
    """The notebook with other metadata."""
    return notebook | {"metadata": metadata}


def with_error_below(notebook: dict) -> dict:
    """As saved after a run in which the last cell failed."""
    notebook = copy.deepcopy(notebook)
    error = {"output_type": "error", "ename": "NameError", "evalue": "name 'saliency' is not defined", "traceback": []}
    notebook["cells"][-1] = notebook["cells"][3] | {"outputs": [error], "source": "saliency"}
    return notebook


R = {"name": "ir", "display_name": "R", "language": "R"}
ML = {"name": "ml", "display_name": "ml"}
BELOW = submission(BY_HAND, ")")
BELOW["cells"].append(BELOW["cells"][3] | {"source": DROP + "\n\n\n" + INCREASE})
IN_THE_CHECK = submission(BY_HAND, DROP)
for _cell in IN_THE_CHECK["cells"]:
    if "check" in tags(_cell):
        _cell["source"] = f"{INCREASE}\n\n\n{_cell['source']}\nimport gambook.exercises.checks as c\nc.report()"
        _cell["source"] += "\nimport gambook.exercises.checks\ngambook.exercises.checks.report()"
        _cell["source"] += "\nfrom gambook.exercises.checks import *\nex06(None)\n"
        # what is shown is not kept: 8 GB in all
        _cell["source"] += "import torch\nfor _ in range(2_000):\n    display(torch.ones(1_000_000))"
UNTAGGED = copy.deepcopy(RIGHT)
for _cell in UNTAGGED["cells"]:
    _cell["metadata"] = {}
UNTAGGED["cells"][-1] = UNTAGGED["cells"][3] | {"source": "1 / 0"}
DETACHED = """
import subprocess
process = subprocess.Popen(["sleep", "987"], env={}, start_new_session=True)
raise RuntimeError(f"detached {process.pid}")
"""
FORMULA = """raise type('=HYPERLINK("http://a.example/";"click")', (Exception,), {})("\\x1b[2Kx")"""
ENDLESS = "def average_drop(before, after):\n    while True:\n        pass\n"
HUGE = "import torch\n\n\ndef average_drop(before, after):\n    return torch.zeros(1).expand(10**9)\n"
STRANGE = "def average_drop(before, after):\n    return type('\\x1b[2KOdd', (), {})()\n"

# Path -> notebook, and (points, of, status, a part of the hint).
CLASS: dict[str, tuple[dict, tuple[int, int, str, str]]] = {
    "ann/right.ipynb": (RIGHT, (8, 8, "graded", "")),
    # the name of the file says another exercise; the metadata count
    "bob/ex01_wrong.ipynb": (
        submission(BY_HAND, WRONG_DROP, INCREASE.replace("def ", "def my_")),
        (4, 8, "graded", "still to be written: nothing has this name"),
    ),
    "cem/fails.ipynb": (submission("1 / 0", SOLUTION["ex06"]), (8, 8, "error", "ZeroDivisionError: division by zero")),
    "dee/exit.ipynb": (submission("exit()", SOLUTION["ex06"]), (8, 8, "graded", "")),
    "dee/sys_exit.ipynb": (submission("import sys\nsys.exit(3)", SOLUTION["ex06"]), (8, 8, "error", "SystemExit: 3")),
    "eve/dies.ipynb": (submission("import os\nos._exit(0)"), (0, 8, "error", "the process has ended")),
    "eve/dies_later.ipynb": (
        submission(BY_HAND, "import os\n\n\ndef average_drop(before, after):\n    os._exit(0)\n"),
        (4, 8, "error", "average_drop, increase_in_confidence: the process has ended"),
    ),
    "fay/below.ipynb": (BELOW, (4, 8, "error", "defined below the check, where nothing is run: average_drop, incr")),
    "fay/error_below.ipynb": (with_error_below(RIGHT), (8, 8, "error below", "below the check: NameError: name 'sal")),
    "gus/r.ipynb": (without(RIGHT, kernelspec=R), (0, 0, "unreadable", "wrong kernel: 'ir', expected one for Python")),
    "gus/ml.ipynb": (
        without(RIGHT, kernelspec=ML, language_info={"name": "python"}, gamlib={"exercise": "ex06"}),
        (8, 8, "graded", ""),
    ),
    "hal/unknown.ipynb": (
        without(RIGHT, gamlib={"exercise": "ex99"}),
        (0, 0, "unreadable", f"not one of the exercises: 'ex99'; accepted: {', '.join(NAMES)}"),
    ),
    "ida/endless.ipynb": (submission(BY_HAND, ENDLESS, INCREASE), (4, 8, "timeout", f"stopped after {LIMIT} s")),
    "jon/loud.ipynb": (submission("print('x' * 10**8)", SOLUTION["ex06"]), (8, 8, "graded", "")),
    "kim/magic.ipynb": (submission("%matplotlib inline\n!ls\n%pip install x", SOLUTION["ex06"]), (8, 8, "graded", "")),
    "kim/other_magic.ipynb": (
        submission("%%bash\nif", "%%time\nfiles = !ls", SOLUTION["ex06"] + "\n\n\nrest = (\n    9\n    % 5\n)"),
        (8, 8, "graded", ""),
    ),
    "lea/in_the_check.ipynb": (IN_THE_CHECK, (8, 8, "graded", "")),
    "lea/untagged.ipynb": (UNTAGGED, (8, 8, "graded", "")),
    "mia/formula.ipynb": (submission(FORMULA, SOLUTION["ex06"]), (8, 8, "error", "'=HYPERLINK(")),
    "mia/strange.ipynb": (submission(BY_HAND, STRANGE, INCREASE), (6, 8, "graded", "returns a \ufffd[2KOdd; expected")),
    "mia/huge.ipynb": (
        submission(BY_HAND, HUGE, INCREASE),
        (6, 8, "graded", "returns a Tensor of 1000000000 numbers; expected a tensor or numbers"),
    ),
    "mia/tags.ipynb": (
        RIGHT | {"cells": [RIGHT["cells"][2] | {"metadata": {"tags": None}}]},
        (0, 0, "unreadable", "not a notebook: TypeError: "),
    ),
    "mia/metadata.ipynb": (without(RIGHT, gamlib=None), (0, 0, "unreadable", "not a notebook: AttributeError: ")),
    "mia/exercise.ipynb": (
        without(RIGHT, gamlib={"exercise": ["ex06"]}),
        (0, 0, "unreadable", "not one of the exercises: ['ex06']; accepted: "),
    ),
    "+1=2.ipynb": (RIGHT, (8, 8, "graded", "")),
    "Abgabe Gruppe 3.ipynb": (without(RIGHT), (8, 8, "graded", "")),
    **{
        f"honest/{NAMES[exercise].removeprefix('exercises/')}.ipynb": (
            submission(SOLUTION[exercise], exercise=exercise),
            (POINTS[exercise], POINTS[exercise], "graded", ""),
        )
        for exercise in NAMES
    },
}


def gam(*arguments: object) -> tuple[int, str]:
    """Exit code and output of `gam exercises`."""
    outcome = CliRunner().invoke(main, ["exercises", *map(str, arguments)])
    return outcome.exit_code, outcome.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class, with what lies about in such folders."""
    folder = tmp_path_factory.mktemp("class")
    notebooks = {name: notebook for name, (notebook, _) in CLASS.items()}
    notebooks |= {f"forger/{name}.ipynb": submission(NOTHING, code) for name, code in FORGERIES.items()}
    notebooks["vic/detached.ipynb"] = submission(DETACHED, SOLUTION["ex06"])
    delete = "import shutil\nfor place in ('..', '../..', {!r}):\n    shutil.rmtree(place, ignore_errors=True)"
    kills = "import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(os.getppid()), signal.SIGKILL)"
    notebooks["wim/kills.ipynb"] = submission(kills, SOLUTION["ex06"])
    notebooks["wim/deletes.ipynb"] = submission(delete.format(str(folder)), SOLUTION["ex06"])
    # the teacher's edition, and a second checkout's formulas, beside the class
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "teacher.ipynb").write_text(json.dumps(submission(SOLUTION["ex06"])))
    (elsewhere / "metrics.py").write_text((ROOT / "gamlib" / "metrics.py").read_text())
    text = f"import json\ntext = open({str(elsewhere / 'teacher.ipynb')!r}).read()\n{RUN_SOLUTION}"
    notebooks["wim/teacher.ipynb"] = submission(NOTHING, text)
    copied = (
        f"import sys\nsys.path.insert(0, {str(elsewhere)!r})\nfrom metrics import average_drop, increase_in_confidence"
    )
    notebooks["wim/second_checkout.ipynb"] = submission(NOTHING, copied)
    reads = f"print(open({str(folder / 'ann' / 'right.ipynb')!r}).read())"
    notebooks["wim/reads_another.ipynb"] = submission(reads, SOLUTION["ex06"])
    for name, notebook in notebooks.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(notebook))
    (folder / "xia").mkdir()
    (folder / "xia" / "broken.ipynb").write_text('{"cells": [')
    (folder / "xia" / "bom.ipynb").write_text("\ufeff" + json.dumps(RIGHT), encoding="utf-8")
    # a name from an archive of another system: no UTF-8
    (folder / "xia" / os.fsdecode(b"\xe4\x1b.ipynb")).write_text("[]")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._right.ipynb").write_bytes(b"\0")
    os.mkfifo(folder / "xia" / "fifo.ipynb")
    (folder / "xia" / "link.ipynb").symlink_to(PROJECT.source(NAMES["ex06"]))
    return folder


@pytest.fixture(scope="module")
def output(folder: Path) -> str:
    """What the command prints while it grades the class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        code, output = gam("grade", folder, "--time-limit", LIMIT, "--seed", 1, "--jobs", 3)
    assert code == 0, output
    return output


@pytest.fixture(scope="module")
def rows(folder: Path, output: str) -> dict[str, dict[str, str]]:
    """File -> its row of the CSV."""
    with (folder / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["file"].removeprefix("'"): row for row in csv.DictReader(file)}


@pytest.mark.parametrize("name", CLASS)
def test_each_submission_has_the_points_of_its_functions(rows, name):
    points, of, status, hint = CLASS[name][1]
    row = rows[name]
    assert (row["points"], row["of"], row["status"]) == (str(points), str(of), status), row
    assert hint in row["hint"] if hint else row["hint"] == ""


@pytest.mark.parametrize("name", FORGERIES)
def test_no_forgery_gets_a_point(rows, name):
    if name in BELOW_PYTHON and landlock.version() < 1:
        pytest.skip("this system has no Landlock")
    row = rows[f"forger/{name}.ipynb"]
    assert (row["points"], row["of"]) == ("0", "8"), row


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("forger/imports the checks", "No module named 'gambook.exercises.checks.ex06_measures'"),
        ("forger/imports the checks, once the stand-in is gone", "is withheld while grading"),
        ("forger/imports what checks are made of", "cannot import name 'scoring' from 'gambook.exercises.checks'"),
        ("forger/runs the solution of the checkout", "ex06_adp_and_pic.ipynb is withheld while grading"),
        ("forger/takes gamlib's own", "PermissionError: gamlib's own answer is withheld while grading"),
        ("forger/loads gamlib's own anew", "is withheld while grading"),
        ("wim/teacher", "teacher.ipynb is withheld while grading"),
        ("wim/second_checkout", "withheld while grading"),
        ("wim/reads_another", "right.ipynb is withheld while grading"),
    ],
)
def test_what_is_withheld_is_said_in_the_status(rows, name, hint):
    row = rows[f"{name}.ipynb"]
    assert row["status"] == "refused" and hint in row["hint"]


def test_a_submission_that_deletes_what_it_can_costs_nobody_anything(rows, folder):
    assert (rows["wim/deletes.ipynb"]["points"], rows["wim/deletes.ipynb"]["status"]) == ("8", "graded")
    assert (folder / "ann" / "right.ipynb").is_file()


@pytest.mark.skipif(landlock.version() < 6, reason="this system lets a process signal any other of its user")
def test_a_submission_cannot_end_what_watches_it(rows):
    row = rows["wim/kills.ipynb"]
    assert (row["points"], row["hint"]) == ("8", "PermissionError: [Errno 1] Operation not permitted")


def test_what_a_submission_has_started_ends_with_it(rows):
    row = rows["vic/detached.ipynb"]
    assert row["points"] == "8" and row["hint"].startswith("RuntimeError: detached ")
    assert not psutil.pid_exists(int(row["hint"].split()[-1]))


def test_every_file_is_a_row_or_skipped_with_a_reason(rows, output):
    assert len(rows) == len(CLASS) + len(FORGERIES) + 6 + 3
    assert rows["xia/bom.ipynb"]["points"] == "8"
    assert rows["xia/broken.ipynb"]["hint"].startswith("not a notebook: JSONDecodeError: ")
    assert rows["xia/\ufffd\ufffd.ipynb"]["status"] == "unreadable"
    for line in (
        "skipped __MACOSX/._right.ipynb: written by macOS beside the file itself",
        "skipped xia/fifo.ipynb: not a file",
        "skipped xia/link.ipynb: a link",
    ):
        assert line in output.splitlines()


def test_each_submission_is_told_as_soon_as_it_is_graded(rows, output):
    lines = [line for line in output.splitlines() if f" of {len(rows)} " in line]
    assert [line.split(" of ")[0] for line in lines] == [str(n) for n in range(1, len(rows) + 1)]
    assert [line.partition(" of ")[2] for line in lines if " ann " in line] == [f"{len(rows)} ann ex06 8/8 graded"]


def test_a_spreadsheet_takes_no_cell_for_a_formula_and_a_terminal_none_for_a_command(rows, folder, output):
    text = (folder / "grades.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbfstudent,exercise,attempt,points,of,status,hint,file\r\n")
    assert not any(value[:1] in ("=", "+", "-", "@") for row in rows.values() for value in row.values())
    assert rows["+1=2.ipynb"]["student"] == "'+1=2"
    assert b"\x1b" not in text and "\x1b" not in output


WALLED = """
import sys
from gambook.exercises.landlock import confine
root = sys.argv[1]
confine({root: False, root + "/lent": True, root + "/lent/kept": False, root + "/lent/kept/own": True}, [root + "/own"])
for name in ("a", "lent/b", "lent/kept/c", "lent/kept/own/d", "own/e"):
    for mode in ("r", "a"):
        try:
            open(f"{root}/{name}", mode).close()
            print(name, mode)
        except PermissionError:
            pass
"""


@pytest.mark.skipif(landlock.version() < 1, reason="this system has no Landlock")
def test_the_wall_lets_through_what_the_longest_path_lends(tmp_path):
    for name in ("a", "lent/b", "lent/kept/c", "lent/kept/own/d", "own/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    command = [sys.executable, "-c", WALLED, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["lent/b r", "lent/kept/own/d r", "own/e r", "own/e a"]


STEMS = [Path(name).name for name in NAMES.values()]
ADP, EQ5 = "ex06_adp_and_pic", "ex03_equation_5"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # Moodle, in folders and without
        ([f"Jane Doe_4711_assignsubmission_file/{EQ5}.ipynb"], [("Jane Doe", "ex03", 1)]),
        ([f"Doe_Jane_123_assignsubmission_file_{EQ5}.ipynb"], [("Doe_Jane", "ex03", 1)]),
        # in the folder of a course whose name has numbers
        ([f"Optics_101_2026_Sheet 3/Jane Doe_47_assignsubmission_file/{EQ5}.ipynb"], [("Jane Doe", "ex03", 1)]),
        # two people of one name
        ([f"Li_{n}_assignsubmission_file/{EQ5}.ipynb" for n in (1, 2)], [("Li", "ex03", 1), ("Li", "ex03", 1)]),
        # Canvas, where attempts end in a number
        (
            [f"doejane_12_9{n}_{EQ5}{end}.ipynb" for n, end in enumerate(("", "-1", "-2", "-10"))],
            [("doejane", "ex03", n) for n in (1, 2, 3, 4)],
        ),
        ([f"doejane_LATE_12_90_{EQ5}.ipynb"], [("doejane", "ex03", 1)]),
        # GitHub Classroom
        ([f"course-submissions/course-mary-ann/{EQ5}.ipynb"], [("mary-ann", "ex03", 1)]),
        ([f"ex03-equation-5-octocat/{EQ5}.ipynb"], [("octocat", "ex03", 1)]),
        # names of their own
        (["ex03/ann.ipynb"], [("ann", "ex03", 1)]),
        (["ann_ex03.ipynb", "ex06-ann.ipynb"], [("ann", "ex03", 1), ("ann", "ex06", 1)]),
        ([f"ann/{EQ5}.ipynb", f"ann/{EQ5} (1).ipynb"], [("ann", "ex03", 1), ("ann", "ex03", 2)]),
        ([f"{ADP}.ipynb"], [(ADP, "ex06", 1)]),
        (["Müller/meine Lösung EX06 neu.ipynb"], [("Müller", "ex06", 1)]),
    ],
)
def test_names_of_learning_platforms_say_who_and_which_exercise(tmp_path, files, expected):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(json.dumps(without(RIGHT)))
    found, skipped = find_submissions(tmp_path, dict.fromkeys(NAMES, ""), STEMS)
    assert [(one.student, one.exercise, one.attempt) for one in found] == expected
    assert skipped == []


def test_attempts_are_counted_by_their_numbers(tmp_path):
    for end in ("-10", "", "-2"):
        (tmp_path / f"ann_ex06{end}.ipynb").write_text(json.dumps(without(RIGHT)))
    found, _ = find_submissions(tmp_path, dict.fromkeys(NAMES, ""), STEMS)
    assert [(one.file, one.attempt) for one in found] == [
        ("ann_ex06.ipynb", 1), ("ann_ex06-2.ipynb", 2), ("ann_ex06-10.ipynb", 3),
    ]  # fmt: skip


def grade_of(student: str, points: int) -> Grade:
    return Grade(student, "ex06", 1, points, 8, "graded", "", f"{student}.ipynb")


def test_the_table_is_whole_after_each_row(tmp_path):
    new_gradebook(tmp_path / "grades.csv")
    header = "student,exercise,attempt,points,of,status,hint,file"
    assert (tmp_path / "grades.csv").read_text(encoding="utf-8-sig").splitlines() == [header]
    write_grades(tmp_path / "grades.csv", [grade_of("bob", 4), grade_of("ann", 8)])
    assert (tmp_path / "grades.csv").read_text(encoding="utf-8-sig").splitlines() == [
        header, "ann,ex06,1,8,8,graded,,ann.ipynb", "bob,ex06,1,4,8,graded,,bob.ipynb",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["grades.csv"]


def test_a_table_that_cannot_be_written_any_more_keeps_its_rows(tmp_path, monkeypatch):
    new_gradebook(tmp_path / "grades.csv")
    write_grades(tmp_path / "grades.csv", [grade_of("ann", 8)])

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Refused, match=r"cannot be written any more: No space left on device; it has the rows so far"):
        write_grades(tmp_path / "grades.csv", [grade_of("ann", 8), grade_of("bob", 4)])
    assert "ann,ex06,1,8,8" in (tmp_path / "grades.csv").read_text(encoding="utf-8-sig")


def test_a_request_that_cannot_be_graded_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "ex01.ipynb").write_text("{}")
    (tmp_path / "empty").mkdir()
    mine = tmp_path / "mine.csv"
    mine.write_text("my own remarks")
    missing = tmp_path / "none" / "grades.csv"
    for arguments, text in {
        (tmp_path / "empty",): "holds no notebook",
        (tmp_path / "none",): "is not a folder",
        (tmp_path / "some", "--out", mine): f"{mine} is there, perhaps with remarks: move it away, or name another",
        (tmp_path / "some", "--out", missing): f"{missing} cannot be written: No such file or directory; name another",
    }.items():
        code, output = gam("grade", *arguments)
        assert code == 1 and text in output
    assert mine.read_text() == "my own remarks"


def test_grading_goes_on_where_something_has_ended_what_forks(tmp_path, monkeypatch):
    # killed, it leaves its folder
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with contextlib.closing(Forks()) as forks:
        for _ in range(2):
            with contextlib.closing(Child(forks, 60)) as child:
                assert child.run(["1 / 0"], "ex06", {"/": True}) == ["ZeroDivisionError: division by zero"]
            forks._process.kill()
            forks._process.wait()
    with pytest.raises(ConnectionError, match="the grading has ended"):
        Child(forks, 60)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it holds within that time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_grader(tmp_path, end):
    """Killed or interrupted while a submission runs that has started a process of its own."""
    folder, places = tmp_path / "class", tmp_path / "places"
    folder.mkdir()
    places.mkdir()
    endless = "import os, time\nif os.fork() == 0:\n    os.setsid()\nopen('started', 'w').close()\ntime.sleep(987)"
    (folder / "ex06.ipynb").write_text(json.dumps(submission(endless)))
    command = [str(Path(sys.executable).with_name("gam")), "exercises", "grade", str(folder)]
    environment = {**os.environ, "TMPDIR": str(places)}
    # a job in the background of a shell is deaf to interruptions, and so would the grader be
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    grader = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    signal.signal(signal.SIGINT, before)
    assert wait_for(lambda: any(places.glob("*/*/*/started")), 120)
    # what forks, what watches, the submission, and its own
    assert wait_for(lambda: len(processes_of(places) - {grader.pid}) == 4, 10)
    # a terminal that is closed tells the processes of its session, and they are not of it
    assert os.getsid(grader.pid) not in {os.getsid(pid) for pid in processes_of(places) - {grader.pid}}
    grader.send_signal(end)
    grader.wait(60)
    assert wait_for(lambda: not processes_of(places) and not list(places.iterdir()), 60)


def processes_of(places: Path) -> set[int]:
    """Those that were started with this folder for temporary files."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(places) and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
    return found
