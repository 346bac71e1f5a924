"""The rule of verdicts, case by case."""

import numpy as np
import pytest
from gambook.claims.rule import decide, holm, margin, word

from gamlib.statistics import Interval


@pytest.mark.parametrize(
    ("low", "high", "sign", "expected"),
    [
        (1, 3, +1, "for"),
        (-3, -1, -1, "for"),
        (1, 3, -1, "against"),
        (-3, -1, +1, "against"),
        (-1.5, 3, +1, "too few data"),
        (0, 3, +1, "too few data"),  # holds 0
        (-3, 0, -1, "too few data"),
        (0.2, 0.4, +1, "for"),  # small, and wholly on the side
        (0.2, 0.4, -1, "against"),
        (-1, 1, +1, "no effect"),  # the margin belongs to it
        (-1, 1, -1, "no effect"),
        (0, 1, +1, "no effect"),
        (-1, 1.1, +1, "too few data"),
        (-0.4, 0.4, 0, "for"),  # no difference is what was claimed
        (-1, 1, 0, "for"),
        (0.2, 0.4, 0, "for"),
        (1.1, 2, 0, "against"),
        (-2, -1.1, 0, "against"),
        (1, 2, 0, "too few data"),  # no further off than the margin
        (0.2, 2, 0, "too few data"),
    ],
)
def test_decide(low, high, sign, expected):
    assert decide(Interval((low + high) / 2, low, high, 0.5, 5), sign, margin=1) == expected
    # four clusters decide nothing
    assert decide(Interval((low + high) / 2, low, high, 0.5, 4), sign, margin=1) == "too few data"


def test_a_difference_without_spread_and_one_that_is_no_number():
    assert decide(Interval(0, 0, 0, 1, 9), +1, 1) == "no effect"
    assert decide(Interval(np.nan, np.nan, np.nan, np.nan, 9), +1, 1) == "too few data"


def test_margin_is_a_point_or_a_twentieth_of_the_level():
    assert [margin(name, 40) for name in ("box_iou", "area", "mask_iou", "gain", "peak_box")] == [1] * 5
    assert [margin("adp_black_both", level) for level in (0.5, 40, -40)] == [0.025, 2, 2]
    assert margin("pic_mean_one", 30) == 1.5


def test_holm():
    # 0.01 * 4; 0.02 * 3; 0.03 * 2 is no more than that; 0.4 * 1
    assert holm([0.4, 0.01, 0.03, 0.02]).tolist() == pytest.approx([0.4, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6]).tolist() == [1, 1]
    assert holm([]).tolist() == []


A, F, N, T, X = "against", "for", "no effect", "too few data", "not run"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([F, F, F], "holds"),
        ([F], "holds"),
        ([F, F, X], "holds"),  # on what was run
        ([F, F, T], "mostly holds"),
        ([F, F, N], "mostly holds"),
        ([F, T], "undecided"),  # half is not most
        ([F, A], "mixed"),
        ([F] * 9 + [A], "mixed"),
        ([A], "fails"),
        ([A, A, T], "fails"),
        ([A, T], "undecided"),
        ([A, A, N], "fails"),
        ([N, N, T], "no effect"),
        ([N], "no effect"),
        ([N, N, F], "undecided"),
        ([N, N, A], "undecided"),
        ([T, T], "undecided"),
        ([X, X], "not run"),
        ([], "not run"),
    ],
)
def test_word(states, expected):
    assert word(states) == expected
