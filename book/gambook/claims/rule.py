"""The rule by which differences of two methods become words, fixed before the data of the second edition were seen.

A claim has one or few primary differences, the paper's own comparison, and secondary ones. Each is claimed to lie on
one side of zero (`sign`). What rows of a ledger say beside each other follows from that, and so does a word for each
claim and kind of data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
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

# Kinds of data; names.csv says which data set is not of the second.
DATA_KINDS = ("ImageNet validation", "other photographs", "scenes", "digits")


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


def corrected(rows: pd.DataFrame) -> pd.DataFrame:
    """Ledger rows, of one run or of several, with what they say beside each other.

    Returns
    -------
    DataFrame
        same_as: id of an earlier row of the claim that is the same number (GAM and Grad-CAM++ are one map behind
        average pooling); it counts once. state: "alone", but a secondary difference is for or against only where
        Holm's correction over those of its claim and data set, on all networks, leaves p below 5%; what is the same
        number as one of these says the same.
    """
    rows = rows.drop(columns=["same_as", "state"], errors="ignore").reset_index(drop=True)
    numbers = rows[["mean", "low", "high"]].astype(float).round(6).astype(str)
    keys = ["profile", "model", "dataset", "claim", "task", "subset", "metric", *numbers]
    first = rows.assign(**numbers).groupby(keys, dropna=False)["id"].transform("first")
    rows["same_as"] = first.where((first != rows["id"]) & (rows["alone"] != NOT_RUN), "")
    rows["state"] = rows["alone"]
    secondary = rows[(rows["role"] == "secondary") & (rows["alone"] != NOT_RUN) & (rows["same_as"] == "")]
    for _, family in secondary.groupby(["profile", "claim", "dataset"], sort=False):
        chance = (holm(family["p"]) >= CHANCE) & family["alone"].isin([FOR, AGAINST])
        rows.loc[family.index[chance], "state"] = TOO_FEW
    doubtful = rows.assign(**numbers).groupby(keys, dropna=False)["state"].transform("first") == TOO_FEW
    rows.loc[doubtful & (rows["same_as"] != "") & (rows["role"] == "secondary"), "state"] = TOO_FEW
    return rows


def claim_words(rows: pd.DataFrame) -> pd.DataFrame:
    """One word for each claim and kind of data, from its primary differences on all networks in `rows`.

    Returns
    -------
    DataFrame
        claim, title, kind, word, differences (counted), that_way (whose mean lies on the claimed side), firm_for,
        firm_against, no_effect.
    """
    found = []
    primary = rows[(rows["role"] == "primary") & (rows["same_as"] == "")]
    for (claim, title), own in primary.groupby(["claim", "title"], sort=False):
        for kind in [kind for kind in DATA_KINDS if (own["kind"] == kind).any()] or [""]:
            ran = own[(own["kind"] == kind) & (own["state"] != NOT_RUN)]
            found.append({"claim": claim, "title": title, "kind": kind, **counted(ran)})
    return pd.DataFrame(found)


def counted(ran: pd.DataFrame) -> dict:
    """What rows that ran say together: the columns of `claim_words` from word on."""
    states = list(ran["state"])
    # a claim of no difference points that way where the mean lies within the margin
    that_way = np.where(ran["sign"] == 0, ran["mean"].abs() <= ran["margin"], ran["sign"] * ran["mean"] > 0)
    firm = {"firm_for": states.count(FOR), "firm_against": states.count(AGAINST), "no_effect": states.count(NO_EFFECT)}
    return {"word": word(states), "differences": len(ran), "that_way": int(that_way.sum()), **firm}
