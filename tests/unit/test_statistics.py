import numpy as np
import pytest
from scipy import stats

from gamlib.statistics import cross_fit, linear_interval, mean_interval, slope_interval, split


def test_split_divides_no_cluster():
    clusters = [f"pair {i // 2}" for i in range(20)]
    folds = split(clusters, folds=2, seed=3)
    assert (folds[::2] == folds[1::2]).all()
    assert np.bincount(folds).tolist() == [10, 10]
    assert (split(clusters, 2, 3) == folds).all()
    assert any((split(clusters, 2, seed) != folds).any() for seed in range(5))


def test_split_of_a_number_of_items():
    assert sorted(split(5, folds=2)) == [0, 0, 0, 1, 1]
    assert sorted(split(3, folds=3)) == [0, 1, 2]  # as many as there are folds will do
    assert sorted(split(10, folds=3, seed=7)) == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]


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


def test_cross_fit_tunes_on_all_other_folds_by_their_mean():
    # The others of fold 2 have means (1/3, 3/5), though two rows of three prefer the first threshold; those of fold 0
    # have (1/2, 1/2), and those of fold 1 (2/3, 4/15).
    values = [[0.5, 0.4], [0.5, 0.4], [0.0, 1.0], [1.0, 0.0]]
    chosen, index = cross_fit(values, [0, 0, 1, 2])
    assert index.tolist() == [0, 0, 0, 1]
    assert chosen.tolist() == [0.5, 0.5, 0.0, 0.0]


def test_cross_fit_needs_a_hold_out_part():
    with pytest.raises(ValueError, match="all 2 rows lie in fold 0; the hold-out part is empty"):
        cross_fit([[0.5], [0.6]], [0, 0])


def test_the_interval_of_clusters_of_one_size_is_the_t_interval_of_their_means():
    rng = np.random.default_rng(0)
    values, clusters = rng.normal(1, 2, size=24), np.repeat(list("abcdefgh"), 3)
    test = stats.ttest_1samp(values.reshape(8, 3).mean(axis=1), 0)
    ends = test.confidence_interval(0.95)
    found = mean_interval(values, clusters)
    assert found == pytest.approx((values.mean(), ends.low, ends.high, test.pvalue, 8))
    # in whatever order the rows stand
    order = rng.permutation(24)
    assert mean_interval(values[order], clusters[order]) == pytest.approx(found)


def test_an_interval_by_hand():
    # two clusters of two and one rows: mean 2; influences (1 - 2 + 2 - 2) / 3 = -1/3 and (3 - 2) / 3 = 1/3; variance
    # 2/1 (1/9 + 1/9) = 4/9; one degree of freedom: 12.706 * 2/3
    mean, low, high, p, clusters = mean_interval([1.0, 2.0, 3.0], ["a", "a", "b"])
    assert (mean, clusters) == (2, 2)
    assert (low, high) == pytest.approx((2 - 8.4708, 2 + 8.4708), abs=1e-3)
    # t = 3 with one degree of freedom is Cauchy: 1 - 2 atan(3) / pi
    assert p == pytest.approx(1 - 2 * np.arctan(3) / np.pi)


def test_copies_of_a_row_know_no_more_than_the_row():
    values = np.array([-2.0, 0, 1, 2, 4])
    many = mean_interval(np.repeat(values, 100), np.repeat(np.arange(5), 100))
    assert many == pytest.approx(mean_interval(values, np.arange(5)))


def test_a_constant_is_certain_and_one_cluster_knows_nothing():
    assert mean_interval([2.0] * 6, list("abcdef")) == (2, 2, 2, 0, 6)
    assert mean_interval([0.0] * 6, list("abcdef")) == (0, 0, 0, 1, 6)
    assert mean_interval([1.0, 2.0], ["a", "a"]) == (1.5, -np.inf, np.inf, 1, 1)


@pytest.mark.parametrize("clusters", [5, 6, 12, 20, 40])
@pytest.mark.parametrize("unequal", [False, True])
def test_under_the_null_one_interval_in_twenty_misses_zero(clusters, unequal):
    rng = np.random.default_rng(clusters)
    # groups of raccoons have five or six images; of unequal clusters the interval is a little short
    sizes = np.resize([4, 5, 6], clusters) if unequal else np.full(clusters, 5)
    names, trials = np.repeat(np.arange(clusters), sizes), 6000
    # as much between clusters as within
    effects = rng.normal(size=(trials, clusters))[:, names] + rng.normal(size=(trials, len(names)))
    missed = np.mean([not low <= 0 <= high for _, low, high, *_ in (mean_interval(row, names) for row in effects)])
    assert 0.04 <= missed <= 0.06


@pytest.mark.parametrize(("clusters", "least"), [(6, 0.45), (12, 0.85), (20, 0.98)])
def test_an_effect_of_one_standard_deviation_between_clusters_is_found(clusters, least):
    rng = np.random.default_rng(clusters)
    found = [mean_interval(row, range(clusters)).low > 0 for row in rng.normal(1, 1, size=(2000, clusters))]
    assert np.mean(found) > least


def test_a_slope_by_hand_and_beside_an_ordinary_regression():
    # x -1 0 1, y 0 3 3: slope 1.5, line 0.5 2 3.5, residuals -0.5 1 -0.5; influences 0.25, 0, -0.25
    slope, low, high, _, clusters = slope_interval([-1, 0, 1], [0, 3, 3], ["a", "b", "c"])
    assert (slope, clusters) == (1.5, 3)
    assert (high - low) / 2 == pytest.approx(4.30265 * np.sqrt(3 / 2 * 2 * 0.25**2), abs=1e-4)
    rng = np.random.default_rng(3)
    x, noise = rng.normal(size=400), rng.normal(size=400)
    ours, theirs = slope_interval(x, 2 * x + noise, range(400)), stats.linregress(x, 2 * x + noise)
    assert ours.mean == pytest.approx(theirs.slope)
    assert (ours.high - ours.low) / 2 == pytest.approx(1.966 * theirs.stderr, rel=0.1)


def test_an_estimate_takes_its_influences_by_cluster():
    # sums 0 and 0: what one row adds the other takes away
    assert linear_interval(7, [1, -1, 2, -2], ["a", "a", "b", "b"])[:3] == (7, 7, 7)


def test_what_is_not_finite_is_no_certainty():
    assert linear_interval(np.inf, [np.nan, 0, 0], ["a", "b", "c"]).p == 1
    assert linear_interval(np.nan, [0, 0], ["a", "b"]).p == 1
    assert linear_interval(2, [0, 0], ["a", "b"]).p == 0


def test_clusters_are_any_names():
    by_tuple = linear_interval(7, [1, -1, 2, -3], [("a", 1), ("a", 1), ("b", 1), ("b", 1)])
    assert by_tuple == linear_interval(7, [1, -1, 2, -3], [1, 1, "1", "1"]) and by_tuple.clusters == 2


def test_gaps_are_refused():
    with pytest.raises(ValueError, match="got 2 values, 1 of them not finite, and 2 clusters"):
        mean_interval([1.0, np.nan], [1, 2])
    with pytest.raises(ValueError, match="got 0 values"):
        mean_interval([], [])
