"""What a Model refuses: parts that do not fit together, and what they return."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor, nn

from gamlib.layouts import LAYOUTS
from gamlib.models.preprocess import Preprocess
from gamlib.names import nearest


def listed(layers: Any) -> tuple[str, ...]:
    """Names as a tuple; TypeError or ValueError for what is no list of names."""
    names = (layers,) if isinstance(layers, str) or not isinstance(layers, Sequence) else tuple(layers)
    wrong = next((type(name).__name__ for name in names if not isinstance(name, str)), None)
    if wrong:
        raise TypeError(f"layers: got a {wrong}; give names in module.named_modules(), last first")
    if len(set(names)) < len(names):
        raise ValueError(f"layers: got {list(names)}; name none twice")
    return names


def check_layers(module: nn.Module, layers: Iterable[str]) -> None:
    """ValueError for a layer that the network does not have or that cannot be read."""
    known = dict(module.named_modules())
    for layer in layers:
        if layer not in known:
            near = nearest(layer, known)
            raise ValueError(f"layers: the network has no submodule '{layer}'; {near}see module.named_modules()")
        if isinstance(known[layer], torch.jit.ScriptModule):
            raise ValueError(f"layers: '{layer}' is TorchScript, which no hook can read; give the Python network")


def check_layouts(forms: Iterable[str | None]) -> None:
    """ValueError for an unknown layout."""
    for form in forms:
        if form is not None and (form not in LAYOUTS and not re.fullmatch(r"(BNC|NBC)\+\d+", str(form))):
            raise ValueError(f"layout: unknown {form!r}; accepted: {', '.join(LAYOUTS)}, BNC+1 and the like")


def check_parts(features: Any, head: Any, transform: Any, categories: Any) -> None:
    """TypeError for a part of another kind."""
    for part, given in (("features", features), ("head", head)):
        if not callable(given) and (part, given) != ("head", None):
            raise TypeError(f"{part}: got a {type(given).__name__}; give one function or module")
    if not isinstance(transform, Preprocess):
        kind = type(transform).__name__
        raise TypeError(f"transform: got a {kind}; give gamlib.Preprocess((H, W), mean, std) with the same numbers")
    if categories is not None:
        if isinstance(categories, str | Mapping | Set) or not all(isinstance(each, str) for each in categories):
            kind = type(categories).__name__
            raise TypeError(f"categories: got a {kind}; give a list of names, in the order of the logits")


def one_row_an_image(part: str, wanted: str, output: Any, rows: int) -> Tensor:
    """What features or head returned, as one row an image; ValueError where it is something else."""
    if isinstance(output, Tensor) and output.is_floating_point():
        if output.ndim == 4 and output.shape[2:] == (1, 1):
            output = output.flatten(1)
        if output.ndim == 2 and len(output) == rows:
            return output
        got = f"{tuple(output.shape)} for {rows} images"
        many = "pool it over pixels or tokens, as .mean(dim=(2, 3)) does"
        step = many if output.ndim > 2 else "give each image a row of its own, as [:, None] does with one number each"
    elif isinstance(output, Tensor):
        got, step = f"a tensor of {output.dtype}", "return the floating-point numbers that it was made of"
    else:
        keys = f" with {', '.join(map(str, output))}" if isinstance(output, Mapping) else ""
        got, step = f"a {type(output).__name__}{keys}", "return the one tensor that is wanted"
    raise ValueError(f"{part}: returned {got}, expected {wanted}; {step}")
