"""Networks and tensors that a function computes with, wherever it has them from."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn


def reached(functions: Iterable[Any]) -> list[nn.Module | Tensor]:
    """What functions and modules compute with: themselves, what they have kept, and what they name of their module.

    ValueError for a function that names a variable of the one around it before this has a value.

    Examples
    --------
    >>> neck, head = nn.BatchNorm1d(2), nn.Linear(2, 3)
    >>> set(reached([lambda x: neck(x), head])) == {neck, head}
    True
    """
    found: list[nn.Module | Tensor] = []
    waiting, seen = list(functions), set()
    while waiting:
        each = waiting.pop(0)
        if id(each) not in seen:
            seen.add(id(each))
            if isinstance(each, nn.Module | Tensor):
                found.append(each)
            else:
                waiting += _kept(each)
    return found


def _kept(one: Any) -> list[Any]:
    """What a function, a group or an object holds; of objects and functions those of its own module alone."""
    if isinstance(one, list | tuple):
        return list(one)
    if isinstance(one, dict):
        return list(one.values())
    if isinstance(one, functools.partial):
        return [one.func, *one.args, *one.keywords.values()]
    if inspect.ismethod(one):
        return [one.__self__, one.__func__]
    if inspect.isfunction(one):
        try:
            named = inspect.getclosurevars(one)
        except ValueError as error:
            raise ValueError(
                f"'{one.__qualname__}' names a variable that has no value yet; give it one before gamlib.Model is made"
            ) from error
        held = [*named.nonlocals.values(), *named.globals.values(), *(one.__defaults__ or ())]
    else:
        held = list(getattr(one, "__dict__", {}).values())
    return [each for each in held if isinstance(each, nn.Module | Tensor | list | tuple | dict | functools.partial)
            or inspect.ismethod(each) or _home(each) == _home(one)]  # fmt: skip


def _home(one: Any) -> str:
    """The module that a function, or the class of an object, is from."""
    return one.__module__ if inspect.isfunction(one) else type(one).__module__
