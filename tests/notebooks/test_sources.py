"""The notebooks as they are committed: clean, parameterised, runnable by Papermill and on Colab."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted(path for path in NOTEBOOKS.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


@pytest.fixture(params=SOURCES, ids=lambda path: path.relative_to(NOTEBOOKS).with_suffix("").as_posix())
def notebook(request) -> dict:
    return json.loads(request.param.read_text())


def code_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def test_no_outputs(notebook):
    assert [(cell["outputs"], cell["execution_count"]) for cell in code_cells(notebook)] == [
        ([], None) for _ in code_cells(notebook)
    ]
    assert "widgets" not in notebook["metadata"]


def test_cell_ids_are_there_and_differ(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"] >= 5) == (4, True)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    # the runner adds a cell of this name
    assert "provenance" not in ids


def test_kernel(notebook):
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_first_code_cell_holds_the_parameters(notebook):
    tagged = [number for number, cell in enumerate(code_cells(notebook)) if "parameters" in tags(cell)]
    assert tagged == [0]
    assert "hide-input" in tags(code_cells(notebook)[0])


def test_second_code_cell_installs_on_colab_only(notebook):
    cell = code_cells(notebook)[1]
    assert "remove-cell" in tags(cell)
    assert "google.colab" in "".join(cell["source"])


def test_chapters_look_at_what_they_were_given_before_they_work(notebook):
    cell = code_cells(notebook)[2]
    profile = ", profile" if "profile =" in "".join(code_cells(notebook)[0]["source"]) else ""
    if "exercise" not in notebook["metadata"].get("gamlib", {}):
        assert f"\ncheck_given(In{profile})" in "".join(cell["source"]) and "remove-cell" in tags(cell)


def test_code_is_python(notebook):
    for cell in code_cells(notebook):
        # lines for IPython, such as %pip, stand for a statement
        compile(re.sub(r"(?m)^( *)[%!].*$", r"\1pass", "".join(cell["source"])), cell["id"], "exec")


def test_no_line_of_code_is_longer_than_the_column_of_a_page(notebook):
    lines = [line for cell in code_cells(notebook) for line in "".join(cell["source"]).splitlines()]
    assert [line for line in lines if len(line) > 76] == []


def test_it_opens_with_its_title(notebook):
    first = notebook["cells"][0]
    assert (first["cell_type"], "".join(first["source"])[:2]) == ("markdown", "# ")
