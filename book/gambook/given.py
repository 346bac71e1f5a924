"""What a notebook was given, looked at before its first work: Papermill passes on whatever is typed."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from gamlib.names import check_name

PROFILES = ("embedded", "open", "paper")


def check_given(cells: Sequence[str], profile: str = "embedded") -> None:
    r"""ValueError for a parameter that a notebook does not have, and for an unknown profile.

    cells: what the kernel has run so far, IPython's `In`; the cell that Papermill puts in follows the defaults.

    Examples
    --------
    >>> check_given(["", "seed = 0", "# Parameters\nseeed = 1"])
    Traceback (most recent call last):
    ValueError: parameters of this notebook: unknown 'seeed'; did you mean 'seed'? accepted: seed
    """
    put_in = next((number for number, cell in enumerate(cells) if cell.startswith("# Parameters")), 0)
    known = assigned("\n".join(cells[:put_in]))
    for name, value in assigned(cells[put_in]).items() if put_in else ():
        check_name("parameters of this notebook", name, known)
        if isinstance(known[name], str) and not isinstance(value, str | None):
            raise TypeError(f"parameters: {name} is text, and Papermill has read {value!r}; give it by -r, not by -p")
    check_name("profile", profile, PROFILES)


def assigned(source: str) -> dict[str, object]:
    """Names that a cell assigns, with their values (None where not a literal)."""
    found: dict[str, object] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = literal(node.value, None)
            found |= {target.id: value for target in targets if isinstance(target, ast.Name)}
    return found


def literal(given: str | ast.expr, otherwise: object) -> object:
    """The value of a Python literal, or `otherwise`."""
    try:
        return ast.literal_eval(given)
    except (ValueError, SyntaxError):
        return otherwise
