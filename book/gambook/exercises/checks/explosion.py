"""Check of exercise 5: Grad-CAM++ overflows, and a form of it that does not."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gambook.exercises.checks.compare import Mistake, call, compare, tensor
from gambook.exercises.checks.record import Miss, Record, assess
from gamlib.maps import min_max
from gamlib.methods import FORMULAS

# ln of the largest float32
LARGEST = math.log(torch.finfo(torch.float32).max)
# How far on either side of a limit a map is tried.
WIDTH = 0.05


def ex05(
    limit: Callable[[Tensor, Tensor], Tensor], mended: Callable[[Tensor, Tensor], Tensor], seed: int = 0
) -> Record:
    """Check the score (B,) above which the map of Eq. 6 is not finite in float32, and the map (B, h, w) without e^s.

    Both functions take a, g (B, C, h, w) float32, a >= 0.
    """
    generator = torch.Generator().manual_seed(1000 * seed + 5)
    a = 30 * torch.rand(2, 8, 7, 7, generator=generator)
    g = 0.2 * torch.randn(2, 8, 7, 7, generator=generator)
    # As behind average pooling, and so small that the peak of the map overflows before any denominator does.
    flat = (0.02 * torch.rand(2, 8, 1, 1, generator=generator) + 0.01).repeat(1, 1, 7, 7)
    flat[1] *= 2

    def edge() -> None:
        s = tensor(call(limit, a, flat)).double()
        if s.shape != (2,):
            raise Miss(f"expected one score an image, shape (2,), got {tuple(s.shape)}")
        if not s.isfinite().all():
            raise Miss("your limit is not a finite number")
        if (s > 1000).any():
            raise Miss("this is a number of the map's size; asked for is the score, which stands in the exponent")
        for wrong, hint in _wrong_limits(_stable(a, flat).double()):
            if (s - wrong).abs().max() < WIDTH:
                raise Miss(hint)
        for shift, alive, hint in ((-WIDTH, True, "below"), (WIDTH, False, "above")):
            maps = FORMULAS["grad_cam_pp"](a, flat, (s + shift).float())
            if (maps.isfinite().flatten(1).all(dim=1) != alive).any():
                raise Miss(f"{WIDTH} {hint} your limit a map is {'already lost' if alive else 'still finite'}")

    def finite() -> None:
        compare(mended, [(a, g), (a[:1] / 3, 2 * g[1:])], _stable, MENDED_MISTAKES, "the map (B, h, w)")
        if not tensor(call(mended, a, 1e-3 * g.abs().neg())).eq(0).all():
            raise Miss("where no gradient of a channel is positive, its weight is 0 and not 0/0")

    return assess("ex05", seed, [("mended", 4, finite), ("limit", 3, edge)])


def _wrong_limits(maps: Tensor) -> list[tuple[Tensor | float, str]]:
    """What typical slips make of the limit of these mended maps (B, h, w), and a hint for each."""
    peak = maps.amax(dim=(1, 2))
    return [
        (torch.full_like(peak, LARGEST), "there e^s itself ends; the map holds other numbers than e^s"),
        (math.log(torch.finfo(torch.float64).max), "that is where float64 ends; the maps are computed in float32"),
        (LARGEST + peak.log(), "a map of larger numbers is lost at a smaller score, not at a larger one"),
        (LARGEST - peak, "compare like with like: 88.72 is a logarithm"),
        (LARGEST / peak, "this divides an exponent; what is a division there?"),
        (LARGEST - peak.log10(), "e is the base of the exponential; take the logarithm to the same base"),
        (LARGEST - maps.mean(dim=(1, 2)).log(), "the mean of a map is still finite when its first pixel is lost"),
        (LARGEST - maps.max().log(), "all images have one limit here; each map is lost at a score of its own"),
    ]


def _stable(a: Tensor, g: Tensor) -> Tensor:
    return FORMULAS["grad_cam_pp_stable"](a, g, torch.zeros(len(a)))


def _alpha(a: Tensor, g: Tensor) -> Tensor:
    return 1 / (2 + g * a.sum(dim=(2, 3), keepdim=True))


def _shared(alpha: Tensor) -> Tensor:
    return alpha / alpha.sum(dim=(2, 3), keepdim=True)


def _map(weights: Tensor, a: Tensor) -> Tensor:
    return (weights.sum(dim=(2, 3), keepdim=True) * a).sum(dim=1)


def _positive_alpha(a: Tensor, g: Tensor) -> Tensor:
    return _alpha(a, g.relu()) * (g > 0)


def _clamped(a: Tensor, g: Tensor) -> Tensor:
    return FORMULAS["grad_cam_pp"](a, g, torch.full((len(a),), 80.0))


MENDED_MISTAKES = (
    Mistake(
        lambda a, g: _map(_positive_alpha(a, g) * g.relu(), a).relu(),
        "alpha is not shared out: the original divides it by its sum over the pixels of a channel",
    ),
    Mistake(
        lambda a, g: _map(_shared(_alpha(a, g.relu())) * g.relu(), a).relu(),
        "pixels whose gradient is not positive take part in alpha's sum; only positive ones count",
    ),
    Mistake(
        lambda a, g: _map(_shared(_alpha(a, g)) * g.relu(), a).relu(),
        "alpha uses negative gradients: its denominator can then pass through 0",
    ),
    Mistake(
        lambda a, g: _map(_shared(_alpha(a, g)) * g, a).relu(),
        "neither alpha nor the weights clip the gradient; Eq. 6 does",
    ),
    Mistake(
        lambda a, g: _map(_shared((g > 0).float()) * g.relu(), a).relu(),
        "every positive pixel has the same alpha; what has become of its denominator?",
    ),
    Mistake(
        lambda a, g: _map(g.relu() / g[0, 0].numel(), a).relu(),
        "this is the mean of the positive gradients; alpha is missing",
    ),
    Mistake(
        lambda a, g: _map(_shared((g > 0) / (2 + g.relu() * a.mean(dim=(2, 3), keepdim=True))) * g.relu(), a),
        "the activations of a channel are averaged in alpha; Eq. 6 sums them",
    ),
    Mistake(
        lambda a, g: _map(_shared((g > 0) / (2 + g.relu() * a.sum(dim=(1, 2, 3), keepdim=True))) * g.relu(), a),
        "alpha's denominator sums activations over all channels; Eq. 6 has one sum for each channel",
    ),
    Mistake(
        lambda a, g: _map(_shared((g > 0) / (2 + g.relu() * a)) * g.relu(), a),
        "alpha's denominator takes the activation of its own pixel; in Eq. 6 the sum runs over all pixels q",
    ),
    Mistake(
        lambda a, g: min_max(_stable(a, g)), "the map is already stretched to [0, 1]; asked for is the map before NRM"
    ),
    Mistake(_clamped, "this is e^s with a smaller s: it only puts the overflow off. Let e^s cancel on paper first"),
    Mistake(
        lambda a, g: (_shared(_positive_alpha(a, g)) * g.relu() * a).sum(dim=1).relu(),
        "each pixel keeps a weight of its own; Eq. 6 sums over the pixels to one weight a channel",
    ),
)
