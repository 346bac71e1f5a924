"""Exercise 8: a notebook rerun with other parameters."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from gambook.exercises.checks.answers import call, unwritten
from gambook.exercises.checks.scoring import Function, Miss, Parts, check

PARAMETERS = 'model = "first"\nn_images = 4\nseed = {seed}\nout = "row.csv"'
WORK = """import csv

with open(out, "w", newline="") as file:
    csv.writer(file).writerows([["model", "n_images", "seed"], [model, n_images, seed]])"""


@check
def ex08(rerun: Function, seed: int = 0) -> Parts:
    """Check rerun(notebook, folder, **parameters) -> the table that the notebook writes, on a notebook of two cells."""
    default = 100 + seed

    def on_a_notebook(test: Callable[[Path], None]) -> None:
        """Test on a notebook whose seed is `default`, in a folder of its own."""
        import nbformat  # no other exercise waits for it

        parameters = nbformat.v4.new_code_cell(PARAMETERS.format(seed=default), metadata={"tags": ["parameters"]})
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        cells = [parameters, nbformat.v4.new_code_cell(WORK)]
        # a grader says where
        place = getattr(rerun, "place", None)
        with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
            notebook = Path(folder) / "table.ipynb"
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), notebook)
            test(notebook)

    yield "rerun", 3, lambda: on_a_notebook(lambda notebook: _reruns(rerun, notebook, default))
    yield "unknown names are refused", 3, lambda: on_a_notebook(lambda notebook: _refuses(rerun, notebook))


def _reruns(rerun: Function, notebook: Path, default: int) -> None:
    import pandas as pd  # no other exercise waits for it

    source, results = notebook.read_bytes(), notebook.parent / "results"
    results.mkdir()
    table = call(rerun, notebook, results, model="second", n_images=2)
    if notebook.read_bytes() != source:
        raise Miss("the notebook itself has changed; write the executed copy somewhere else")
    if not isinstance(table, pd.DataFrame):
        raise Miss(f"your function returns a {type(table).__name__}; expected the table as a DataFrame")
    if list(table.columns) != ["model", "n_images", "seed"] or len(table) != 1:
        raise Miss("this is not the table that the notebook writes; read its CSV as it is")
    row = table.iloc[0]
    if row["model"] == "first":
        raise Miss("the table is still that of the default backbone; do the parameters reach Papermill?")
    if row["n_images"] != 2:
        raise Miss("only some of the parameters reach the notebook")
    if row["seed"] != default:
        raise Miss("a parameter that nobody gave has changed; leave the others at the notebook's defaults")
    if not (results / "row.csv").is_file():
        raise Miss("the table is not in `folder`; the notebook's parameter `out` says where it goes")
    if not list(results.glob("*.ipynb")):
        raise Miss("there is no executed copy of the notebook in `folder`; it shows where the table comes from")


def _refuses(rerun: Function, notebook: Path) -> None:
    try:
        rerun(notebook, notebook.parent, modle="second")
    except ValueError as error:
        if "modle" not in str(error):
            raise Miss("your error does not say which name is unknown") from None
        if "n_images" not in str(error):
            raise Miss("your error does not say which names there are; a reader has to know what to type") from None
    except Exception as error:
        if unwritten(error):
            raise
        raise Miss(
            f"an unknown parameter ends in {type(error).__name__}; raise a ValueError before anything runs"
        ) from error
    else:
        raise Miss("a misspelt `modle` is taken without an error: Papermill only logs it, the table is the default one")
    if (notebook.parent / "row.csv").exists():
        raise Miss("the notebook ran before the name was refused; look at its parameters first")
