"""Check of exercise 2: what each ReLU of Equation 1 does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gambook.exercises.checks.compare import Mistake, call, compare
from gambook.exercises.checks.record import Miss, Record, assess
from gamlib.maps import min_max

OUTCOMES = ("same", "lower", "higher", "either")

# situation of exercise 2 -> the right outcome, and what to think of when another is given
PREDICTIONS = {
    "a": ("same", "a: which values can A have behind its own ReLU, and what does another ReLU do to them?"),
    "b": (
        "lower",
        "b: look at one product with A below 0. What was it with the ReLU, what is it without, and can G "
        "then be negative?",
    ),
    "c": ("same", "c: under the dot product the gradient of h(x) is the other embedding. Which signs can it have?"),
    "d": ("lower", "d: under the cosine G has negative entries (Eq. 5). What do their products add to the sum?"),
    "e": ("either", "e: without any ReLU, take all four pairs of signs of A and G; two of them are easily forgotten"),
}


def ex02(gam_without: Callable[..., Tensor], predict: Callable[[], Mapping[str, str]], seed: int = 0) -> Record:
    """Check gam_without(a, g, relu_a, relu_g) -> raw map (B, h, w), and the predictions {"a": "same", ...}."""
    generator = torch.Generator().manual_seed(1000 * seed + 2)
    a, g = (torch.randn(2, 5, 4, 4, generator=generator) for _ in range(2))
    cases = [(a, g, relu_a, relu_g) for relu_a in (True, False) for relu_g in (True, False)]

    def switches() -> None:
        compare(gam_without, cases, _switched, SWITCH_MISTAKES, "the map (B, h, w)")

    def prediction(key: str) -> Callable[[], None]:
        def test() -> None:
            answers = call(predict)
            if not isinstance(answers, Mapping):
                raise Miss(f"`predict` returns a {type(answers).__name__}; expected a dict with the keys a to e")
            if key not in answers:
                raise Miss(f"`predict` has no answer '{key}'; its keys: {', '.join(map(str, answers)) or 'none'}")
            if answers[key] not in OUTCOMES:
                raise Miss(f"{key}: got {answers[key]!r}; accepted: {', '.join(OUTCOMES)}")
            right, hint = PREDICTIONS[key]
            if answers[key] != right:
                raise Miss(hint)

        return test

    parts = [("gam_without", 2, switches)]
    return assess("ex02", seed, parts + [(f"prediction {key}", 1, prediction(key)) for key in PREDICTIONS])


def _switched(a: Tensor, g: Tensor, relu_a: bool, relu_g: bool) -> Tensor:
    return ((a.relu() if relu_a else a) * (g.relu() if relu_g else g)).sum(dim=1)


SWITCH_MISTAKES = (
    Mistake(lambda a, g, relu_a, relu_g: _switched(a, g, relu_g, relu_a), "the two switches act on the wrong tensors"),
    Mistake(
        lambda a, g, relu_a, relu_g: _switched(a, g, not relu_a, not relu_g),
        "the switches are turned round: True means that the ReLU is there",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: _switched(a, g, True, True),
        "the switches change nothing: both ReLUs are always there",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: _switched(a, g, True, relu_g),
        "one switch changes nothing: what happens with relu_a=False?",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: _switched(a, g, relu_a, True),
        "one switch changes nothing: what happens with relu_g=False?",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: relu_a * relu_g * _switched(a, g, True, True),
        "a factor without its ReLU is 0 here; it is to be the factor as it is",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: _switched(a, g, False, False),
        "the switches change nothing: neither ReLU is ever there",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: (a * g).relu().sum(dim=1),
        "the ReLU sits on the product: there, two negative factors count as evidence. Eq. 1 clips each factor",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: _switched(a, g, relu_a, relu_g).relu(),
        "the sum is clipped as well; Eq. 1 has no ReLU behind the sum, so a map without ReLUs may be negative",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: _switched(a, g, relu_a, relu_g) / a.shape[1],
        "this is the mean over the channels; Eq. 1 sums them",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: _switched(a, g.mean(dim=(2, 3), keepdim=True), relu_a, relu_g),
        "the gradient is pooled first, as in Grad-CAM; GAM multiplies pixel by pixel",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: _switched(a, g, relu_a, relu_g).unsqueeze(1),
        "sum the channel axis away: one map (h, w) an image",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: (a.relu() if relu_a else a) * (g.relu() if relu_g else g),
        "each channel still has a map of its own; Eq. 1 adds them up",
    ),
    Mistake(
        lambda a, g, relu_a, relu_g: min_max(_switched(a, g, relu_a, relu_g)),
        "the map is already stretched to [0, 1]; asked for is the raw map",
    ),
)
