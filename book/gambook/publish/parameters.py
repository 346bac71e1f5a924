"""Parameters of a notebook: their names and defaults, and what a run gives them."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from gambook.publish.project import Refused, check_names

# Parameters that name a file or folder of the user's. A kernel runs in the notebook's folder, the user types paths
# relative to their own: an existing relative path is made absolute before the run.
PATHS = ("image_a", "image_b", "root", "checkpoint", "weights", "results_dir")


def defaults(notebook: Mapping) -> dict[str, object]:
    """Names assigned in the cell tagged `parameters` with their default values (None where not a literal)."""
    found: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "parameters" in cell["metadata"].get("tags", []):
            for node in ast.parse("".join(cell["source"])).body:
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    found.update({t.id: _literal(node.value) for t in targets if isinstance(t, ast.Name)})
    return found


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def parse_value(text: str) -> object:
    """The value typed on the command line: a Python literal where it is one, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def check_given(
    given: Mapping[str, object], known: Mapping[str, Mapping[str, object]], named: Sequence[str]
) -> dict[str, object]:
    """Check parameters typed by the user against the notebooks they are meant for.

    given: name -> value. known: notebook -> its defaults. named: notebooks that the user named one by one;
    each of them must have every given parameter. With none named, one of `known` must have it.
    Returns the values, text where the default is text. Raises Refused.
    """
    everywhere = sorted({name for parameters in known.values() for name in parameters})
    for notebook in named:
        check_names(f"parameter of {notebook}", given, known[notebook])
    check_names("parameter", given, everywhere)
    return {name: _fit(name, value, known) for name, value in given.items()}


def _fit(name: str, value: object, known: Mapping[str, Mapping[str, object]]) -> object:
    """`value` as the default's type; a number or truth value given as something else is refused."""
    for notebook, parameters in known.items():
        default = parameters.get(name)
        if isinstance(default, str):
            return str(value)
        wanted = type(default)
        if wanted in (bool, int, float) and type(value) is not wanted and (wanted, type(value)) != (float, int):
            raise Refused(f"parameter {name} of {notebook} is a {wanted.__name__} (default {default}), not {value!r}")
    return value


def absolute_paths(values: Mapping[str, object], caller: Path) -> dict[str, object]:
    """Make relative paths of the user's files absolute, as seen from the folder the user is in."""
    return {name: _absolute(name, value, caller) for name, value in values.items()}


def _absolute(name: str, value: object, caller: Path) -> object:
    if not isinstance(value, str) or not value or not (name in PATHS or name.endswith("_root")):
        return value
    path = caller / Path(value).expanduser()
    return str(path.resolve()) if name == "results_dir" or path.exists() else value
