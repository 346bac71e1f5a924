"""Folds for tuning a threshold and intervals for a mean difference.

Clusters are divided and resampled, never single rows: the two maps of a pair share their score, and many scenes share
one source object.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """Mean of a difference and its 95% bootstrap interval."""

    mean: float
    low: float
    high: float


def split(clusters: int | Sequence[Hashable], folds: int = 2, seed: int = 0) -> np.ndarray:
    """A fold for each item: (N,) int in [0, folds). No cluster is divided; folds differ by at most one cluster.

    clusters: N items, each a cluster of its own, or the cluster of each item.
    Error: ValueError where there are fewer clusters than folds.

    >>> split(["a", "a", "b", "b"]).tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])
    True
    """
    items: list[Any] = list(range(clusters)) if isinstance(clusters, int | np.integer) else list(clusters)
    # numbered in sorted order; not by np.unique, which would take a tuple for a row
    names = {name: number for number, name in enumerate(sorted(set(items)))}
    cluster = np.array([names[item] for item in items], int)
    if len(names) < folds:
        raise ValueError(
            f"split: {len(names)} clusters cannot fill {folds} folds, so no part is left to tune a threshold on; "
            f"give at least {folds} pairs or images"
        )
    return (np.random.default_rng(seed).permutation(len(names)) % folds)[cluster]


def cross_fit(values: ArrayLike, folds: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Tune on the other fold, report on this one, for each fold: every row is reported, none by its own choice.

    values: (N, T), the measure of each row at each threshold, thresholds ascending. folds: (N,).
    Returns (N,) the chosen values and (N,) the index of the threshold; of equal thresholds the smallest.
    Error: ValueError where a fold has no other fold to be tuned on.

    >>> cross_fit([[0.2, 0.6], [0.5, 0.1]], [0, 1])
    (array([0.2, 0.1]), array([0, 1]))
    """
    values, folds = np.asarray(values, float), np.asarray(folds)
    choice = np.empty(len(values), int)
    for fold in np.unique(folds):
        other = values[folds != fold]
        if len(other) == 0:
            raise ValueError(f"cross_fit: all {len(values)} rows lie in fold {fold}; the hold-out part is empty")
        choice[folds == fold] = other.mean(axis=0).argmax()
    return values[np.arange(len(values)), choice], choice


def resample(clusters: Sequence[Hashable], seed: int = 0, resamples: int = 10_000) -> Iterator[np.ndarray]:
    """Bootstrap samples of clusters, in blocks: yields ((r, C) int cluster indices); the r sum to `resamples`."""
    count = len(np.unique(np.asarray(clusters)))
    rng = np.random.default_rng(seed)
    block = max(1, 2_000_000 // count)
    for start in range(0, resamples, block):
        yield rng.integers(count, size=(min(block, resamples - start), count))


def cluster_sums(values: ArrayLike, clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the rows of each cluster, clusters in sorted order: (C,) float64, (C,) int."""
    index = np.unique(np.asarray(clusters), return_inverse=True)[1]
    return np.bincount(index, weights=np.asarray(values, float)), np.bincount(index)


def bootstrap(diffs: ArrayLike, clusters: Sequence[Hashable], seed: int = 0, resamples: int = 10_000) -> Interval:
    """Mean of the differences with its 95% percentile interval, resampling clusters.

    diffs: (N,) finite. clusters: (N,) the cluster of each row; a drawn cluster brings all its rows.
    Error: ValueError where there is nothing, or something not finite, to average.

    >>> bootstrap([1.0, 1.0, 3.0], ["a", "a", "b"])
    Interval(mean=1.6666666666666667, low=1.0, high=3.0)
    """
    diffs = np.asarray(diffs, float)
    if len(diffs) == 0 or len(diffs) != len(clusters) or not np.isfinite(diffs).all():
        raise ValueError(
            f"bootstrap: got {len(diffs)} differences, {np.sum(~np.isfinite(diffs))} of them not finite, and "
            f"{len(clusters)} clusters; expected one cluster for each finite difference, at least one"
        )
    sums, counts = cluster_sums(diffs, clusters)
    means = np.concatenate([sums[i].sum(axis=1) / counts[i].sum(axis=1) for i in resample(clusters, seed, resamples)])
    return Interval(float(diffs.mean()), *(float(v) for v in np.percentile(means, (2.5, 97.5))))
