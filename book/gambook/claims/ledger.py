"""The ledger: one row for each signed difference of each claim, and a word for each claim and kind of data.

Inputs are the measures of maps (`gamlib.evaluation.results.measures`) and two small tables for what no map tells:

gradients (C1), one row a sample and task: model, dataset, task ("cosine" | "dot"), sample, share_negative in
[0, 1], the share of entries of the last layer's gradient below 0.

sanity (C9, C10; Fig. 7), one row a comparison: model, dataset, test ("cascading" | "independent" | "labels"),
stage (int, 1 = last layer), layer, image, cluster, metric, value, baseline.
For metric "spearman", "ssim", "hog": value = similarity of the original's map to the randomised network's;
baseline = its similarity to a random map (test "labels": to the map of a second network with true labels).
For metric "box_iou": value = IoU of the randomised network's map, baseline = IoU of the trained one's.
C9 takes "box_iou" at the last stage of "cascading", C10 takes "spearman" of "labels"; each as baseline - value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gambook.claims.paper import load_claims, relative_gain
from gambook.claims.rule import AGAINST, CHANCE, FOR, NO_EFFECT, NOT_RUN, TOO_FEW, decide, holm, margin, word
from gamlib.evaluation.results import CELL, ITEM
from gamlib.statistics import Interval, linear_interval, mean_interval, slope_interval

IMAGENET, OTHERS, SCENES, DIGITS = "ImageNet validation", "other photographs", "scenes", "digits"
DATA_KINDS = (IMAGENET, OTHERS, SCENES, DIGITS)
# What is no photograph of its own kind.
KIND_OF = {
    "imagenet_val": IMAGENET, "imagenet_val_1300": IMAGENET,
    "scenes": SCENES, "scenes_two": SCENES, "scenes_shared": SCENES,
    "digits": DIGITS, "mnist": DIGITS, "mnist5k": DIGITS,
}  # fmt: skip
# Scenes of two objects are made for class discrimination and decide nothing else.
TWO_OBJECTS = ("scenes_two", "scenes_shared")
# With which family of networks the others are compared (F3).
OTHER_FAMILY = "squeezenet1_1"
NEEDED_FOR = {
    "box_iou": "true boxes",
    "mass_box": "true boxes",
    "peak_box": "true boxes",
    "area": "true boxes",
    "slope": "true boxes",
    "gain": "true boxes and strata of small objects",
    "family": f"true boxes, {OTHER_FAMILY} and another network",
    "mask_iou": "true masks",
    "discrimination": "images of two objects with masks",
    "peak_discrimination": "images of two objects with masks",
}
SANITY = {"C9": ("cascading", "box_iou"), "C10": ("labels", "spearman")}
MEASURED = ["n", "excluded", "clusters", "mean", "low", "high", "p", "margin", "alone"]

# (part, percentile, task, "method:n") -> maps, indexed by item; parts as in `gambook.claims.protocol`
Cells = dict[tuple[str, int, str, str], pd.DataFrame]


def ledger(
    scored: pd.DataFrame | None,
    profile: str,
    gradients: pd.DataFrame | None = None,
    sanity: pd.DataFrame | None = None,
    claims: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every signed difference a - b of every claim, for each model and data set that has it.

    A stratum that a data set with boxes lacks is listed as "not run"; so is, once a model, a difference that no data
    set has.

    Parameters
    ----------
    scored, gradients, sanity : DataFrame or None
        As above; None where there are none.
    profile : str
        Name for the column.
    claims : DataFrame, optional
        Rows of `load_claims`; default: all.

    Returns
    -------
    DataFrame
        profile, model, dataset, kind (of data), those of `load_claims`, n (rows compared; images and labels), excluded
        (rows without the measure: Y too low), clusters, mean, low, high (percent or percentage points; 95% interval),
        p, margin, alone (what the row says by itself), needs (what is missing where it is "not run"), and those of
        `corrected`.
    """
    claims = load_claims() if claims is None else claims
    data = {} if scored is None else by_cell(scored)
    rows = []
    for claim in claims.to_dict("records"):
        if claim["claim"] == "C1" or claim["claim"] in SANITY:
            found = _table_rows(claim, gradients if claim["claim"] == "C1" else sanity)
        elif claim["metric"] == "family":
            found = _family_rows(claim, data)
        else:
            found = _result_rows(claim, data or {"": {}})
        rows += [{"profile": profile, **claim, **row} for row in found]
    table = pd.DataFrame(rows, columns=["profile", "model", "dataset", *claims.columns, *MEASURED, "needs"])
    table.insert(3, "kind", table["dataset"].map(lambda name: KIND_OF.get(name, OTHERS if name else "")))
    return corrected(table)


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
    keys = [rows[name] for name in ("profile", "model", "dataset", "claim", "task", "subset", "metric")]
    first = rows.groupby([*keys, *(numbers[name] for name in numbers)], dropna=False)["id"].transform("first")
    rows["same_as"] = first.where((first != rows["id"]) & (rows["alone"] != NOT_RUN), "")
    rows["state"] = rows["alone"]
    secondary = rows[(rows["role"] == "secondary") & (rows["alone"] != NOT_RUN) & (rows["same_as"] == "")]
    for _, family in groups(secondary, ["profile", "claim", "dataset"]):
        chance = family.index[holm(family["p"]) >= CHANCE]
        held = chance[rows.loc[chance, "alone"].isin([FOR, AGAINST])]
        rows.loc[held, "state"] = TOO_FEW
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
    for (claim, title), own in groups(primary, ["claim", "title"]):
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


def groups(frame: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[Any, pd.DataFrame]]:
    """`groupby` in the order of appearance, with the tuple of each group's values."""
    yield from frame.groupby(list(by), sort=False)


def by_cell(scored: pd.DataFrame) -> dict[str, dict[str, Cells]]:
    """Measures as model -> data set -> cells."""
    data: dict[str, dict[str, Cells]] = {}
    for part in ("boxes", "masking"):
        # an evaluation of one's own is both
        own = scored[scored["part"] == part] if "part" in scored else scored
        for (dataset, percentile, model, task, method, n), cell in groups(own, CELL):
            cells = data.setdefault(model, {}).setdefault(dataset, {})
            cells[part, percentile, task, f"{method}:{n}"] = cell.set_index(ITEM)
    return data


def part_of(metric: str) -> str:
    """Which part of a protocol measures it."""
    return "masking" if metric.startswith(("adp", "pic")) else "boxes"


def difference(cells: Cells, claim: Mapping) -> dict | None:
    """Mean of a - b over the maps that both methods have, and the slope of that on log2 of the object's area."""
    metric = "box_iou" if claim["metric"] == "slope" else claim["metric"]
    pairs = _joined(cells, claim, metric, int(claim["subset"]))
    given = pairs.dropna(subset=["a", "b"])
    if given.empty:
        return None
    diffs, level = given["a"] - given["b"], float(given[["a", "b"]].to_numpy().mean())
    if claim["metric"] == "slope":
        interval = slope_interval(np.log2(given["object_area"]), diffs, given["cluster"])
    else:
        interval = mean_interval(diffs, given["cluster"])
    row = _judged(claim, interval, len(given), len(pairs) - len(given), level)
    # an overflow is certain: a single map that is lost decides
    return row | {"alone": FOR if interval.mean > 0 else NO_EFFECT} if metric == "nonfinite" else row


# Where no map of b hits its object there is no gain: NaN or infinite, without a warning, and never for or against.
@np.errstate(divide="ignore", invalid="ignore")
def gain(cells: Cells, claim: Mapping) -> dict | None:
    """Relative gain of a over b in the smaller stratum minus that in the larger; what both share is one cluster."""
    gains, influence, clusters = [], [], []
    for side, percentile in zip((1, -1), claim["subset"].split("-"), strict=True):
        pairs = _joined(cells, claim, "box_iou", int(percentile)).dropna(subset=["a", "b"])
        if pairs.empty:
            return None
        a, b = pairs["a"].mean(), pairs["b"].mean()
        gains.append(side * relative_gain(b, a))
        # of a ratio of two means
        error = 100 * ((pairs["a"] - a) / b - a * (pairs["b"] - b) / b**2) / len(pairs)
        influence.append(side * error)
        clusters += list(pairs["cluster"])
    interval = linear_interval(sum(gains), np.concatenate(influence), clusters)
    return _judged(claim, interval, len(clusters))


def _judged(claim: Mapping, interval: Interval, n: int, excluded: int = 0, level: float = 0.0) -> dict:
    """The ledger's columns from n to alone."""
    near = margin(claim["metric"], level)
    state = decide(interval, claim["sign"], near)
    return {"n": n, "excluded": excluded, **interval._asdict(), "margin": near, "alone": state}


def _joined(cells: Cells, claim: Mapping, metric: str, percentile: int) -> pd.DataFrame:
    """Columns a and b of a metric, one row an item that both methods have; no row where one was not run."""
    a, b = (cells.get((part_of(metric), percentile, claim["task"], claim[side])) for side in ("a", "b"))
    if a is None or b is None or metric not in a or a[metric].isna().all():
        return pd.DataFrame(columns=["a", "b", "cluster", "object_area"])
    both = a.reindex(columns=[metric, "cluster", "object_area"]).rename(columns={metric: "a"})
    return both.join(b[metric].rename("b"), how="inner")


def _result_rows(claim: Mapping, data: dict[str, dict[str, Cells]]) -> Iterator[dict]:
    """Rows of one claim from the measures of maps."""
    needs = _needs(claim)
    compare = gain if claim["metric"] == "gain" else difference
    for model, datasets in data.items():
        found = []
        for dataset, cells in datasets.items():
            if dataset in TWO_OBJECTS and not claim["metric"].endswith("discrimination"):
                continue
            row = compare(cells, claim)
            if row:
                found.append({"model": model, "dataset": dataset, "needs": "", **row})
            elif claim["subset"] != "100" and {percentile for _, percentile, *_ in cells} == {100}:
                found.append(_not_run(model, dataset, f"{dataset} has no small objects; {needs}"))
        yield from found or [_not_run(model, "", needs)]


def _family_rows(claim: Mapping, data: dict[str, dict[str, Cells]]) -> Iterator[dict]:
    """F3: a - b with one network minus the same with the other family, map by map."""
    found = []
    for model, datasets in data.items():
        for dataset, cells in datasets.items() if model != OTHER_FAMILY else ():
            sides = [_joined(part, claim, "box_iou", int(claim["subset"])).dropna(subset=["a", "b"])
                     for part in (cells, data.get(OTHER_FAMILY, {}).get(dataset, {}))]  # fmt: skip
            one, other = ((side["a"] - side["b"]).rename(name) for side, name in zip(sides, "ab", strict=True))
            both = sides[0][["cluster"]].join([one, other], how="inner")
            if len(both) and dataset not in TWO_OBJECTS:
                row = _judged(claim, mean_interval(both["a"] - both["b"], both["cluster"]), len(both))
                found.append({"model": model, "dataset": dataset, "needs": "", **row})
    yield from found or [_not_run("", "", _needs(claim))]


def _table_rows(claim: Mapping, table: pd.DataFrame | None) -> Iterator[dict]:
    """Rows of one claim from gradients (C1) or sanity (C9, C10)."""
    test, metric = SANITY.get(claim["claim"], ("", ""))
    asked = {"test": test, "metric": metric} if test else {"task": claim["task"]}
    part = pd.DataFrame() if table is None else table[(table[list(asked)] == pd.Series(asked)).all(axis=1)]
    if part.empty:
        yield _not_run("", "", _needs(claim))
    for (model, dataset), rows in groups(part, ["model", "dataset"]) if len(part) else ():
        row = _fallen(claim, rows) if test else _exact(claim, rows)
        yield {"model": model, "dataset": dataset, "needs": "", **row}


def _exact(claim: Mapping, rows: pd.DataFrame) -> dict:
    """C1: what is claimed of a task holds of every sample or it does not. The interval is the range."""
    share = 100 * rows["share_negative"]
    holds = share > 0 if claim["sign"] > 0 else share == 0
    interval = Interval(share.mean(), share.min(), share.max(), 0.0, len(rows))
    alone = FOR if holds.all() else AGAINST
    return {"n": len(rows), "excluded": 0, **interval._asdict(), "margin": 0.0, "alone": alone}


def _fallen(claim: Mapping, rows: pd.DataFrame) -> dict:
    """C9 and C10: baseline - value at the last stage, in percentage points."""
    last = rows[rows["stage"] == rows["stage"].max()]
    return _judged(claim, mean_interval(100 * (last["baseline"] - last["value"]), last["cluster"]), len(last))


def _not_run(model: str, dataset: str, needs: str) -> dict:
    return {"model": model, "dataset": dataset, "alone": NOT_RUN, "needs": needs}


def _needs(claim: Mapping) -> str:
    if claim["claim"] == "C1":
        return f"needs the last layer's gradients under {claim['task']} (gradients.csv)"
    if claim["claim"] in SANITY:
        return f"needs {SANITY[claim['claim']][1]} of the test '{SANITY[claim['claim']][0]}' (sanity.csv)"
    what = NEEDED_FOR.get(claim["metric"], "masked scores" if claim["metric"][:3] in ("adp", "pic") else "maps")
    return f"needs {what} for {claim['a']} and {claim['b']}, task {claim['task']}, percentile {claim['subset']}"
