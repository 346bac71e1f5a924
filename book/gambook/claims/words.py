"""From ledger rows to words: what rows say beside each other, and a word for each claim and kind of data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gambook.claims.rule import AGAINST, CHANCE, FOR, NO_EFFECT, NOT_RUN, TOO_FEW, holm, word

IMAGENET, OTHERS, SCENES, DIGITS = "ImageNet validation", "other photographs", "scenes", "digits"
DATA_KINDS = (IMAGENET, OTHERS, SCENES, DIGITS)
# What is no photograph of its own kind.
KIND_OF = {
    "imagenet_val": IMAGENET, "imagenet_val_1300": IMAGENET,
    "scenes": SCENES, "scenes_two": SCENES, "scenes_shared": SCENES,
    "mnist5k": DIGITS,
}  # fmt: skip


def corrected(rows: pd.DataFrame) -> pd.DataFrame:
    """Ledger rows, of one run or of several, with what they say beside each other.

    Returns
    -------
    DataFrame
        same_as: id of an earlier row of the claim that is the same number (GAM and Grad-CAM++ are one map behind
        average pooling); it counts once. state: "alone", but a secondary difference is for or against only where
        Holm's correction over those of its claim and data set, on all networks, leaves p below 5%.
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
            states = list(ran["state"])
            # a claim of no difference points that way where the mean lies within the margin
            that_way = np.where(ran["sign"] == 0, ran["mean"].abs() <= ran["margin"], ran["sign"] * ran["mean"] > 0)
            found.append(
                {"claim": claim, "title": title, "kind": kind, "word": word(states), "differences": len(ran)}
                | {"that_way": int(that_way.sum()), "firm_for": states.count(FOR)}
                | {"firm_against": states.count(AGAINST), "no_effect": states.count(NO_EFFECT)}
            )
    return pd.DataFrame(found)
