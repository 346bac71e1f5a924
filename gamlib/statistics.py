"""Folds for tuning a threshold, and intervals for the mean of a difference.

Clusters are divided and counted, never single rows: the maps of a pair share their score, the images of a class are
alike, and many scenes share one source object.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Interval(NamedTuple):
    """A number, the ends of its 95% interval, the p value of its being zero, and on how many clusters these rest."""

    mean: float
    low: float
    high: float
    p: float
    clusters: int


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


def mean_interval(values: ArrayLike, clusters: Sequence[Hashable]) -> Interval:
    """Mean of all rows with a t interval over cluster means, each weighted by its rows.

    With clusters of one size it is the t interval of the cluster means.

    values: (N,) finite. clusters: (N,) the cluster of each row.
    Error: ValueError where there is nothing, or something not finite, to average.

    >>> [round(v, 3) for v in mean_interval([1.0, 3.0, 5.0], ["a", "b", "c"])]
    [3.0, -1.968, 7.968, 0.122, 3]
    """
    values = np.asarray(values, float)
    if len(values) == 0 or len(values) != len(clusters) or not np.isfinite(values).all():
        raise ValueError(
            f"interval: got {len(values)} values, {np.sum(~np.isfinite(values))} of them not finite, and "
            f"{len(clusters)} clusters; expected one cluster for each finite value, at least one"
        )
    mean = float(values.mean())
    return linear_interval(mean, (values - mean) / len(values), clusters)


def slope_interval(x: ArrayLike, y: ArrayLike, clusters: Sequence[Hashable]) -> Interval:
    """Slope of the least-squares line of y on x, both (N,), with its t interval over clusters.

    >>> slope_interval([0, 1, 2, 3], [1, 3, 5, 7], ["a", "b", "c", "d"]).mean
    2.0
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residual = y - y.mean() - slope * centred
    return linear_interval(slope, centred * residual / (centred @ centred), clusters)


def linear_interval(estimate: float, influence: ArrayLike, clusters: Sequence[Hashable]) -> Interval:
    """T interval of an estimate to whose error each row adds its influence, as (y - mean) / N to that of a mean.

    The influences of a cluster's rows are added up first: with C clusters the variance is C / (C - 1) times the sum of
    their squares, and t has C - 1 degrees of freedom. One cluster has no interval: it reaches from -inf to inf.
    """
    # not by np.unique, which would take a tuple for a row, and 1 and "1" for one
    number = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    sums = np.bincount([number[name] for name in clusters], weights=np.asarray(influence, float))
    count = len(sums)
    if count < 2:
        return Interval(estimate, -np.inf, np.inf, 1.0, count)
    error = float(np.sqrt(count / (count - 1) * (sums**2).sum()))
    # a difference that is the same in every cluster is certain; of what is not finite nothing is known
    certain = error == 0 and estimate != 0 and np.isfinite(estimate)
    p = 2 * float(stats.t.sf(abs(estimate) / error, count - 1)) if error > 0 else float(not certain)
    reach = float(stats.t.ppf(0.975, count - 1)) * error
    return Interval(estimate, estimate - reach, estimate + reach, p, count)
