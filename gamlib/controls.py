"""Maps that know nothing of the image: what a table's numbers are worth is what they add to these.

Each control is a function (ids, size) -> (B, H, W) float32 in [0, 1], one map for each image id, which passes
through the same masking, thresholds and boxes as a method's map.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gamlib.maps import min_max, resize


def blank(ids: Sequence[str], size: tuple[int, int]) -> Tensor:
    """Zero everywhere: the explanation map is the bare fill."""
    return torch.zeros(len(ids), *size)


def all_ones(ids: Sequence[str], size: tuple[int, int]) -> Tensor:
    """One everywhere: the explanation map is the image itself, so ADP and PIC are 0."""
    return torch.ones(len(ids), *size)


def random_7x7(ids: Sequence[str], size: tuple[int, int], seed: int = 0) -> Tensor:
    """Uniform noise on a 7x7 grid, resized as a last layer's map is: as smooth as a real map, and blind.

    The noise depends on the id and the seed alone, never on the batch an image happens to be in.
    """
    noise = [torch.rand(7, 7, generator=torch.Generator().manual_seed(zlib.crc32(f"{seed}:{i}".encode()))) for i in ids]
    return min_max(resize(torch.stack(noise), size)).clamp(0, 1) if noise else blank(ids, size)


def centre_gaussian(ids: Sequence[str], size: tuple[int, int]) -> Tensor:
    """exp(-r^2 / 2 sigma^2) about the centre with sigma a quarter of each side: photographs are centred."""
    rows, columns = (((torch.arange(length) + 0.5) / length - 0.5) / 0.25 for length in size)
    return torch.exp(-(rows[:, None] ** 2 + columns**2) / 2).repeat(len(ids), 1, 1)


def constant_box(ids: Sequence[str], size: tuple[int, int]) -> Tensor:
    """The best centred box: a pyramid that is 0 at the border and 1 at the centre.

    Binarised at t it is the box with margins of t/2 of each side, so tuning its threshold tunes the margins,
    on the same hold-out part and with the same freedom as a method's threshold.
    """
    rows, columns = (1 - ((torch.arange(length) + 0.5) / length - 0.5).abs() * 2 for length in size)
    return torch.minimum(rows[:, None], columns).repeat(len(ids), 1, 1)


@dataclass(frozen=True)
class Control:
    """A map that is blind to the image: (ids, (H, W)) -> (B, H, W) float32 in [0, 1]. title: what tables call it."""

    draw: Callable[[Sequence[str], tuple[int, int]], Tensor]
    title: str

    def __call__(self, ids: Sequence[str], size: tuple[int, int]) -> Tensor:
        return self.draw(ids, size)


CONTROLS = {
    "blank": Control(blank, "blank"),
    "all_ones": Control(all_ones, "ones"),
    "random_7x7": Control(random_7x7, "random"),
    "centre_gaussian": Control(centre_gaussian, "Gaussian"),
    "constant_box": Control(constant_box, "constant box"),
}
