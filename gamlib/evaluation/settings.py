"""What an evaluation measures: one frozen record, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gamlib.controls import CONTROLS
from gamlib.methods import METHODS, VARIANTS
from gamlib.metrics import FILLS
from gamlib.names import check_name

TASKS = ("class", "cosine", "dot")
SIDES = ("both", "one")


@dataclass(frozen=True)
class Settings:
    """Which scores, maps and measures `evaluate` takes.

    A single name or number stands for a tuple of one.

    Parameters
    ----------
    tasks : tuple of str
        "class", "cosine", "dot"; all share one forward.
    methods : tuple of str
        Names in METHODS, VARIANTS and CONTROLS.
    n : tuple of int
        Depths.
    fill : tuple of str
        "black", "mean"; empty for localisation only, without masked forwards.
    mask_side : tuple of str
        "both", "one"; together they cost no more than one. It concerns pairs.
    seed : int
        Of the pairs (unless the data set fixes them), of the two folds, and of random weights.
    weights : str or None
        As in `load_model`.
    device : str
    partners : int
        With how many others of its label an image is paired, at most: 1 makes disjoint pairs; 5 draws groups of six and
        pairs every two of a group, so that no number hangs on one drawing.

    Raises
    ------
    ValueError
        For an unknown or repeated task, method, fill or side, and for a depth, seed or number of partners that is no
        whole number.

    Examples
    --------
    >>> Settings(tasks="class", methods=["gam", "constant_box"], n=2).controls
    ('constant_box',)
    """

    tasks: Sequence[str] = TASKS
    methods: Sequence[str] = tuple(METHODS)
    n: Sequence[int] = (1, 2)
    fill: Sequence[str] = ()
    mask_side: Sequence[str] = SIDES
    seed: int = 0
    weights: str | None = "default"
    device: str = "cpu"
    partners: int = 1

    def __post_init__(self) -> None:
        known = {"tasks": TASKS, "methods": (*METHODS, *VARIANTS, *CONTROLS), "mask_side": SIDES}
        given = {argument: _known(argument, getattr(self, argument), accepted) for argument, accepted in known.items()}
        given["fill"] = _known("fill", self.fill, FILLS) if self.fill else ()
        if type(self.partners) is not int or self.partners < 1:
            raise ValueError(f"partners: got {self.partners!r}; give a whole number from 1")
        if type(self.seed) is not int or self.seed < 0:
            raise ValueError(f"seed: got {self.seed!r}; give a whole number from 0")
        weights = self.weights if self.weights is None else str(self.weights)
        # past what freezes the record
        vars(self).update(given, n=_depths(self.n), weights=weights)

    @property
    def maps(self) -> tuple[str, ...]:
        """The methods and variants among `methods`."""
        return tuple(name for name in self.methods if name not in CONTROLS)

    @property
    def controls(self) -> tuple[str, ...]:
        """The controls among `methods`."""
        return tuple(name for name in self.methods if name in CONTROLS)


def _known(argument: str, given: str | Sequence[str], accepted: Sequence[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    for name in names:
        check_name(argument, name, accepted)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{argument}: got {list(names)}; give at least one of {', '.join(accepted)}, none twice")
    return names


def _depths(n: int | Sequence[int]) -> tuple[int, ...]:
    given = [n] if isinstance(n, str) or not isinstance(n, Iterable) else list(n)
    depths = tuple(depth for depth in given if type(depth) is int)
    if not given or len(set(depths)) < len(given):
        raise ValueError(f"n: got {n!r}; give a depth such as 2, or several, none twice, such as (1, 2)")
    return depths
