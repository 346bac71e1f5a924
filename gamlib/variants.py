"""Saliency maps by name: the methods, and the variants of GAM that some claims compare it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from gamlib.maps import aggregate, min_max, resize
from gamlib.methods import METHODS, layer_maps, saliency_maps
from gamlib.traces import Trace

# name -> from n normalised layer maps, each (B, H, W), last layer first, to one map
VARIANTS: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "gam_layer": lambda layers: layers[-1],
    "gam_max": lambda layers: aggregate(layers, "max"),
    "gam_product": lambda layers: aggregate(layers, "product"),
    # the last layer counts n times, the one before n - 1 times, ...
    "gam_weighted": lambda layers: aggregate(layers, range(len(layers), 0, -1)),
}


def maps_by_name(trace: Trace, names: Sequence[str], depths: Sequence[int]) -> dict[tuple[str, int], Tensor]:
    """Maps (B, H, W) float32 for every method or variant and every depth n."""
    maps = saliency_maps(trace, [name for name in names if name in METHODS], depths)
    variants = [name for name in names if name in VARIANTS]
    if variants:
        layers = [min_max(resize(raw, trace.size)).float() for raw in layer_maps(trace, "gam", max(depths))]
        maps |= {(name, n): VARIANTS[name](layers[:n]) for name in variants for n in depths}
    return maps
