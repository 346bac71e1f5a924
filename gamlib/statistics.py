"""How a difference of two methods becomes a verdict: folds, bootstrap intervals and the rule.

The rule, fixed before any run. A claim is a list of signed differences, each with the side it is claimed to lie
on (`sign`) and a margin in percentage points. Clusters are resampled, never single rows: the two maps of a pair
share their score, and many scenes share one source object.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

REPRODUCED, CONTRADICTED, EQUIVALENT = "reproduced", "contradicted", "equivalent"
MIXED, UNDECIDED, NOT_RUN = "mixed", "undecided", "not run"

# Fewer clusters than this leave a difference undecided.
FEWEST = {"label": 5, "pair": 10}


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
    items = list(range(clusters)) if isinstance(clusters, Integral) else list(clusters)
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


def resample(clusters: Sequence[Hashable], seed: int = 0, resamples: int = 10_000):
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


def decide(interval: Interval, sign: int, margin: float = 0.5) -> str:
    """The verdict on one difference from its interval alone.

    sign: +1 or -1, the side claimed; 0 claims that there is no difference beyond the margin.

    >>> decide(Interval(4, 2, 6), sign=+1), decide(Interval(4, 2, 6), sign=-1), decide(Interval(4, -1, 9), sign=+1)
    ('reproduced', 'contradicted', 'undecided')
    """
    within = -margin <= interval.low and interval.high <= margin
    if sign == 0:
        beyond = interval.low > margin or interval.high < -margin
        return REPRODUCED if within else CONTRADICTED if beyond else UNDECIDED
    if within:
        return EQUIVALENT
    if min(sign * interval.low, sign * interval.high) > 0:
        return REPRODUCED
    if max(sign * interval.low, sign * interval.high) < 0:
        return CONTRADICTED
    return UNDECIDED


def judge(interval: Interval, sign: int, margin: float, kind: str, cluster_means: ArrayLike) -> str:
    """`decide`, held back where the clusters are too few or, being objects, do not agree.

    kind: "pair" (independent photographs or pairs) or "label" (source objects). cluster_means: (C,), the
    difference in each cluster.
    """
    means = np.asarray(cluster_means, float)
    if len(means) < FEWEST[kind]:
        return UNDECIDED
    verdict = decide(interval, sign, margin)
    # a difference on which the objects disagree is none; that there is none needs no agreement in sign
    apart = verdict == CONTRADICTED or (verdict == REPRODUCED and sign != 0)
    agree = (means > 0).all() or (means < 0).all()
    return UNDECIDED if kind == "label" and apart and not agree else verdict


def combine(verdicts: Sequence[str]) -> str:
    """The verdict on a claim from those on all its differences.

    reproduced, contradicted, equivalent: all are so. mixed: some reproduced, some contradicted. not run: nothing
    was run. undecided: anything else, a list that was run in part only included.

    >>> combine(["reproduced", "contradicted"]), combine(["reproduced", "not run"])
    ('mixed', 'undecided')
    """
    found = set(verdicts)
    if not found or found == {NOT_RUN}:
        return NOT_RUN
    if MIXED in found or {REPRODUCED, CONTRADICTED} <= found:
        return MIXED
    return found.pop() if len(found) == 1 else UNDECIDED
