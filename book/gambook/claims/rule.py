"""The rule by which differences of two methods become words, fixed before the data of the second edition were seen.

A claim has one or few primary differences, the paper's own comparison, and secondary ones. Each is claimed to lie on
one side of zero (`sign`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gamlib.statistics import Interval

FOR, AGAINST, NO_EFFECT, TOO_FEW, NOT_RUN = "for", "against", "no effect", "too few data", "not run"
HOLDS, MOSTLY, MIXED, FAILS, UNDECIDED = "holds", "mostly holds", "mixed", "fails", "undecided"

# Fewer clusters than this leave a difference undecided.
FEWEST = 5
# A difference this small is no effect: in points, and for ADP and PIC in parts of their level.
NEAR, RELATIVELY_NEAR = 1.0, 0.05
# Of the differences that are held against chance together.
CHANCE = 0.05


def margin(metric: str, level: float) -> float:
    """How small is no effect: one point of IoU or area, 5% of the level (mean of both sides) of ADP and PIC.

    >>> margin("box_iou", 50), margin("adp_black_both", 20)
    (1.0, 1.0)
    """
    return RELATIVELY_NEAR * abs(level) if metric.startswith(("adp", "pic")) else NEAR


def decide(interval: Interval, sign: int, margin: float) -> str:
    """What one difference says.

    Parameters
    ----------
    interval : Interval
        Of the difference, in percentage points, and of how many clusters.
    sign : int
        +1 or -1, the side claimed; 0 claims that there is no difference beyond the margin.
    margin : float
        An interval wholly within it, and not wholly on one side of zero, is no effect.

    Returns
    -------
    str
        "for" where the interval lies wholly on the side claimed (0: within the margin), "against" where wholly on the
        other (0: beyond the margin), "no effect", or "too few data", also with fewer than five clusters.

    Examples
    --------
    >>> decide(Interval(4, 2, 6, 0.01, 9), sign=+1, margin=1), decide(Interval(4, -1, 9, 0.1, 9), sign=+1, margin=1)
    ('for', 'too few data')
    """
    if interval.clusters < FEWEST:
        return TOO_FEW
    within = -margin <= interval.low and interval.high <= margin
    if sign == 0:
        beyond = interval.low > margin or interval.high < -margin
        return FOR if within else AGAINST if beyond else TOO_FEW
    low, high = sorted([sign * interval.low, sign * interval.high])
    if low > 0:
        return FOR
    if high < 0:
        return AGAINST
    return NO_EFFECT if within else TOO_FEW


def holm(p: ArrayLike) -> np.ndarray:
    """P values corrected for their number (Holm 1979): (N,) in [0, 1].

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, float)
    order = p.argsort(kind="stable")
    # the smallest counts N times, the next N - 1 times, and none may be smaller than one before it
    return np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)[order.argsort()]


def word(states: Sequence[str]) -> str:
    """What the primary differences of a claim say together, on one kind of data and all networks.

    holds: all are for. mostly holds: none against, more than half for. mixed: for and against. fails: none for, more
    than half against. no effect: none for or against, more than half no effect. not run: none was run. undecided: else.

    Examples
    --------
    >>> word(["for", "for", "too few data"]), word(["for", "against"]), word(["against", "too few data"])
    ('mostly holds', 'mixed', 'undecided')
    """
    ran = [state for state in states if state != NOT_RUN]
    if not ran:
        return NOT_RUN
    half = len(ran) / 2
    firm_for, against, none = (ran.count(state) for state in (FOR, AGAINST, NO_EFFECT))
    if firm_for and against:
        return MIXED
    if firm_for > half:
        return HOLDS if firm_for == len(ran) else MOSTLY
    if against > half:
        return FAILS
    return NO_EFFECT if none > half and not firm_for and not against else UNDECIDED
