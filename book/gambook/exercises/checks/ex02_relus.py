"""Exercise 2: what each ReLU of Equation 1 does."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from gambook.exercises.checks.answers import Answer, entry
from gambook.exercises.checks.scoring import Function, Miss, Parts, check
from gamlib.maps import min_max

OUTCOMES = ("same", "lower", "higher", "either")

# situation of the exercise -> the right outcome, and what to think of when another is given
PREDICTIONS = {
    "a": ("same", "a: which values can A have behind its own ReLU, and what does another ReLU do to them?"),
    "b": ("lower", "b: look at one product with A below 0, with its ReLU and without; can G then be negative?"),
    "c": ("same", "c: under the dot product the gradient of h(x) is the other embedding. Which signs can it have?"),
    "d": ("lower", "d: under the cosine G has negative entries (Eq. 5). What do their products add to the sum?"),
    "e": ("either", "e: without any ReLU, take all four pairs of signs of A and G; two of them are easily forgotten"),
}


@check
def ex02(gam_without: Function, predict: Function, seed: int = 0) -> Parts:
    """Check gam_without(a, g, relu_a, relu_g) -> raw map (B, h, w), and the predictions {"a": "same", ...}."""
    a, g = torch.randn(2, 2, 5, 4, 4, generator=torch.Generator().manual_seed(1000 * seed + 2))
    cases = [(a, g, relu_a, relu_g) for relu_a in (True, False) for relu_g in (True, False)]

    def predicts(key: str, right: str, hint: str) -> None:
        outcome = entry(predict, key, list(PREDICTIONS))
        if outcome not in OUTCOMES:
            raise Miss(f"{key}: got {outcome!r}; accepted: {', '.join(OUTCOMES)}")
        if outcome != right:
            raise Miss(hint)

    yield "gam_without", 2, SWITCHED.test(gam_without, cases)
    for key, (right, hint) in PREDICTIONS.items():
        yield f"prediction {key}", 1, functools.partial(predicts, key, right, hint)


def _product(a: Tensor, g: Tensor, on_a: bool, on_g: bool) -> Tensor:
    return (a.relu() if on_a else a) * (g.relu() if on_g else g)


def _map(a: Tensor, g: Tensor, on_a: bool, on_g: bool) -> Tensor:
    return _product(a, g, on_a, on_g).sum(dim=1)


SWITCHED = Answer(
    "the map (B, h, w)",
    right=_map,
    mistakes={
        "the two switches act on the wrong tensors": lambda a, g, on_a, on_g: _map(a, g, on_g, on_a),
        "the switches are turned round: True means that the ReLU is there":
            lambda a, g, on_a, on_g: _map(a, g, not on_a, not on_g),
        "the switches change nothing: both ReLUs are always there": lambda a, g, on_a, on_g: _map(a, g, True, True),
        "the switches change nothing: neither ReLU is ever there": lambda a, g, on_a, on_g: _map(a, g, False, False),
        "one switch changes nothing: what happens with relu_a=False?": lambda a, g, on_a, on_g: _map(a, g, True, on_g),
        "one switch changes nothing: what happens with relu_g=False?": lambda a, g, on_a, on_g: _map(a, g, on_a, True),
        "a factor without its ReLU is 0 here; it is to be the factor as it is":
            lambda a, g, on_a, on_g: on_a * on_g * _map(a, g, True, True),
        "the ReLU sits on the product: there, two negative factors count as evidence. Eq. 1 clips each factor":
            lambda a, g, on_a, on_g: (a * g).relu().sum(dim=1),
        "the sum is clipped as well; Eq. 1 has no ReLU behind the sum, so a map without ReLUs may be negative":
            lambda *given: _map(*given).relu(),
        "this is the mean over the channels; Eq. 1 sums them": lambda *given: _product(*given).mean(dim=1),
        "the gradient is pooled first, as in Grad-CAM; GAM multiplies pixel by pixel":
            lambda a, g, on_a, on_g: _map(a, g.mean(dim=(2, 3), keepdim=True), on_a, on_g),
        "sum the channel axis away: one map (h, w) an image": lambda *given: _map(*given).unsqueeze(1),
        "each channel still has a map of its own; Eq. 1 adds them up": _product,
        "the map is already stretched to [0, 1]; asked for is the raw map": lambda *given: min_max(_map(*given)),
    },
)  # fmt: skip
