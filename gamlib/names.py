"""How a name is refused that nobody knows: with what is accepted, and the nearest of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def check_name(what: str, name: object, accepted: Iterable[str], more: str = "") -> None:
    """ValueError unless a name is one of the accepted. more: what is accepted besides, to be said behind them.

    Examples
    --------
    >>> check_name("fill", "blak", ["black", "mean"])
    Traceback (most recent call last):
    ValueError: fill: unknown 'blak'; did you mean 'black'? accepted: black, mean
    """
    accepted = list(accepted)
    if name not in accepted:
        raise ValueError(
            f"{what}: unknown {name!r}; {nearest(name, accepted)}accepted: {', '.join(accepted) or 'none'}{more}"
        )


def nearest(name: object, accepted: Iterable[str]) -> str:
    """A question after the accepted name that is most like the given one; empty where none is like it."""
    found = difflib.get_close_matches(name, accepted, n=1) if isinstance(name, str) else []
    return f"did you mean '{found[0]}'? " if found else ""
