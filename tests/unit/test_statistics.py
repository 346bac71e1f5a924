import numpy as np
import pytest

from gamlib.statistics import Interval, bootstrap, combine, cross_fit, decide, judge, split


def test_split_divides_no_cluster():
    clusters = [f"pair {i // 2}" for i in range(20)]
    folds = split(clusters, folds=2, seed=3)
    assert (folds[::2] == folds[1::2]).all()
    assert np.bincount(folds).tolist() == [10, 10]
    assert (split(clusters, 2, 3) == folds).all()
    assert any((split(clusters, 2, seed) != folds).any() for seed in range(5))


def test_split_of_a_number_of_items():
    assert sorted(split(5, folds=2)) == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_split_takes_any_sequence_of_names(kind):
    assert split(kind(["b", "b", "a", "c"]), 2, 5).tolist() == split([1, 1, 0, 2], 2, 5).tolist()
    # the order of the items does not decide their folds
    forth, back = (split(kind(names), 2, 0) for names in (["a", "b", "c"], ["c", "b", "a"]))
    assert forth.tolist() == back.tolist()[::-1] == np.random.default_rng(0).permutation([0, 1, 0]).tolist()


def test_split_takes_tuples_as_names():
    folds = split([("a", 0), ("a", 1), ("a", 1), ("b", 0)], 2, 5)
    assert folds.tolist() == split([0, 1, 1, 2], 2, 5).tolist()
    assert sorted(split(np.int64(5))) == [0, 0, 0, 1, 1]


def test_split_with_too_few_clusters():
    with pytest.raises(ValueError, match="1 clusters cannot fill 2 folds.*give at least 2"):
        split(["a", "a", "a"], folds=2)


def test_cross_fit_reports_what_the_other_fold_chose():
    # fold 0 has means (0.7, 0.4): fold 1 is read at the first threshold;
    # fold 1 has means (0.2, 0.5): fold 0 is read at the second
    values = [[0.8, 0.3], [0.6, 0.5], [0.1, 0.6], [0.3, 0.4]]
    chosen, index = cross_fit(values, [0, 0, 1, 1])
    assert chosen.tolist() == [0.3, 0.5, 0.1, 0.3]
    assert index.tolist() == [1, 1, 0, 0]


def test_cross_fit_takes_the_smallest_of_equal_thresholds():
    assert cross_fit([[0.5, 0.5], [0.5, 0.5]], [0, 1])[1].tolist() == [0, 0]


def test_cross_fit_needs_a_hold_out_part():
    with pytest.raises(ValueError, match="all 2 rows lie in fold 0; the hold-out part is empty"):
        cross_fit([[0.5], [0.6]], [0, 0])


def test_bootstrap_of_a_constant():
    assert bootstrap([2.0] * 6, list("abcdef")) == Interval(2, 2, 2)


def test_bootstrap_of_two_clusters_by_enumeration():
    # draws of two clusters with means 0 (two rows) and 3 (one row): aa 0 (1/4), ab 1 (1/2), bb 3 (1/4)
    mean, low, high = bootstrap([0.0, 0.0, 3.0], ["a", "a", "b"])
    assert (mean, low, high) == (1, 0, 3)


def test_bootstrap_agrees_with_the_normal_interval():
    rng = np.random.default_rng(1)
    diffs = rng.normal(1, 2, size=400)
    _, low, high = bootstrap(diffs, np.arange(400), seed=5)
    half = 1.96 * diffs.std() / 20  # standard error of a mean of 400
    assert low == pytest.approx(diffs.mean() - half, abs=0.03)
    assert high == pytest.approx(diffs.mean() + half, abs=0.03)


def test_bootstrap_resamples_clusters_not_rows():
    # 100 copies of each of 5 values know no more than the 5 values
    values = np.array([-2.0, 0, 1, 2, 4])
    one = bootstrap(values, np.arange(5), seed=2)
    many = bootstrap(np.repeat(values, 100), np.repeat(np.arange(5), 100), seed=2)
    assert many == pytest.approx(one)


def test_bootstrap_is_repeatable_and_refuses_gaps():
    assert bootstrap([1.0, 5, 2], [1, 2, 3], seed=1) == bootstrap([1.0, 5, 2], [1, 2, 3], seed=1)
    with pytest.raises(ValueError, match="got 2 differences, 1 of them not finite, and 2 clusters"):
        bootstrap([1.0, np.nan], [1, 2])
    with pytest.raises(ValueError, match="got 0 differences"):
        bootstrap([], [])


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
    ],
)
def test_decide(low, high, sign, expected):
    assert decide(Interval((low + high) / 2, low, high), sign, margin=0.5) == expected


def test_rounding_is_no_verdict():
    assert decide(Interval(6e-7, 1e-7, 9e-7), +1) == "equivalent"


@pytest.mark.parametrize(
    ("kind", "means", "expected"),
    [
        ("label", [1, 2, 3, 2, 2], "reproduced"),
        ("label", [1, 2, 3, 2], "undecided"),  # four objects
        ("label", [1, 2, 3, 2, -0.1], "undecided"),  # one object disagrees
        ("label", [1, 2, 3, 2, 0], "undecided"),
        ("pair", [1.0] * 9 + [-1], "reproduced"),  # single pairs may disagree
        ("pair", [1.0] * 9, "undecided"),  # nine pairs
    ],
)
def test_judge_holds_back(kind, means, expected):
    assert judge(Interval(2, 1, 3), +1, 0.5, kind, means) == expected


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
    ],
)
def test_combine(verdicts, expected):
    assert combine(verdicts) == expected
