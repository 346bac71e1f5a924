"""The ledger: one row for each signed difference of each claim.

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

from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from gambook.claims.differences import Cells, by_cell, difference, gain, groups, joined, judged, part_of
from gambook.claims.notes import NAMES
from gambook.claims.paper import load_claims
from gambook.claims.rule import AGAINST, DATA_KINDS, FOR, NOT_RUN, corrected
from gamlib.statistics import Interval, mean_interval

# Scenes of two objects are made for class discrimination and decide nothing else.
TWO_OBJECTS = ("scenes_two", "scenes_shared")
# With which family of networks the others are compared (F3).
OTHER_FAMILY = "squeezenet1_1"
SANITY = {"C9": "cascading", "C10": "labels"}
MEASURED = ["n", "excluded", "clusters", "mean", "low", "high", "p", "margin", "alone"]


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
    claims : DataFrame, optional
        Rows of `load_claims`; default: all.

    Returns
    -------
    DataFrame
        profile, model, dataset, kind (of data), those of `load_claims`, n (rows compared; images and labels), excluded
        (rows without the measure: Y too low), clusters, mean, low, high (percent or percentage points; 95% interval),
        p, margin, alone (what the row says by itself), needs (what is missing where it is "not run"), and those of
        `rule.corrected`.
    """
    claims = load_claims() if claims is None else claims
    data = {} if scored is None else by_cell(scored)
    rows = []
    for claim in claims.to_dict("records"):
        if claim["claim"] == "C1":
            found = _table_rows(claim, gradients, {"task": claim["task"]}, _exact)
        elif claim["claim"] in SANITY:
            asked = {"test": SANITY[claim["claim"]], "metric": claim["metric"]}
            found = _table_rows(claim, sanity, asked, _fallen)
        elif claim["metric"] == "family":
            found = _family_rows(claim, data)
        else:
            found = _result_rows(claim, data or {"": {}})
        rows += [{"profile": profile, "needs": "", **claim, **row} for row in found]
    table = pd.DataFrame(rows, columns=["profile", "model", "dataset", *claims.columns, *MEASURED, "needs"])
    table.insert(3, "kind", table["dataset"].map(lambda name: NAMES.get(("kind", name), DATA_KINDS[1] if name else "")))
    return corrected(table)


def _result_rows(claim: Mapping, data: dict[str, dict[str, Cells]]) -> Iterator[dict]:
    """Rows of one claim from the measures of maps."""
    compare = gain if claim["metric"] == "gain" else difference
    for model, datasets in data.items():
        found = []
        for dataset, cells in datasets.items():
            if dataset in TWO_OBJECTS and not claim["metric"].endswith("discrimination"):
                continue
            if row := compare(cells, claim):
                found.append({"model": model, "dataset": dataset, **row})
            elif claim["subset"] != "100" and {percentile for _, percentile, *_ in cells} == {100}:
                found.append(_not_run(claim, model, dataset))
        yield from found or [_not_run(claim, model)]


def _family_rows(claim: Mapping, data: dict[str, dict[str, Cells]]) -> list[dict]:
    """F3: a - b with one network minus the same with the other family, map by map."""
    found, others = [], data.get(OTHER_FAMILY, {})
    for model, datasets in data.items():
        for dataset in datasets if model != OTHER_FAMILY else ():
            own, other = (joined(part.get(dataset, {}), claim, "box_iou", int(claim["subset"]))
                          for part in (datasets, others))  # fmt: skip
            gain = (own["a"] - own["b"] - (other["a"] - other["b"]).reindex(own.index)).dropna()
            if len(gain) and dataset not in TWO_OBJECTS:
                row = judged(claim, mean_interval(gain, own["cluster"][gain.index]), len(gain))
                found.append({"model": model, "dataset": dataset, **row})
    return found or [_not_run(claim)]


def _table_rows(claim: Mapping, table: pd.DataFrame | None, asked: Mapping, judge: Callable) -> list[dict]:
    """Rows of one claim from what is asked of gradients (C1) or sanity (C9, C10)."""
    part = pd.DataFrame() if table is None else table[(table[list(asked)] == pd.Series(asked)).all(axis=1)]
    if part.empty:
        return [_not_run(claim)]
    return [
        {"model": model, "dataset": dataset, **judge(claim, rows)}
        for (model, dataset), rows in groups(part, ["model", "dataset"])
    ]


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
    return judged(claim, mean_interval(100 * (last["baseline"] - last["value"]), last["cluster"]), len(last))


def _not_run(claim: Mapping, model: str = "", dataset: str = "") -> dict:
    """A row that says what it needs; with a data set, one that lacks the claim's small objects."""
    if claim["claim"] == "C1":
        needs = f"needs the last layer's gradients under {claim['task']} (gradients.csv)"
    elif claim["claim"] in SANITY:
        needs = f"needs {claim['metric']} of the test '{SANITY[claim['claim']]}' (sanity.csv)"
    else:
        part = {"boxes": "maps", "masking": "masked scores"}[part_of(claim["metric"])]
        what = NAMES.get(("needs", claim["metric"]), part)
        needs = f"needs {what} for {claim['a']} and {claim['b']}, task {claim['task']}, percentile {claim['subset']}"
    lacks = f"{dataset} has no small objects; " if dataset else ""
    return {"model": model, "dataset": dataset, "alone": NOT_RUN, "needs": lacks + needs}
