"""What makes a notebook due, and what does not."""

import json
import os

import pytest
from gambook.publish.plan import plan


@pytest.fixture
def book(project, write_notebook, monkeypatch):
    """A checkout: one chapter imports the tables of gambook.claims, one nothing; and an own network, mine.net."""
    write_notebook(project, "01_maps", "seed = 0\nimage_a = ''\nmodel = ''\nimagenet_root = ''\nresults_dir = '.'", "1")
    write_notebook(project, "08_tables", "seed = 0", "%pip list\nfrom gambook.claims.tables import table", "2")
    write_notebook(project, "12_verdicts", "seed = 0", "import gamlib", needs=["08_tables"])
    for path, text in {
        "gamlib/data/photos.csv": "name\n",
        "book/gambook/claims/__init__.py": "",
        "book/gambook/claims/tables.py": "def table():\n    from gambook.claims import paper\n",
        "book/gambook/claims/paper.py": "",
        "book/gambook/claims/curve.py": "",
        "book/gambook/claims/claims.csv": "id\n",
        "book/gambook/claims/style.css": "",
        "book/gambook/exercises/grading.py": "",
        "mine/__init__.py": "",
        "mine/net.py": "from .parts import block\nimport helpers",
        "mine/parts/__init__.py": "from mine.parts.block import Block",
        "mine/parts/block.py": "Block = 1",
        "mine/weights/best.pth": "1",
        "helpers.py": "import numpy",
        "unrelated.py": "",
        "one/photo.jpg": "",
    }.items():
        (project.root / path).parent.mkdir(parents=True, exist_ok=True)
        (project.root / path).write_text(text)
    monkeypatch.chdir(project.root)
    return project


def digests(project, **given):
    return {job.name: job.digest for job in plan(project, project.names(), "embedded", given, whole=True)}


def due_after(project, path, **given):
    """Notebooks whose digest changes with one more line in a file (or a new file)."""
    before = digests(project, **given)
    path = project.root / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + "# changed\n")
    after = digests(project, **given)
    return [name for name in before if after[name] != before[name]]


EVERY = ["01_maps", "08_tables", "12_verdicts"]


@pytest.mark.parametrize("path", ["gamlib/methods.py", "gamlib/data/photos.csv", "gamlib/new.py", "requirements.lock"])
def test_the_library_and_the_lock_make_every_notebook_due(book, path):
    assert due_after(book, path) == EVERY


@pytest.mark.parametrize("path", ["tables.py", "paper.py", "__init__.py", "claims.csv", "style.css"])
def test_claims_make_those_due_that_import_them_and_those_that_need_these(book, path):
    assert due_after(book, f"book/gambook/claims/{path}") == ["08_tables", "12_verdicts"]


@pytest.mark.parametrize(
    "path",
    [
        "book/gambook/claims/curve.py",
        "book/gambook/exercises/grading.py",
        "book/gambook/publish/run.py",
        "book/intro.md",
        "gamlib/__pycache__/methods.cpython-311.pyc",
    ],
)
def test_the_rest_of_the_book_makes_nothing_due(book, path):
    assert due_after(book, path) == []


def test_code_and_parameters_make_due_and_text_does_not(book):
    before = digests(book)
    assert digests(book, seed="1")["01_maps"] != before["01_maps"]
    path = book.source("01_maps")
    path.write_text(path.read_text().replace("# 01_maps", "# Maps"))
    assert digests(book) == before
    path.write_text(path.read_text().replace('"source": "1"', '"source": "1 + 1"'))
    assert digests(book)["01_maps"] != before["01_maps"]


def test_folders_that_a_notebook_says_it_reads(book):
    path = book.source("01_maps")
    notebook = json.loads(path.read_text())
    notebook["metadata"]["gamlib"] = {"reads": ["book/results"]}
    path.write_text(json.dumps(notebook))
    assert due_after(book, "book/results/embedded/ledger.csv") == ["01_maps"]
    assert due_after(book, "book/results/embedded/ledger.csv") == ["01_maps"]


@pytest.mark.parametrize(
    "path",
    [
        "mine/net.py", "mine/parts/block.py", "mine/__init__.py", "helpers.py",
        "mine/weights/best.pth", "mine/weights/first.npy", "mine/config.json",
    ],
)  # fmt: skip
def test_an_own_network_counts_with_what_it_imports_and_its_checkpoints(book, path):
    assert due_after(book, path, model="mine.net:make") == ["01_maps"]


def test_other_files_of_the_user_do_not_count(book):
    assert due_after(book, "unrelated.py", model="mine.net:make") == []
    assert due_after(book, "mine/notes.txt", model="mine.net:make") == []


def test_an_own_network_is_found_on_the_path_as_python_finds_it(book, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "single.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", f"/nowhere{os.pathsep}{elsewhere}")
    assert due_after(book, elsewhere / "single.py", model="single:make") == ["01_maps"]
    # beside a module outside of any package
    assert due_after(book, elsewhere / "single.safetensors", model="single:make") == ["01_maps"]


@pytest.mark.parametrize(
    ("parameter", "value", "path"),
    [
        ("image_a", "my.jpg", "my.jpg"),
        ("imagenet_root", "one", "one/b.jpg"),
        ("imagenet_root", "one", "one/boxes/b.xml"),
    ],
)
def test_files_and_folders_that_a_parameter_names(book, parameter, value, path):
    (book.root / "my.jpg").write_text("1")
    assert due_after(book, path, **{parameter: value}) == ["01_maps"]


def test_what_a_notebook_writes_does_not_make_it_due(book):
    (book.root / "kept").mkdir()
    assert due_after(book, "kept/map.npy", results_dir="kept") == []
    assert digests(book, results_dir="kept")["01_maps"] != digests(book, results_dir="other")["01_maps"]
