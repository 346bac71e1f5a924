"""The rule of verdicts, case by case."""

import pytest
from gambook.claims.rule import combine, decide, judge

from gamlib.statistics import Interval


@pytest.mark.parametrize(
    ("low", "high", "sign", "expected"),
    [
        (1, 3, +1, "reproduced"),
        (-3, -1, -1, "reproduced"),
        (1, 3, -1, "contradicted"),
        (-3, -1, +1, "contradicted"),
        (-1, 3, +1, "undecided"),
        (0, 3, +1, "undecided"),  # holds 0
        (0.2, 3, +1, "reproduced"),
        (0.1, 0.4, +1, "equivalent"),  # wholly on the side, but too small to matter
        (-0.5, 0.5, -1, "equivalent"),
        (-0.4, 0.4, 0, "reproduced"),  # no difference is what was claimed
        (0.6, 2, 0, "contradicted"),
        (-2, -0.6, 0, "contradicted"),
        (0.2, 2, 0, "undecided"),
        (-3, 0, +1, "undecided"),  # holds 0
        (-3, 0, -1, "undecided"),
        (-0.5, 0.5, +1, "equivalent"),  # the margin belongs to it
        (-0.5, 0.6, +1, "undecided"),
        (-0.6, 0.5, 0, "undecided"),
        (-0.5, 0.5, 0, "reproduced"),
        (0.5, 2, 0, "undecided"),  # no further off than the margin
        (-2, -0.5, 0, "undecided"),
        (0.3, 0.7, -1, "contradicted"),
        (0.1, 0.4, -1, "equivalent"),  # wholly on the other side, and too small to matter
    ],
)
def test_decide(low, high, sign, expected):
    assert decide(Interval((low + high) / 2, low, high), sign, margin=0.5) == expected


@pytest.mark.parametrize(("margin", "expected"), [(0, "reproduced"), (1, "reproduced"), (3, "equivalent")])
def test_decide_at_another_margin(margin, expected):
    assert decide(Interval(2, 1, 3), +1, margin) == expected
    assert judge(Interval(2, 1, 3), +1, margin, "label", [1, 2, 3, 2, 2]) == expected


def test_rounding_is_no_verdict():
    assert decide(Interval(6e-7, 1e-7, 9e-7), +1) == "equivalent"
    # half a point, where no margin is given
    assert [decide(Interval(0.3, 0.1, high), +1) for high in (0.5, 0.51)] == ["equivalent", "reproduced"]


SPREAD = [1.0] * 9 + [-1.0]


@pytest.mark.parametrize(
    ("low", "high", "sign", "kind", "means", "expected"),
    [
        (1, 3, +1, "label", [1, 2, 3, 2, 2], "reproduced"),
        (1, 3, +1, "label", [1, 2, 3, 2], "undecided"),  # four objects
        (1, 3, +1, "label", [1, 2, 3, 2, -0.1], "undecided"),  # one object disagrees
        (1, 3, +1, "label", [1, 2, 3, 2, 0], "undecided"),
        (1, 3, +1, "pair", SPREAD, "reproduced"),  # single pairs may disagree
        (1, 3, +1, "pair", [1.0] * 9, "undecided"),  # nine pairs
        (1, 3, -1, "label", [1, 2, 3, 2, 2], "contradicted"),
        (1, 3, -1, "label", [1, 2, 3, 2], "undecided"),
        (1, 3, -1, "label", [1, 2, 3, 2, -0.1], "undecided"),
        (1, 3, -1, "pair", SPREAD, "contradicted"),
        (-3, -1, -1, "label", [-1, -2, -3, -2, -2], "reproduced"),
        (-3, -1, -1, "label", [-1, -2, -3, -2, 0], "undecided"),
        (-3, -1, +1, "label", [-1, -2, -3, -2, -2], "contradicted"),
        (-1, 3, +1, "label", [1, 2, 3, 2, 2], "undecided"),
        (-0.1, 0.1, +1, "label", [0.1, 0.1, -0.1, 0], "undecided"),  # too few to call equivalent
        (-0.1, 0.1, 0, "pair", [0.0] * 9, "undecided"),  # too few for a claim of no difference
        (-0.1, 0.1, 0, "pair", [0.0] * 10, "reproduced"),
        (1, 3, 0, "pair", SPREAD, "contradicted"),
        (-3, -1, 0, "label", [-1, -2, -3, -2, -2], "contradicted"),
        (-3, -1, 0, "label", [-1, -2, -3, -2, 1], "undecided"),
        (0.2, 3, 0, "label", [1, 2, 3, 2, 2], "undecided"),
    ],
)
def test_judge_holds_back(low, high, sign, kind, means, expected):
    assert judge(Interval((low + high) / 2, low, high), sign, 0.5, kind, means) == expected


def test_objects_need_not_agree_on_a_difference_too_small_to_matter():
    assert judge(Interval(0, -0.1, 0.1), +1, 0.5, "label", [0.1, -0.1, 0, 0.1, -0.1]) == "equivalent"
    # a claim of no difference is not contradicted by objects that differ in opposite directions
    assert judge(Interval(0, -0.1, 0.1), 0, 0.5, "label", [0.1, -0.1, 0, 0.1, -0.1]) == "reproduced"
    assert judge(Interval(2, 1, 3), 0, 0.5, "label", [1, 2, 3, 4, -1]) == "undecided"
    assert judge(Interval(2, 1, 3), 0, 0.5, "label", [1, 2, 3, 4, 1]) == "contradicted"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["reproduced"] * 3, "reproduced"),
        (["contradicted"] * 2, "contradicted"),
        (["equivalent"] * 2, "equivalent"),
        (["not run"] * 2, "not run"),
        ([], "not run"),
        (["reproduced", "contradicted", "undecided"], "mixed"),
        (["mixed", "reproduced"], "mixed"),
        (["reproduced", "undecided"], "undecided"),
        (["reproduced", "equivalent"], "undecided"),
        (["reproduced", "not run"], "undecided"),
        (["contradicted", "not run"], "undecided"),
        (["equivalent", "not run"], "undecided"),
        (["contradicted", "equivalent"], "undecided"),
        (["undecided", "undecided"], "undecided"),
        (["reproduced", "contradicted", "not run"], "mixed"),
        (["mixed", "not run"], "mixed"),
    ],
)
def test_combine(verdicts, expected):
    assert combine(verdicts) == expected
