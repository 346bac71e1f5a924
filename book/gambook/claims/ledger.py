"""The ledger: one row for each signed difference of each claim, and one computed verdict for each claim.

Inputs are the per-map results (format: gamlib.evaluation.results) and two small tables for what no map table can tell:

gradients (C1), one row a sample and task: model, dataset, task ("cosine" | "dot"), sample, share_negative in
[0, 1], the share of entries of the last layer's gradient below 0.

sanity (C9, C10; Fig. 7), one row a comparison: model, dataset, test ("cascading" | "independent" | "labels"),
stage (int, 1 = last layer), layer, image, cluster, cluster_kind, metric, value, baseline.
For metric "spearman", "ssim", "hog": value = similarity of the original's map to the randomised network's;
baseline = its similarity to a random map (test "labels": to the map of a second network with true labels).
For metric "box_iou": value = IoU of the randomised network's map, baseline = IoU of the trained one's.
C9 takes "box_iou" at the last stage of "cascading", C10 takes "spearman" of "labels"; each as baseline - value.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from gambook.claims.differences import Cells, by_cell, difference, gain, judged
from gambook.claims.paper import load_claims
from gambook.claims.rule import CONTRADICTED, MIXED, NOT_RUN, REPRODUCED, combine
from gamlib.evaluation.results import measures
from gamlib.statistics import bootstrap, cluster_sums

# Scenes of two objects are made for class discrimination and decide nothing else.
TWO_OBJECTS = ("scenes_two", "scenes_shared")
NEEDS = {
    "box_iou": "true boxes",
    "mass_box": "true boxes",
    "area": "true boxes",
    "gain": "true boxes and strata of small objects",
    "mask_iou": "true masks",
    "discrimination": "images of two objects with masks",
}
SANITY = {"C9": ("cascading", "box_iou"), "C10": ("labels", "spearman")}
MEASURED = ["n", "excluded", "clusters", "agree", "cluster_kind", "mean", "low", "high", "verdict"]


def ledger(
    results: pd.DataFrame | None,
    profile: str,
    gradients: pd.DataFrame | None = None,
    sanity: pd.DataFrame | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Every signed difference a - b of every claim, for each model and data set that has it.

    Columns: profile, model, dataset, those of `load_claims`, n (rows compared; images and labels), excluded (rows
    with Y <= 0), clusters, agree (clusters whose own mean lies on the side of zero of the whole), cluster_kind, mean,
    low, high (percent or percentage points; 95% interval), verdict, needs (what is missing where it is "not run").
    A stratum that a data set with boxes lacks is listed as "not run"; so is, once a model, a difference that no data
    set has.
    """
    claims = load_claims()
    data = None if results is None else by_cell(measures(results))
    rows = []
    for claim in claims.to_dict("records"):
        if claim["claim"] == "C1":
            found = _gradient_rows(claim, gradients)
        elif claim["claim"] in SANITY:
            found = _sanity_rows(claim, sanity, seed)
        else:
            found = _result_rows(claim, data, seed)
        rows += [{"profile": profile, **claim, **row} for row in found]
    return pd.DataFrame(rows, columns=["profile", "model", "dataset", *claims.columns, *MEASURED, "needs"])


def claim_verdicts(rows: pd.DataFrame, by: tuple[str, ...] = ("profile", "model")) -> pd.DataFrame:
    """One verdict a claim from ledger rows: `statistics.combine` over all differences in the claim's list.

    A difference that ran on some data set is not held against the claim for the data sets that lack it.
    by: what else separates verdicts; ("profile",) joins the backbones. Columns: by, claim, title, verdict,
    listed (differences in the list), ran (of them), reproduced, contradicted (rows), needs.
    """
    found = []
    for keys, group in rows.groupby([*by, "claim", "title"], sort=False):
        ran = group[group["verdict"] != NOT_RUN]
        missing = group[~group["id"].isin(ran["id"])]
        verdicts = [*ran["verdict"], *missing["verdict"]]
        found.append(
            dict(zip([*by, "claim", "title"], keys, strict=True))
            | {"verdict": combine(verdicts), "listed": group["id"].nunique(), "ran": ran["id"].nunique()}
            | {name: verdicts.count(name) for name in (REPRODUCED, CONTRADICTED)}
            | {"needs": "; ".join(dict.fromkeys(missing["needs"]))}
        )
    return pd.DataFrame(found)


def _result_rows(claim: dict, data: dict[str, dict[str, Cells]] | None, seed: int) -> Iterator[dict]:
    """Rows of one claim from the per-map results."""
    needs = _needs(claim)
    compare = gain if claim["metric"] == "gain" else difference
    for model, datasets in (data or {"": {}}).items():
        found = []
        for dataset, cells in datasets.items():
            if dataset in TWO_OBJECTS and claim["metric"] != "discrimination":
                continue
            row = compare(cells, claim, seed)
            if row:
                found.append({"model": model, "dataset": dataset, "needs": "", **row})
            elif claim["subset"] != "100" and {percentile for percentile, _, _ in cells} == {100}:
                found.append(_not_run(model, dataset, f"{dataset} has no small objects; {needs}"))
        yield from found or [_not_run(model, "", needs)]


def _gradient_rows(claim: dict, gradients: pd.DataFrame | None) -> Iterator[dict]:
    """C1 is exact: what is claimed of a task holds of every sample or it does not. The interval is the range."""
    of_task = None if gradients is None else gradients[gradients["task"] == claim["task"]]
    if of_task is None or of_task.empty:
        yield _not_run("", "", _needs(claim))
        return
    for (model, dataset), part in of_task.groupby(["model", "dataset"], sort=False):
        share = 100 * part["share_negative"]
        holds = share > 0 if claim["sign"] > 0 else share == 0
        yield {
            "model": model,
            "dataset": dataset,
            "n": len(part),
            "excluded": 0,
            "clusters": len(part),
            "mean": share.mean(),
            "low": share.min(),
            "high": share.max(),
            "verdict": REPRODUCED if holds.all() else MIXED if holds.any() else CONTRADICTED,
            "needs": "",
        }


def _sanity_rows(claim: dict, sanity: pd.DataFrame | None, seed: int) -> Iterator[dict]:
    """C9 and C10: baseline - value of the test that decides the claim, in percentage points."""
    test, metric = SANITY[claim["claim"]]
    part = None if sanity is None else sanity[(sanity["test"] == test) & (sanity["metric"] == metric)]
    if part is None or part.empty:
        yield _not_run("", "", _needs(claim))
        return
    for (model, dataset), rows in part.groupby(["model", "dataset"], sort=False):
        last = rows[rows["stage"] == rows["stage"].max()]
        diffs = 100 * (last["baseline"] - last["value"])
        sums, counts = cluster_sums(diffs, last["cluster"])
        interval = bootstrap(diffs, last["cluster"], seed)
        row = judged(claim, interval, last["cluster_kind"].iloc[0], sums / counts, len(last), 0)
        yield {"model": model, "dataset": dataset, "needs": "", **row}


def _not_run(model: str, dataset: str, needs: str) -> dict:
    return {"model": model, "dataset": dataset, "verdict": NOT_RUN, "needs": needs}


def _needs(claim: dict) -> str:
    if claim["claim"] == "C1":
        return f"needs the last layer's gradients under {claim['task']} (gradients.csv)"
    if claim["claim"] in SANITY:
        return f"needs {SANITY[claim['claim']][1]} of the test '{SANITY[claim['claim']][0]}' (sanity.csv)"
    what = NEEDS.get(claim["metric"], "masked scores" if claim["metric"][:3] in ("adp", "pic") else "maps")
    return f"needs {what} for {claim['a']} and {claim['b']}, task {claim['task']}, percentile {claim['subset']}"
