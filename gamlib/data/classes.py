"""Which class of a model a label of a data set stands for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from numbers import Integral


def class_index(name: int | str | None, categories: Sequence[str] | None) -> int | None:
    """Index of a class that `Dataset.classes` names, among the outputs of a model.

    Parameters
    ----------
    name : int, str or None
        An int is an index already, None has no class; a str is looked up.
    categories : sequence of str, optional
        `Model.categories`; needed for a str, and ValueError where it is not among them.

    Examples
    --------
    >>> class_index("cat", ["dog", "cat"])
    1
    """
    if name is None or isinstance(name, Integral):
        return name if name is None else int(name)
    if not isinstance(name, str):
        raise TypeError(f"class: got {name!r}; give an index (0, 1, ...) or a name")
    if categories is None:
        raise ValueError(f"class '{name}': the model has no category names; give it `categories`")
    if name not in categories:
        held = [each for each in categories if re.search(rf"\b{re.escape(name)}\b", each, re.IGNORECASE)]
        near = held[:5] or difflib.get_close_matches(name, categories, n=1)
        meant = ", ".join(f"'{each}'" for each in near)
        hint = f"; did you mean {meant}?" if near else f"; it knows {', '.join(categories[:5])}, ..."
        raise ValueError(f"class '{name}' is not one of the model's {len(categories)} categories{hint}")
    found = [index for index, each in enumerate(categories) if each == name]
    if len(found) > 1:
        raise ValueError(f"class '{name}' is the name of classes {found} of the model; give one of these numbers")
    return found[0]
