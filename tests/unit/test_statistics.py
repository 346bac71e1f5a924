import numpy as np
import pytest

from gamlib.statistics import Interval, bootstrap, cluster_sums, cross_fit, resample, split


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


def test_bootstrap_of_a_constant():
    assert bootstrap([2.0] * 6, list("abcdef")) == Interval(2, 2, 2)


def test_bootstrap_of_two_clusters_by_enumeration():
    # draws of two clusters with means 0 (two rows) and 3 (one row): aa 0 (1/4), ab 1 (1/2), bb 3 (1/4)
    mean, low, high = bootstrap([0.0, 0.0, 3.0], ["a", "a", "b"])
    assert (mean, low, high) == (1, 0, 3)


@pytest.mark.parametrize(
    ("clusters", "low", "high"),
    [
        # Two objects, four images of each: both draws are object a in a quarter of all, b in another, so 0 to 4.
        (list("aaaabbbb"), 0, 4),
        # Eight images, each drawn by itself: k of 8 draws are a 4 with the shares 1, 8, 28, 56, ... of 256. Up to
        # k = 0 lie 0.4%, up to k = 1 3.5% (so 2.5% is there), up to k = 2 14.5%; the mean is k / 2.
        (list("abcdefgh"), 0.5, 3.5),
        # Pairs of images: k of 4 draws are a 4 with the shares 1, 4, 6, 4, 1 of 16; 6.25% lie at 0.
        (list("aabbccdd"), 0, 4),
    ],
)
def test_the_cluster_decides_the_width(clusters, low, high):
    assert bootstrap([0.0] * 4 + [4.0] * 4, clusters) == (2, low, high)


def test_a_drawn_cluster_brings_all_its_rows():
    # Nine zeros in one cluster, seven clusters of a single 1. With k zeros' clusters among eight draws, the mean is
    # (8 - k) / (8 + 8 k). k >= 3 happens in 6.7% of all, k >= 4 in 1.1%, k = 0 in 34%.
    diffs, clusters = [0.0] * 9 + [1.0] * 7, ["zeros"] * 9 + list("abcdefg")
    assert bootstrap(diffs, clusters) == (7 / 16, 5 / 32, 1)
    sums, counts = cluster_sums(diffs, clusters)
    assert (sums.tolist(), counts.tolist()) == ([1] * 7 + [0], [1] * 7 + [9])  # clusters in sorted order


def test_resamples_come_in_blocks_and_depend_on_the_seed():
    clusters = [f"cluster {i // 2}" for i in range(900)]  # 450 clusters: 4444 samples a block
    blocks = list(resample(clusters, seed=3, resamples=10_000))
    assert [block.shape for block in blocks] == [(4444, 450), (4444, 450), (1112, 450)]
    assert set(np.unique(blocks[0])) == set(range(450))
    assert (blocks[0] == next(resample(clusters, seed=3))).all()
    assert (blocks[0] != next(resample(clusters, seed=4))).any() and (blocks[0] != blocks[1]).any()


def test_the_interval_depends_on_the_seed():
    diffs = np.arange(30.0) ** 2
    assert bootstrap(diffs, range(30), seed=1) == bootstrap(diffs, range(30), seed=1)
    assert bootstrap(diffs, range(30), seed=1).low != bootstrap(diffs, range(30), seed=2).low


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
