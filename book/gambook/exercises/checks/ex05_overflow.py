"""Exercise 5: Grad-CAM++ overflows, and its closed form does not."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gambook.exercises.checks.answers import Answer, call, foreseen, tensor
from gambook.exercises.checks.scoring import Function, Miss, Parts, check
from gamlib.maps import min_max
from gamlib.methods import METHODS

# ln of the largest float32
LN_MAX = math.log(torch.finfo(torch.float32).max)
# How far on either side of a limit a map is tried.
MARGIN = 0.05


@check
def ex05(closed_form: Function, limit: Function, seed: int = 0) -> Parts:
    """Check the map (B, h, w) without e^s, and the score (B,) above which that of Eq. 6 is not finite in float32.

    Both functions take a, g (B, C, h, w) float32, a >= 0.
    """
    generator = torch.Generator().manual_seed(1000 * seed + 5)
    a = 30 * torch.rand(2, 8, 7, 7, generator=generator)
    g = 0.2 * torch.randn(2, 8, 7, 7, generator=generator)
    # As behind average pooling, and so small that the peak of the map overflows before any denominator does.
    flat = (0.02 * torch.rand(2, 8, 1, 1, generator=generator) + 0.01).repeat(1, 1, 7, 7)
    flat[1] *= 2

    def finite() -> None:
        CLOSED_FORM.test(closed_form, [(a, g), (a[:1] / 3, 2 * g[1:])])()
        if tensor(call(closed_form, a, -1e-3 * g.abs())).ne(0).any():
            raise Miss("where no gradient of a channel is positive, its weight is 0 and not 0/0")

    def edge() -> None:
        s = tensor(call(limit, a, flat)).double()
        if s.shape != (2,):
            raise Miss(f"expected one score an image, shape (2,), got {tuple(s.shape)}")
        if not s.isfinite().all():
            raise Miss("your limit is not a finite number")
        if (s > 1000).any():
            raise Miss("this is a number of the map's size; asked for is the score, which stands in the exponent")
        if hint := foreseen(WRONG_LIMITS, [s], [(_closed(a, flat),)], MARGIN / LN_MAX):
            raise Miss(hint)
        for shift, alive, where in ((-MARGIN, True, "below"), (MARGIN, False, "above")):
            maps = METHODS["grad_cam_pp"].formula(a, flat, (s + shift).float())
            if (maps.isfinite().flatten(1).all(dim=1) != alive).any():
                raise Miss(f"{MARGIN} {where} your limit a map is {'already lost' if alive else 'still finite'}")

    yield "closed_form", 4, finite
    yield "limit", 3, edge


def _peak(maps: Tensor) -> Tensor:
    return maps.amax(dim=(1, 2))


# What typical slips make of the limit of these maps (B, h, w) in closed form.
WRONG_LIMITS: dict[str, Function] = {
    "there e^s itself ends; the map holds other numbers than e^s": lambda maps: torch.full((len(maps),), LN_MAX),
    "that is where float64 ends; the maps are computed in float32": lambda maps: torch.full((len(maps),), 709.78),
    "a map of larger numbers is lost at a smaller score, not at a larger one": lambda maps: LN_MAX + _peak(maps).log(),
    "compare like with like: 88.72 is a logarithm": lambda maps: LN_MAX - _peak(maps),
    "this divides an exponent; what is a division there?": lambda maps: LN_MAX / _peak(maps),
    "e is the base of the exponential; take the logarithm to the same base": lambda maps: LN_MAX - _peak(maps).log10(),
    "the mean of a map is still finite when its first pixel is lost":
        lambda maps: LN_MAX - maps.mean(dim=(1, 2)).log(),
    "all images have one limit here; each map is lost at a score of its own":
        lambda maps: LN_MAX - maps.max().log().repeat(len(maps)),
}  # fmt: skip


def _closed(a: Tensor, g: Tensor) -> Tensor:
    return METHODS["grad_cam_pp_stable"].formula(a, g, torch.zeros(len(a)))


def _map(alpha: Tensor, g: Tensor, a: Tensor, share: bool = True) -> Tensor:
    """Eq. 6 behind alpha, which is shared out over the pixels of a channel or not."""
    alpha = alpha / alpha.sum(dim=(2, 3), keepdim=True) if share else alpha
    return ((alpha * g).sum(dim=(2, 3), keepdim=True) * a).sum(dim=1).relu()


def _alpha(g: Tensor, activations: Tensor) -> Tensor:
    """Alpha of Eq. 6 where the gradient is positive, with another sum of activations."""
    return (g > 0) / (2 + g.relu() * activations)


def _sum(a: Tensor, *over: int) -> Tensor:
    return a.sum(dim=over or (2, 3), keepdim=True)


CLOSED_FORM = Answer(
    "the map (B, h, w)",
    right=_closed,
    mistakes={
        "alpha is not shared out: the original divides it by its sum over the pixels of a channel":
            lambda a, g: _map(_alpha(g, _sum(a)), g.relu(), a, share=False),
        "pixels whose gradient is not positive take part in alpha's sum; only positive ones count":
            lambda a, g: _map(1 / (2 + g.relu() * _sum(a)), g.relu(), a),
        "alpha uses negative gradients: its denominator can then pass through 0":
            lambda a, g: _map(1 / (2 + g * _sum(a)), g.relu(), a),
        "neither alpha nor the weights clip the gradient; Eq. 6 does": lambda a, g: _map(1 / (2 + g * _sum(a)), g, a),
        "every positive pixel has the same alpha; what has become of its denominator?":
            lambda a, g: _map((g > 0).float(), g.relu(), a),
        "this is the mean of the positive gradients; alpha is missing":
            lambda a, g: _map(torch.ones_like(g), g.relu(), a),
        "the activations of a channel are averaged in alpha; Eq. 6 sums them":
            lambda a, g: _map(_alpha(g, a.mean(dim=(2, 3), keepdim=True)), g.relu(), a),
        "alpha's denominator sums activations over all channels; Eq. 6 has one sum for each channel":
            lambda a, g: _map(_alpha(g, _sum(a, 1, 2, 3)), g.relu(), a),
        "alpha's denominator takes the activation of its own pixel; in Eq. 6 the sum runs over all pixels q":
            lambda a, g: _map(_alpha(g, a), g.relu(), a),
        "the map is already stretched to [0, 1]; asked for is the map before NRM": lambda a, g: min_max(_closed(a, g)),
        "this is e^s with a smaller s: it only puts the overflow off. Let e^s cancel on paper first":
            lambda a, g: METHODS["grad_cam_pp"].formula(a, g, torch.full((len(a),), 80.0)),
        "each pixel keeps a weight of its own; Eq. 6 sums over the pixels to one weight a channel":
            lambda a, g: (_alpha(g, _sum(a)) / _sum(_alpha(g, _sum(a))) * g.relu() * a).sum(dim=1).relu(),
    },
)  # fmt: skip
