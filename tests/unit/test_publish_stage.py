"""The staged sources: what they hold, and that unchanged files stay untouched."""

import json

import pytest
import yaml
from gambook.publish.project import Refused
from gambook.publish.stage import merged, stage

TOC = "format: jb-book\nroot: book/intro\nparts:\n- caption: Figures\n  chapters:\n  - file: notebooks/01_toy\n"


def execute_by_hand(project, name):
    """The executed copy of a notebook, as a run would leave it, with an output in each code cell."""
    notebook = json.loads(project.source(name).read_text())
    for number, cell in enumerate(cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        cell["execution_count"] = number + 2
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": f"output {number}"}]
    injected = {
        "cell_type": "code",
        "id": "x",
        "metadata": {},
        "source": "seed = 3",
        "outputs": [],
        "execution_count": 1,
    }
    foot = {"cell_type": "markdown", "id": "provenance", "metadata": {}, "source": "made so"}
    notebook["cells"] = [injected, *notebook["cells"], foot]
    notebook["metadata"]["widgets"] = {"state": 1}
    path = project.executed("embedded", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))
    return path


@pytest.fixture
def book(project, write_notebook):
    (project.root / "_toc.yml").write_text(TOC)
    write_notebook(project, "01_toy", "seed = 0", "print(seed)")
    execute_by_hand(project, "01_toy")
    return project


def config(book):
    return yaml.safe_load((book.staged / "_config.yml").read_text())


def test_text_comes_from_the_source_and_outputs_from_the_run(book):
    source = book.source("01_toy")
    source.write_text(source.read_text().replace("# 01_toy", "# A toy"))
    notebook = json.loads(merged(source, book.executed("embedded", "01_toy")))
    assert [cell["source"] for cell in notebook["cells"]] == ["# A toy", "seed = 0", "print(seed)", "made so"]
    assert [cell["outputs"][0]["text"] for cell in notebook["cells"][1:3]] == ["output 0", "output 1"]
    assert notebook["metadata"]["widgets"] == {"state": 1}


def test_unchanged_files_keep_their_time_and_stale_ones_go(book):
    stage(book, "embedded")
    files = {path: path.stat().st_mtime_ns for path in book.staged.rglob("*") if path.is_file()}
    assert {path.relative_to(book.staged).as_posix() for path in files} == {
        "_config.yml", "_toc.yml", "book/intro.md", "notebooks/01_toy.ipynb"
    }  # fmt: skip
    (book.staged / "book/old.md").write_text("# Old")
    (book.root / "book/intro.md").write_text("# Changed")
    stage(book, "embedded")
    after = {path: path.stat().st_mtime_ns for path in book.staged.rglob("*") if path.is_file()}
    assert [path.name for path in files if after[path] != files[path]] == ["intro.md"]
    assert set(after) == set(files)


def test_published_results_are_staged_and_those_of_a_run_are_not(book):
    for path in ("_build/results/embedded/table1.csv", "book/results/open/table1.csv"):
        (book.root / path).parent.mkdir(parents=True, exist_ok=True)
        (book.root / path).write_text(path)
    stage(book, "embedded")
    staged = [path.relative_to(book.staged).as_posix() for path in book.staged.rglob("table1.csv")]
    assert staged == ["book/results/open/table1.csv"]


def test_a_missing_page_stops_before_the_build(book):
    book.executed("embedded", "01_toy").unlink()
    (book.root / "book/intro.md").unlink()
    with pytest.raises(Refused, match="pages that are not there: book/intro, notebooks/01_toy"):
        stage(book, "embedded")


def test_buttons_only_with_an_address(book):
    stage(book, "embedded")
    assert "launch_buttons" not in config(book)
    (book.root / "_config.yml").write_text('title: "A book"\nrepository:\n  url: "https://example.org/book"\n')
    stage(book, "embedded")
    assert config(book)["html"]["use_repository_button"] is True
    assert "colab_url" in config(book)["launch_buttons"]


def test_the_offline_edition_names_its_own_scripts(book, tmp_path):
    script = tmp_path / "tex-svg.js"
    script.write_text("draw()")
    stage(book, "embedded", [script])
    assert (book.staged / "offline/vendor/tex-svg.js").read_text() == "draw()"
    assert config(book)["sphinx"]["config"]["mathjax_path"] == "vendor/tex-svg.js"
    stage(book, "embedded")
    assert not (book.staged / "offline/vendor/tex-svg.js").exists()


def test_no_index_address_in_the_lock(root):
    for name in ("requirements.lock", "environment.yml"):
        assert "://" not in (root / name).read_text()
        assert "index-url" not in (root / name).read_text()
