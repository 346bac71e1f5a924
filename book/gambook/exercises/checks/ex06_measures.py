"""Exercise 6: ADP and PIC, by hand and as functions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gambook.exercises.checks.answers import Answer, close, entry, foreseen, tensor
from gambook.exercises.checks.scoring import Function, Miss, Parts, check
from gamlib.metrics import drops, increases

# The images of the exercise, their maps, and the weights of its network, (2, 4, 4) and (4, 4).
PIXELS = torch.tensor(
    [
        [[1.0, 1, 0, 0], [1, 3, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]],
        [[1.0, 0, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]],
    ]
)
MAPS = torch.zeros(2, 4, 4)
MAPS[0, :2, :2] = torch.tensor([[0.5, 0.5], [0.5, 1]])
MAPS[1, 1, 1], MAPS[1, 3, 3] = 0.5, 1
WHOLE = torch.ones(2, 4, 4)
WEIGHTS = torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 0]])
# Numbers on paper are rounded.
PAPER = 2e-3


@check
def ex06(by_hand: Function, average_drop: Function, increase_in_confidence: Function, seed: int = 0) -> Parts:
    """Check {"before": [Y1, Y2], "after": [O1, O2], "adp": %, "pic": %} and both measures of (before, after), (N,)."""
    generator = torch.Generator().manual_seed(1000 * seed + 6)
    cases = []
    # Mostly drops, then mostly increases: only so does it show whether the mean is clipped or each drop. Whatever the
    # seed there are one tie and as many drops and increases as said, never half of the images nor the same number; and
    # the ADP of the second, 9.163, is rounded alike in whatever precision.
    for count, least, most in ((5, 0.4, 0.9), (8, 1.1, 2.0)):
        before = torch.rand(count, generator=generator) + 0.2
        after = before * (least + (most - least) * torch.rand(count, generator=generator))
        after[:4] = before[:4] * torch.tensor([0.5, 1.25, 1.0, 0.76696])
        cases.append((before, after))

    def numbers(key: str, count: int) -> Tensor:
        given = tensor(entry(by_hand, key, ["before", "after", "adp", "pic"])).double().flatten()
        if len(given) != count:
            raise Miss(f"{key}: expected {'one number' if count == 1 else 'two numbers'}, got {len(given)}")
        return given

    def scores() -> None:
        for key, maps, where in (("before", WHOLE, "whole image"), ("after", MAPS, "image times map")):
            if close(numbers(key, 2).flip(0), _score(PIXELS, maps), PAPER):
                raise Miss(f"{key}: the two scores are in the wrong order; the first is that of the first image")
            for number, (given, *case) in enumerate(zip(numbers(key, 2), PIXELS, maps, strict=True), start=1):
                what = f"the score of image {number} on the {where}"
                _expect(what, given, SCORE, case, "write down the product of every pixel, then add them up")

    def measure(key: str, answer: Answer) -> None:
        case = [_score(PIXELS, WHOLE), _score(PIXELS, MAPS)]
        _expect(key.upper(), numbers(key, 1)[0], answer, case, "write down one image's share first")

    yield "by hand: scores", 2, scores
    yield "by hand: ADP", 1, lambda: measure("adp", ADP)
    yield "by hand: PIC", 1, lambda: measure("pic", PIC)
    yield "average_drop", 2, ADP.test(average_drop, cases)
    yield "increase_in_confidence", 2, PIC.test(increase_in_confidence, cases)


def _expect(what: str, given: Tensor, answer: Answer, case: Sequence[Tensor], otherwise: str) -> None:
    """Raise Miss unless a number on paper is the right one."""
    if not close(given, tensor(answer.right(*case)), PAPER):
        hint = foreseen(answer.mistakes, [given], [case], PAPER) or otherwise
        raise Miss(f"{what} is not {given:g}; {hint}")


def _score(image: Tensor, saliency: Tensor) -> Tensor:
    return (WEIGHTS * image * saliency).sum(dim=(-2, -1))


SCORE = Answer(
    "the score",
    right=_score,
    mistakes={
        "that is the sum of the pixels; the score weighs each of them": lambda x, m: (x * m).sum(),
        "a pixel with a negative weight counts, too": lambda x, m: (WEIGHTS.relu() * x * m).sum(),
        "the map is more than a mask of 0 and 1: each pixel is multiplied by its value": lambda x, m: _score(x, m > 0),
        "the image is missing: the network sees the image times the map": lambda x, m: _score(torch.ones_like(x), m),
        "the map is applied twice": lambda x, m: _score(x, m**2),
    },
)
ADP = Answer(
    "ADP, one number,",
    right=lambda y, o: drops(y, o).mean(),
    mistakes={
        "an increase counts as a negative drop here; ADP clips each drop at 0 before the mean":
            lambda y, o: 100 * ((y - o) / y).mean(),
        "the mean is clipped; clip each image's drop": lambda y, o: 100 * ((y - o) / y).mean().clamp(min=0),
        "an increase counts as a drop: absolute values are not clipped values":
            lambda y, o: 100 * ((y - o).abs() / y).mean(),
        "ADP is a percentage": lambda y, o: drops(y, o).mean() / 100,
        "the drop is taken relative to the masked score; it is relative to the score on the whole image":
            lambda y, o: 100 * ((y - o).clamp(min=0) / o).mean(),
        "this is a drop in units of the score; divide each by the score on its own whole image":
            lambda y, o: 100 * (y - o).clamp(min=0).mean(),
        "this is the mean drop in units of the score; divide each by the score on its own whole image":
            lambda y, o: (y - o).clamp(min=0).mean(),
        "this divides the summed drops by the summed scores; ADP is the mean of the relative drops":
            lambda y, o: 100 * (y - o).clamp(min=0).sum() / y.sum(),
        "this is the sum over the images, or the drop of one of them; ADP is their mean":
            lambda y, o: drops(y, o).sum(),
        "this divides by 2, the number of images on paper; N is the number of scores that are given":
            lambda y, o: drops(y, o).sum() / 2,
        "before and after are swapped": lambda y, o: drops(o, y).mean(),
        "this averages the rises; a drop is how much lower the score is afterwards":
            lambda y, o: 100 * ((o - y).clamp(min=0) / y).mean(),
        "this is the mean over the images whose score drops; the others count with 0":
            lambda y, o: 100 * ((y - o)[o < y] / y[o < y]).mean(),
        "this is the median of the drops; ADP is their mean": lambda y, o: 100 * ((y - o).clamp(min=0) / y).median(),
        "this is the largest drop; ADP is the mean of all": lambda y, o: drops(y, o).max(),
        "this counts the images that drop; ADP asks by how much": lambda y, o: 100 * (o < y).float().mean(),
        "each image still has its own drop; ADP is the mean of them": drops,
    },
)  # fmt: skip
PIC = Answer(
    "PIC, one number,",
    right=lambda y, o: increases(y, o).mean(),
    mistakes={
        "a tie counts as an increase; the score has to be strictly higher": lambda y, o: 100 * (o >= y).float().mean(),
        "this divides by 2, the number of images on paper; N is the number of scores that are given":
            lambda y, o: 50 * (o > y).float().sum(),
        "this counts the drops; PIC counts the increases": lambda y, o: 100 * (o < y).float().mean(),
        "PIC is a percentage": lambda y, o: increases(y, o).mean() / 100,
        "PIC is a percentage of the images, not their number": lambda y, o: (o > y).float().sum(),
        "PIC asks how many images rise, not by how much": lambda y, o: 100 * ((o - y).clamp(min=0) / y).mean(),
        "this is 100 whatever the scores are: an image counts where its score is higher than before":
            lambda y, o: 100.0,
        "no image counts here, yet a score can rise when something is covered up: compare each image's scores":
            lambda y, o: 0.0,
        "each image still has its own answer; PIC is their share": increases,
        "this compares two means; PIC compares each image with itself":
            lambda y, o: 100 * (o.mean() > y.mean()).float(),
    },
)  # fmt: skip
