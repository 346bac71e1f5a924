"""Choices that the paper leaves open between raw layer maps and the map of Eq. 1 and 2, and the map under each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from gamlib.maps import aggregate, min_max, resize

# The first of each is the paper's own, as far as it says.
RESIZES = ("bicubic", "bicubic, clamped", "bilinear")
ORDERS = ("after", "before")
JOINS = ("mean", "mean, normalised", "max", "product")
CUTS = ("tuned", "0.15", "share kept")
# Of the pixels, for the last of these: a threshold that ranks them, whatever their values.
SHARES = (0.02, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80)


class Choice(NamedTuple):
    """One way to make a map. resize: one of RESIZES; order: NRM "after" or "before" RSZ; join: one of JOINS."""

    resize: str = RESIZES[0]
    order: str = ORDERS[0]
    join: str = JOINS[0]


# The paper's own choice, and every other that differs from it in one thing.
ONE_CHANGED = (
    Choice(),
    *(Choice(resize=name) for name in RESIZES[1:]),
    *(Choice(order=name) for name in ORDERS[1:]),
    *(Choice(join=name) for name in JOINS[1:]),
)


def chosen_map(raw: Sequence[Tensor], size: tuple[int, int], choice: Choice) -> Tensor:
    """The map (B, H, W) of the raw layer maps (B, h, w) under a choice; Choice() is the paper's Eq. 1 and 2."""
    return combined([draw(one, size, choice.resize, choice.order) for one in raw], choice.join)


def draw(raw: Tensor, size: tuple[int, int], how: str, order: str) -> Tensor:
    """One raw layer map (B, h, w) as a map (B, H, W).

    Values lie in [0, 1], but for what bicubic interpolation adds at both ends where it comes last.
    """
    full = resize(min_max(raw) if order == "before" else raw, size, how.removesuffix(", clamped"))
    if how.endswith("clamped"):
        # what bicubic interpolation adds below the range of the raw map
        full = full.clamp(min=0)
    return full if order == "before" else min_max(full)


def combined(layers: Sequence[Tensor], how: str) -> Tensor:
    """One map of several layers', (B, H, W) each, under one of JOINS; a single layer is its own."""
    if len(layers) == 1:
        return layers[0]
    joined = aggregate(layers, how.removesuffix(", normalised"))
    return min_max(joined) if how.endswith("normalised") else joined
