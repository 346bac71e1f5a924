"""How the output of a layer may lie in memory, and how it becomes the activation of an image."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

# As a permutation to (B, C, h, w) or (B, C, N): convolutions, stages that keep channels last, and sequences of tokens.
LAYOUTS = {"BCHW": (0, 1, 2, 3), "BHWC": (0, 3, 1, 2), "BNC": (0, 2, 1), "NBC": (1, 2, 0)}

# By how many pixels rounding and borders without padding may move the sides of an activation off the input's ratio.
_ROUNDED = 2


def check_activation(name: str, output: Any, layout: str | None, x: Tensor, module: nn.Module) -> None:
    """ValueError where a layer's output cannot be an activation of each image of the batch."""
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    form, _, ahead = (layout or "BCHW").partition("+")
    if len(shape) != len(LAYOUTS[form]):
        hint = f"name a layer that hands on {form}"
        if len(shape) == 3:
            hint = (
                f"tokens? Then give gamlib.Model layout={_guess(shape[1], x)!r}, with class and register tokens ahead"
            )
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
    tall = (height - _ROUNDED) * across > (width + _ROUNDED) * down
    wide = (width - _ROUNDED) * down > (height + _ROUNDED) * across
    return not tall and not wide


def _weighs_tokens(output: Tensor) -> bool:
    """Whether it is an attention, (B, heads, N, N) after a softmax, which looks like a square activation."""
    weights = output[0].detach().float()
    height, width = weights.shape[1:]
    rows_sum_to_1 = (weights.min() >= 0) & ((weights.sum(dim=-1) - 1).abs().max() < 1e-2)
    return height == width > 1 and bool(rows_sum_to_1)


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
