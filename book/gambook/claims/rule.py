"""The rule by which a difference of two methods becomes a verdict, fixed before any run.

A claim is a list of signed differences, each with the side it is claimed to lie on (`sign`) and a margin in
percentage points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gamlib.statistics import Interval

REPRODUCED, CONTRADICTED, EQUIVALENT = "reproduced", "contradicted", "equivalent"
MIXED, UNDECIDED, NOT_RUN = "mixed", "undecided", "not run"

# Fewer clusters than this leave a difference undecided.
FEWEST = {"label": 5, "pair": 10}


def decide(interval: Interval, sign: int, margin: float = 0.5) -> str:
    """The verdict on one difference from its interval alone.

    Parameters
    ----------
    interval : Interval
        Of the difference, in percentage points.
    sign : int
        +1 or -1, the side claimed; 0 claims that there is no difference beyond the margin.
    margin : float
        An interval wholly within it is "equivalent".

    Examples
    --------
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

    Parameters
    ----------
    interval, sign, margin
        As in `decide`.
    kind : str
        "pair" (independent photographs or pairs) or "label" (source objects).
    cluster_means : array of shape (C,)
        The difference in each cluster.
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

    Examples
    --------
    >>> combine(["reproduced", "contradicted"]), combine(["reproduced", "not run"])
    ('mixed', 'undecided')
    """
    found = set(verdicts)
    if not found or found == {NOT_RUN}:
        return NOT_RUN
    if MIXED in found or {REPRODUCED, CONTRADICTED} <= found:
        return MIXED
    return found.pop() if len(found) == 1 else UNDECIDED
