"""The choices that the paper leaves open between a raw layer map and the map of Eq. 1 and 2.

How a map is resized, whether it is normalised before or after that, and how layers are joined. The sum in place of
the mean of Eq. 2 is none of them: it ranks pixels alike and so cannot change a tuned box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from gamlib.maps import aggregate, min_max, resize

RESIZES = ("bicubic", "bicubic, clamped", "bilinear")
ORDERS = ("after", "before")
AGGREGATES = ("mean", "mean, normalised", "max", "product")


class Choice(NamedTuple):
    """One way to make a map. resize: one of RESIZES; order: NRM "after" or "before" RSZ; join: one of AGGREGATES."""

    resize: str = RESIZES[0]
    order: str = ORDERS[0]
    join: str = AGGREGATES[0]


# The paper's own choice, and every other that differs from it in one thing.
SINGLE_CHOICES = (
    Choice(),
    *(Choice(resize=name) for name in RESIZES[1:]),
    *(Choice(order=name) for name in ORDERS[1:]),
    *(Choice(join=name) for name in AGGREGATES[1:]),
)


def chosen_map(raw: Sequence[Tensor], size: tuple[int, int], choice: Choice) -> Tensor:
    """The map (B, H, W) of the raw layer maps (B, h, w) under a choice; Choice() is the paper's Eq. 1 and 2."""
    return join_layers([draw(one, size, choice.resize, choice.order) for one in raw], choice.join)


def draw(raw: Tensor, size: tuple[int, int], how: str, order: str) -> Tensor:
    """One raw layer map (B, h, w) as a map (B, H, W); how: one of RESIZES, order: one of ORDERS.

    Values lie in [0, 1], but for what bicubic interpolation adds at both ends where it comes last.
    """
    full = resize(min_max(raw) if order == "before" else raw, size, how.removesuffix(", clamped"))
    if how.endswith("clamped"):
        # what bicubic interpolation adds below the range of the raw map
        full = full.clamp(min=0)
    return full if order == "before" else min_max(full)


def join_layers(layers: Sequence[Tensor], how: str) -> Tensor:
    """One map (B, H, W) of drawn layer maps; how: one of AGGREGATES."""
    if len(layers) == 1:
        return layers[0]
    joined = aggregate(layers, how.removesuffix(", normalised"))
    return min_max(joined) if how.endswith("normalised") else joined
