"""Which layers are read, and what a forward leaves there, brought to one layout."""

from __future__ import annotations

import contextlib
import difflib
import operator
from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gamlib.models.checks import LAYOUTS
from gamlib.models.model import Model, evaluation

# By how many pixels rounding and borders without padding may move the sides of an activation off the input's ratio.
_ROUNDED = 2


def layer_names(model: Model, layers: int | Sequence[str] | None) -> tuple[str, ...]:
    """Names of the layers to trace, last first; TypeError or ValueError naming what is accepted."""
    if isinstance(layers, str | Sequence):
        names = (layers,) if isinstance(layers, str) else tuple(layers)
    else:
        depth = min(2, len(model.layers)) if layers is None else _whole(layers)
        if not 1 <= depth <= len(model.layers):
            raise ValueError(f"layers: {depth} is out of range; {model.name} offers 1 to {len(model.layers)}")
        return model.layers[:depth]
    known = [name for name, _ in model.module.named_modules() if name]
    for name in names:
        if isinstance(name, nn.Module):
            raise TypeError(f"layers: got a {type(name).__name__} itself; give its name in module.named_modules()")
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise ValueError(f"layers: {model.name} has no layer '{name}'; {hint}usual ones: {', '.join(model.layers)}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"layers: give at least one name, and none twice; got {list(names)}")
    return names


def _whole(layers: object) -> int:
    try:
        return operator.index(layers)  # ty: ignore[invalid-argument-type]
    except TypeError:
        kind = type(layers).__name__
        raise TypeError(f"layers: got a {kind}; give how many, such as 2, or a list of names, last first") from None


@contextlib.contextmanager
def frozen(module: nn.Module) -> Generator[None]:
    """The network in evaluation mode, with no parameter that wants a gradient; as before at the end."""
    with evaluation(module):
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        for parameter in trained:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)


@contextlib.contextmanager
def captured(model: Model, names: Sequence[str], listed: Sequence[str], x: Tensor) -> Generator[dict[str, Tensor]]:
    """Hold the outputs of the named submodules; the first to come becomes the leaf where the graph begins.

    At the end: ValueError for a name that was not called, and where the `listed` ones are not listed last first.
    """
    outputs: dict[str, Tensor] = {}
    calls: dict[str, int] = {}

    def keep(name: str, output: Any) -> Tensor | None:
        calls[name] = len(calls)
        if name not in names:
            return None
        if name in outputs:
            raise ValueError(f"layers: '{name}' is called more than once in a forward; name a layer called once")
        if not torch.is_grad_enabled():
            raise ValueError(
                f"features: '{name}' runs under torch.no_grad or torch.inference_mode; let features run without"
            )
        _check(name, output, model.layout.get(name), x, parts[name])
        outputs[name] = output if output.requires_grad else output.detach().requires_grad_()
        # A copy goes on: an operation in place after this layer must not overwrite what is held.
        return outputs[name].clone()

    parts = dict(model.module.named_modules())
    with contextlib.ExitStack() as hooks:
        for name in dict.fromkeys((*names, *listed)):
            hook = parts[name].register_forward_hook(lambda _m, _i, output, name=name: keep(name, output))
            hooks.callback(hook.remove)
        yield outputs
    for name in names:
        if name not in outputs:
            raise ValueError(f"layers: '{name}' took no part in the forward; name another layer")
    given = [name for name in listed if name in calls]
    ordered = sorted(given, key=calls.__getitem__, reverse=True)
    if given != ordered:
        raise ValueError(f"layers: expected last first, {ordered}, got {given}; n = 1 is the network's last")


def _check(name: str, output: Any, layout: str | None, x: Tensor, module: nn.Module) -> None:
    """ValueError where a layer's output cannot be an activation of each image of the batch."""
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    form, _, ahead = (layout or "BCHW").partition("+")
    if len(shape) != len(LAYOUTS[form]):
        hint = "name a convolutional layer"
        if len(shape) == 3:
            hint = (
                f"tokens? Then give gamlib.Model layout={_guess(shape[1], x)!r}, with class and register tokens ahead"
            )
        elif len(shape) != 4 or layout:
            hint = f"name a layer that hands on {form}"
        got = shape or f"a {type(output).__name__}"
        raise ValueError(f"layers: the output of '{name}' is no (B, C, h, w) activation but {got}; {hint}")
    rows = shape[form.index("B")]
    if rows != len(x):
        raise ValueError(
            f"layers: '{name}' saw {rows} rows for {len(x)} images; name a layer that sees each image once"
        )
    if form in ("BNC", "NBC"):
        count = shape[form.index("N")]
        if _grid(count - int(ahead or 0), x) == (0, 0):
            raise ValueError(
                f"layers: '{name}' hands on {count} tokens, which fill no {x.shape[-2]} x {x.shape[-1]} image with "
                f"{ahead or 0} of them ahead; give gamlib.Model layout={_guess(count, x)!r} or the like"
            )
    elif form == "BHWC" and not _fits(shape[1], shape[2], x):
        raise ValueError(
            f"layers: '{name}' hands on {shape}, which as BHWC is no activation of a {x.shape[-2]} x {x.shape[-1]} "
            "input; name another layer"
        )
    elif layout is None and _weighs_tokens(output):
        raise ValueError(
            f"layers: '{name}' hands on {shape}, in which each row sums to 1: how much tokens weigh for each other, "
            "which is no activation; name the block that it lies in"
        )
    elif layout is None and (not _fits(shape[2], shape[3], x) or _last_are_features(module, shape[3])):
        raise ValueError(
            f"layers: the output of '{name}' is no (B, C, h, w) activation of a {x.shape[-2]} x {x.shape[-1]} input "
            f'but {shape}; channels last? Then give gamlib.Model layout="BHWC"; right as it is? Then layout="BCHW"'
        )


def _fits(height: int, width: int, x: Tensor) -> bool:
    """Whether an activation has the proportions of the input, up to rounding."""
    down, across = x.shape[-2:]
    return (height - _ROUNDED) * across <= (width + _ROUNDED) * down and (width - _ROUNDED) * down <= (
        height + _ROUNDED
    ) * across


def _weighs_tokens(output: Tensor) -> bool:
    """Whether it is an attention, (B, heads, N, N) after a softmax, which looks like a square activation."""
    first = output[0, 0].detach().float()
    return bool((first.min() >= 0) & ((first.sum(dim=-1) - 1).abs().max() < 1e-2))


def _last_are_features(module: nn.Module, size: int) -> bool:
    """Whether a layer inside works on a last axis of that size, as Linear and LayerNorm do: it may be the channels."""
    linear = {part.out_features for part in module.modules() if isinstance(part, nn.Linear)}
    return size in linear | {part.normalized_shape[-1] for part in module.modules() if isinstance(part, nn.LayerNorm)}


def _grid(count: int, x: Tensor) -> tuple[int, int]:
    """(h, w) with h w = count, of square patches of the input; (0, 0) where there is none."""
    down, across = x.shape[-2:]
    sides = [(h, count // h) for h in range(1, count + 1) if count % h == 0]
    # the sides of one patch, down / h and across / w, are equal up to what is cut off or added at the border
    apart, side = min(((abs(h * across - w * down), (h, w)) for h, w in sides), default=(max(down, across), (0, 0)))
    return side if apart < max(down, across) else (0, 0)


def _guess(count: int, x: Tensor) -> str:
    """The layout of that many tokens with the fewest ahead of the grid: one for a class, and up to eight registers."""
    ahead = next((n for n in range(min(count, 10)) if _grid(count - n, x) != (0, 0)), 1)
    return f"BNC+{ahead}" if ahead else "BNC"


def as_channels_first(tensor: Tensor, layout: str | None, x: Tensor) -> Tensor:
    """A layer's output, or a gradient at it, as (B, C, h, w)."""
    form, _, ahead = (layout or "BCHW").partition("+")
    tensor = tensor.permute(LAYOUTS[form])
    if tensor.ndim == 4:
        return tensor
    tokens = tensor[..., int(ahead or 0) :]
    return tokens.unflatten(-1, _grid(tokens.shape[-1], x))
