"""From raw layer maps to a saliency map: RSZ and NRM of Eq. 1, and the aggregation of Eq. 2."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gamlib.names import check_name

RESIZE_MODES = ("bicubic", "bilinear")
AGGREGATES = ("mean", "max", "product")


def resize(maps: Tensor, size: tuple[int, int], mode: str = "bicubic") -> Tensor:
    """RSZ: pixel centres aligned as in `torch.nn.functional.interpolate`.

    Both modes are linear and separable, hence a product with two small matrices: R M C^T.

    Parameters
    ----------
    maps : Tensor
        (B, h, w).
    size : (int, int)
        (H, W).
    mode : {"bicubic", "bilinear"}
        Bicubic is the paper's; it overshoots, so values may leave the range of `maps`.

    Returns
    -------
    Tensor
        (B, H, W).

    Examples
    --------
    >>> resize(torch.ones(1, 7, 7), (224, 224)).sum().item()
    50176.0
    """
    check_name("mode", mode, RESIZE_MODES)
    if isinstance(size, int):
        raise TypeError(f"size: got {size}; give (H, W)")
    rows = _interpolation(maps.shape[-2], size[0], mode).to(maps)
    columns = _interpolation(maps.shape[-1], size[1], mode).to(maps)
    return rows @ maps @ columns.T


@functools.lru_cache(maxsize=64)
def _interpolation(length: int, size: int, mode: str) -> Tensor:
    """The (size, length) matrix that resamples a row: interpolate the unit vectors."""
    units = torch.eye(length, dtype=torch.float64)[:, None, :, None].expand(-1, 1, -1, 2)
    with torch.inference_mode(False), torch.no_grad():
        return interpolate(units, size=(size, 2), mode=mode, align_corners=False)[:, 0, :, 0].T.contiguous()


def min_max(maps: Tensor) -> Tensor:
    """NRM: each map (B, H, W) to [0, 1]. A constant map becomes 0; a non-finite value spoils its own map only.

    Constant up to rounding, that is: resized, a map of one value differs from itself by some units in the last place.
    """
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    rounding = 64 * torch.finfo(torch.promote_types(maps.dtype, torch.float32)).eps * torch.maximum(-low, high)
    flat = (high == low) | (high - low < rounding)
    return (maps - low) / torch.where(flat, math.inf, high - low)


def aggregate(maps: Sequence[Tensor], how: str | Sequence[float] = "mean") -> Tensor:
    """Eq. 2: one map of several layers'.

    Parameters
    ----------
    maps : sequence of Tensor
        Each (B, H, W) in [0, 1], last layer first.
    how : {"mean", "max", "product"} or sequence of float
        The mean is the paper's sum, divided by n to stay in [0, 1]; the others are those that its section 3.2 says are
        worse. Numbers are weights >= 0, one a layer.

    Returns
    -------
    Tensor
        (B, H, W) in [0, 1].

    Examples
    --------
    >>> aggregate([torch.zeros(1, 1, 1), torch.ones(1, 1, 1)], how=(3, 1)).item()
    0.25
    """
    if len({each.shape for each in maps}) != 1:
        raise ValueError(f"maps: got {[tuple(each.shape) for each in maps]}; give one or more of the same size")
    if isinstance(how, str):
        check_name("how", how, AGGREGATES, ", or one weight a layer")
        if how == "mean":
            return functools.reduce(torch.add, maps) / len(maps)
        return functools.reduce(torch.maximum if how == "max" else torch.mul, maps)
    if len(how) != len(maps) or min(how) < 0 or not math.fsum(how) > 0:
        raise ValueError(f"how: {len(maps)} layers want {len(maps)} weights >= 0, not all 0; got {tuple(how)}")
    weighted = [weight / math.fsum(how) * layer for weight, layer in zip(how, maps, strict=True)]
    return functools.reduce(torch.add, weighted)
