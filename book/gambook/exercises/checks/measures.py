"""Check of exercise 6: ADP and PIC, by hand and as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gambook.exercises.checks.compare import Mistake, call, compare, tensor
from gambook.exercises.checks.record import Miss, Record, assess

# The scores of the two 4 x 4 images of the exercise, whole and masked, and the measures of both.
BY_HAND = {"before": (4.0, 5.0), "after": (4.5, 2.0), "adp": 30.0, "pic": 50.0}

Measure = Callable[[Tensor, Tensor], float]


def ex06(
    by_hand: Callable[[], Mapping], average_drop: Measure, increase_in_confidence: Measure, seed: int = 0
) -> Record:
    """Check {"before": [Y1, Y2], "after": [O1, O2], "adp": %, "pic": %} and both measures of (before, after), (N,)."""
    generator = torch.Generator().manual_seed(1000 * seed + 6)
    cases = []
    # mostly drops, then mostly increases: only so does it show whether the mean is clipped or each drop
    for count, least in ((5, 0.4), (8, 1.0)):
        before = torch.rand(count, generator=generator) + 0.2
        after = before * (least + torch.rand(count, generator=generator))
        # two drops, one increase and one tie whatever the seed
        after[:4] = before[:4] * torch.tensor([0.5, 1.25, 1.0, 0.8])
        cases.append((before, after))

    return assess(
        "ex06",
        seed,
        [
            ("by hand: scores", 2, lambda: _check_scores(by_hand)),
            ("by hand: ADP", 1, lambda: _check_number(by_hand, "adp", ADP_HINTS)),
            ("by hand: PIC", 1, lambda: _check_number(by_hand, "pic", PIC_HINTS)),
            ("average_drop", 2, lambda: compare(average_drop, cases, _adp, ADP_MISTAKES, "ADP, one number,")),
            (
                "increase_in_confidence",
                2,
                lambda: compare(increase_in_confidence, cases, _pic, PIC_MISTAKES, "PIC, one number,"),
            ),
        ],
    )


def _answer(by_hand: Callable[[], Mapping], key: str) -> Tensor:
    """The numbers under `key`, (N,)."""
    answers = call(by_hand)
    if not isinstance(answers, Mapping):
        raise Miss(f"`by_hand` returns a {type(answers).__name__}; expected a dict with the keys {', '.join(BY_HAND)}")
    if key not in answers:
        raise Miss(f"`by_hand` has no answer '{key}'; its keys: {', '.join(map(str, answers)) or 'none'}")
    return tensor(answers[key]).double().flatten()


def _check_scores(by_hand: Callable[[], Mapping]) -> None:
    for key, unmasked in (("before", "on the whole image"), ("after", "on image times map")):
        given = _answer(by_hand, key).tolist()
        if len(given) != 2:
            raise Miss(f"{key}: expected the scores of two images, got {len(given)}")
        for number, (value, right) in enumerate(zip(given, BY_HAND[key], strict=True), start=1):
            if not abs(value - right) <= 1e-6:
                hint = SCORE_HINTS.get((key, number, value), "write down the product of every pixel, then add them up")
                raise Miss(f"the score of image {number} {unmasked} is not {value:g}; {hint}")


# what a typical slip makes of the numbers of the exercise
UNWEIGHTED = "that is the sum of the pixels; the score weighs each of them"
ONLY_POSITIVE = "a pixel with a negative weight counts, too"
BINARY = "the map is more than a mask of 0 and 1: each pixel is multiplied by its value"
TWICE = "the map is applied twice"
MAP_ALONE = "that is the score of the map alone; the network sees the image times the map"
SCORE_HINTS = {
    ("before", 1, 8.0): UNWEIGHTED,
    ("before", 1, 6.0): ONLY_POSITIVE,
    ("before", 2, 6.0): UNWEIGHTED,
    ("after", 1, 6.0): BINARY,
    ("after", 1, 2.5): MAP_ALONE,
    ("after", 1, 3.75): TWICE,
    ("after", 2, 4.0): BINARY,
    ("after", 2, 3.0): UNWEIGHTED,
    ("after", 2, 0.5): MAP_ALONE,
    ("after", 2, 1.0): TWICE,
}
ADP_HINTS = {
    23.75: "an increase counts as a negative drop here; ADP clips each drop at 0 before the mean",
    0.3: "ADP is a percentage",
    75.0: "the drop is taken relative to the masked score; it is relative to the score on the whole image",
    60.0: "this is the sum, or the drop of one image; ADP is the mean over both",
    150.0: "this is a drop in units of the score; divide each by the score on its own whole image",
    1.5: "this is a drop in units of the score; divide each by the score on its own whole image",
    100 / 3: "this divides the summed drops by the summed scores; ADP is the mean of the relative drops",
}
PIC_HINTS = {
    0.5: "PIC is a percentage",
    1.0: "PIC is a percentage of the images, not their number",
    100.0: "an image counts where its score is higher than before: compare the two scores of each image again",
    0.0: "a score can rise when something is covered up: compare the two scores of each image again",
}


def _check_number(by_hand: Callable[[], Mapping], key: str, hints: Mapping[float, str]) -> None:
    given = _answer(by_hand, key)
    if given.numel() != 1:
        raise Miss(f"{key}: expected one number, got {given.numel()}")
    value = float(given)
    if not abs(value - BY_HAND[key]) <= 1e-2:
        near = [hint for wrong, hint in hints.items() if abs(value - wrong) <= 0.01 * max(1.0, wrong)]
        raise Miss(
            near[0] if near else f"{key.upper()} is not {value:g} for these scores; write down one image's share first"
        )


def _adp(before: Tensor, after: Tensor) -> Tensor:
    return 100 * ((before - after).clamp(min=0) / before).mean()


def _pic(before: Tensor, after: Tensor) -> Tensor:
    return 100 * (after > before).float().mean()


ADP_MISTAKES = (
    Mistake(
        lambda y, o: 100 * ((y - o) / y).mean(),
        "an increase counts as a negative drop here; ADP clips each drop at 0 before the mean",
    ),
    Mistake(lambda y, o: 100 * ((y - o) / y).mean().clamp(min=0), "the mean is clipped; clip each image's drop"),
    Mistake(
        lambda y, o: 100 * ((y - o).abs() / y).mean(),
        "an increase counts as a drop: absolute values are not clipped values",
    ),
    Mistake(lambda y, o: _adp(y, o) / 100, "ADP is a percentage"),
    Mistake(
        lambda y, o: 100 * ((y - o).clamp(min=0) / o).mean(),
        "the drop is taken relative to the masked score; it is relative to the score on the whole image",
    ),
    Mistake(
        lambda y, o: 100 * (y - o).clamp(min=0).mean(),
        "this is a drop in units of the score; divide each by the score on its own whole image",
    ),
    Mistake(
        lambda y, o: 100 * (y - o).clamp(min=0).sum() / y.sum(),
        "this divides the summed drops by the summed scores; ADP is the mean of the relative drops",
    ),
    Mistake(lambda y, o: _adp(y, o) * len(y), "this is the sum over the images; ADP is their mean"),
    Mistake(lambda y, o: _adp(o, y), "before and after are swapped"),
    Mistake(
        lambda y, o: 100 * ((o - y).clamp(min=0) / y).mean(),
        "this averages the rises; a drop is how much lower the score is afterwards",
    ),
    Mistake(
        lambda y, o: 100 * ((y - o)[o < y] / y[o < y]).mean(),
        "this is the mean over the images whose score drops; the others count with 0",
    ),
    Mistake(
        lambda y, o: 100 * ((y - o).clamp(min=0) / y), "each image still has its own drop; ADP is the mean of them"
    ),
)
PIC_MISTAKES = (
    Mistake(
        lambda y, o: 100 * (o >= y).float().mean(), "a tie counts as an increase; the score has to be strictly higher"
    ),
    Mistake(lambda y, o: 100 * (o < y).float().mean(), "this counts the drops; PIC counts the increases"),
    Mistake(lambda y, o: _pic(y, o) / 100, "PIC is a percentage"),
    Mistake(lambda y, o: (o > y).float().sum(), "PIC is a percentage of the images, not their number"),
    Mistake(lambda y, o: 100 * ((o - y).clamp(min=0) / y).mean(), "PIC asks how many images rise, not by how much"),
    Mistake(lambda y, o: torch.tensor(100.0), "this is 100 whatever the scores are: which images does it count?"),
    Mistake(lambda y, o: 100 * (o > y).float(), "each image still has its own answer; PIC is their share"),
    Mistake(
        lambda y, o: 100 * (o.mean() > y.mean()).float(), "this compares two means; PIC compares each image with itself"
    ),
)
