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

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gambook.claims.paper import load_claims, relative_gain
from gambook.claims.rule import CONTRADICTED, MIXED, NOT_RUN, REPRODUCED, combine, judge
from gamlib.evaluation.results import CELL, ITEM, measures
from gamlib.statistics import Interval, bootstrap, cluster_sums, resample

# Scenes of two objects are made for class discrimination and decide nothing else.
TWO_OBJECTS = ("scenes_two", "scenes_shared")
NEEDED_FOR = {
    "box_iou": "true boxes",
    "mass_box": "true boxes",
    "area": "true boxes",
    "gain": "true boxes and strata of small objects",
    "mask_iou": "true masks",
    "discrimination": "images of two objects with masks",
}
SANITY = {"C9": ("cascading", "box_iou"), "C10": ("labels", "spearman")}
MEASURED = ["n", "excluded", "clusters", "agree", "cluster_kind", "mean", "low", "high", "verdict"]

# (percentile, task, "method:n") -> maps, indexed by item
Cells = dict[tuple[int, str, str], pd.DataFrame]


def ledger(
    results: pd.DataFrame | None,
    profile: str,
    gradients: pd.DataFrame | None = None,
    sanity: pd.DataFrame | None = None,
    seed: int = 0,
    claims: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every signed difference a - b of every claim, for each model and data set that has it.

    A stratum that a data set with boxes lacks is listed as "not run"; so is, once a model, a difference that no data
    set has.

    Parameters
    ----------
    results, gradients, sanity : DataFrame or None
        As above; None where there are none.
    profile : str
        Name for the column.
    seed : int
        Of the bootstrap.
    claims : DataFrame, optional
        Rows of `load_claims`; default: all.

    Returns
    -------
    DataFrame
        profile, model, dataset, those of `load_claims`, n (rows compared; images and labels), excluded (rows with
        Y <= 0), clusters, agree (clusters whose own mean lies on the side of zero of the whole), cluster_kind, mean,
        low, high (percent or percentage points; 95% interval), verdict, needs (what is missing where it is "not run").
    """
    claims = load_claims() if claims is None else claims
    data = {} if results is None else by_cell(measures(results))
    rows = []
    for claim in claims.to_dict("records"):
        if claim["claim"] == "C1" or claim["claim"] in SANITY:
            found = _table_rows(claim, gradients if claim["claim"] == "C1" else sanity, seed)
        else:
            found = _result_rows(claim, data or {"": {}}, seed)
        rows += [{"profile": profile, **claim, **row} for row in found]
    return pd.DataFrame(rows, columns=["profile", "model", "dataset", *claims.columns, *MEASURED, "needs"])


def claim_verdicts(rows: pd.DataFrame, by: tuple[str, ...] = ("profile", "model")) -> pd.DataFrame:
    """One verdict a claim from ledger rows: `rule.combine` over all differences in the claim's list.

    A difference that ran on some data set is not held against the claim for the data sets that lack it.

    Parameters
    ----------
    rows : DataFrame
        From `ledger`.
    by : tuple of str
        What else separates verdicts; ("profile",) joins the backbones.

    Returns
    -------
    DataFrame
        by, claim, title, verdict, listed (differences in the list), ran (of them), reproduced, contradicted (rows),
        needs.
    """
    found = []
    for keys, group in groups(rows, [*by, "claim", "title"]):
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


def groups(frame: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[Any, pd.DataFrame]]:
    """`groupby` in the order of appearance, with the tuple of each group's values."""
    yield from frame.groupby(list(by), sort=False)


def by_cell(scored: pd.DataFrame) -> dict[str, dict[str, Cells]]:
    """Measures as model -> data set -> cells."""
    data: dict[str, dict[str, Cells]] = {}
    for (dataset, percentile, model, task, method, n), cell in groups(scored, CELL):
        cells = data.setdefault(model, {}).setdefault(dataset, {})
        cells[percentile, task, f"{method}:{n}"] = cell.set_index(ITEM)
    return data


def difference(cells: Cells, claim: Mapping, seed: int) -> dict | None:
    """Mean of a - b over the maps that both methods have; None where there is none."""
    pairs = _joined(cells, claim, claim["metric"], int(claim["subset"]))
    given = pairs.dropna(subset=["a", "b"])
    if given.empty:
        return None
    return _over_clusters(claim, given["a"] - given["b"], given, seed, excluded=len(pairs) - len(given))


# Where no map of b hits its object there is no gain: NaN or infinite, without a warning, and never a verdict.
@np.errstate(divide="ignore", invalid="ignore")
def gain(cells: Cells, claim: Mapping, seed: int) -> dict | None:
    """Relative gain of a over b in the smaller stratum minus that in the larger, strata resampled separately."""
    gains, samples, of_cluster, rows = [], [], [], 0
    for position, percentile in enumerate(claim["subset"].split("-")):
        pairs = _joined(cells, claim, "box_iou", int(percentile)).dropna(subset=["a", "b"])
        if pairs.empty:
            return None
        a, b = (cluster_sums(pairs[side], pairs["cluster"])[0] for side in ("a", "b"))
        drawn = resample(pairs["cluster"], seed + position)
        samples.append(np.concatenate([relative_gain(b[i].sum(axis=1), a[i].sum(axis=1)) for i in drawn]))
        gains.append(relative_gain(b.sum(), a.sum()))
        of_cluster.append(pd.Series(relative_gain(b, a), index=np.unique(pairs["cluster"])))
        rows += len(pairs)
    low, high = np.percentile(samples[0] - samples[1], (2.5, 97.5))
    kind = pairs["cluster_kind"].iloc[0]
    # other photographs in each stratum have no difference of their own, but their number counts
    means = (of_cluster[0] - of_cluster[1]).dropna() if kind == "label" else min(of_cluster, key=len)
    return judged(claim, Interval(gains[0] - gains[1], float(low), float(high)), kind, means, rows)


def judged(claim: Mapping, interval: Interval, kind: str, cluster_means: ArrayLike, n: int, excluded: int = 0) -> dict:
    """The ledger's columns from n to verdict of a claim's difference; cluster_means: one value a cluster of `kind`."""
    verdict = judge(interval, claim["sign"], claim["margin"], kind, cluster_means)
    signs = np.sign(cluster_means)
    clusters = {"clusters": len(signs), "agree": int((signs == np.sign(interval.mean)).sum()), "cluster_kind": kind}
    return {"n": n, "excluded": excluded, **clusters, **interval._asdict(), "verdict": verdict}


def _over_clusters(claim: Mapping, diffs: pd.Series, rows: pd.DataFrame, seed: int, excluded: int = 0) -> dict:
    """`judged` on differences in percentage points, one a row; rows: with cluster and cluster_kind."""
    sums, counts = cluster_sums(diffs, rows["cluster"])
    interval = bootstrap(diffs, rows["cluster"], seed)
    return judged(claim, interval, rows["cluster_kind"].iloc[0], sums / counts, len(diffs), excluded)


def _joined(cells: Cells, claim: Mapping, metric: str, percentile: int) -> pd.DataFrame:
    """Columns a and b of a metric, one row an item that both methods have; no row where one was not run."""
    a, b = (cells.get((percentile, claim["task"], claim[side])) for side in ("a", "b"))
    if a is None or b is None or metric not in a:
        return pd.DataFrame(columns=["a", "b", "cluster", "cluster_kind"])
    both = a[[metric, "cluster", "cluster_kind"]].rename(columns={metric: "a"})
    return both.join(b[metric].rename("b"), how="inner")


def _result_rows(claim: Mapping, data: dict[str, dict[str, Cells]], seed: int) -> Iterator[dict]:
    """Rows of one claim from the per-map results."""
    needs = _needs(claim)
    compare = gain if claim["metric"] == "gain" else difference
    for model, datasets in data.items():
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


def _table_rows(claim: Mapping, table: pd.DataFrame | None, seed: int) -> Iterator[dict]:
    """Rows of one claim from gradients (C1) or sanity (C9, C10)."""
    test, metric = SANITY.get(claim["claim"], ("", ""))
    asked = {"test": test, "metric": metric} if test else {"task": claim["task"]}
    part = pd.DataFrame() if table is None else table[(table[list(asked)] == pd.Series(asked)).all(axis=1)]
    if part.empty:
        yield _not_run("", "", _needs(claim))
    for (model, dataset), rows in groups(part, ["model", "dataset"]) if len(part) else ():
        row = _fallen(claim, rows, seed) if test else _exact(claim, rows)
        yield {"model": model, "dataset": dataset, "needs": "", **row}


def _exact(claim: Mapping, rows: pd.DataFrame) -> dict:
    """C1: what is claimed of a task holds of every sample or it does not. The interval is the range."""
    share = 100 * rows["share_negative"]
    holds = share > 0 if claim["sign"] > 0 else share == 0
    verdict = REPRODUCED if holds.all() else MIXED if holds.any() else CONTRADICTED
    interval = Interval(share.mean(), share.min(), share.max())
    return {"n": len(rows), "excluded": 0, "clusters": len(rows), **interval._asdict(), "verdict": verdict}


def _fallen(claim: Mapping, rows: pd.DataFrame, seed: int) -> dict:
    """C9 and C10: baseline - value at the last stage, in percentage points."""
    last = rows[rows["stage"] == rows["stage"].max()]
    return _over_clusters(claim, 100 * (last["baseline"] - last["value"]), last, seed)


def _not_run(model: str, dataset: str, needs: str) -> dict:
    return {"model": model, "dataset": dataset, "verdict": NOT_RUN, "needs": needs}


def _needs(claim: Mapping) -> str:
    if claim["claim"] == "C1":
        return f"needs the last layer's gradients under {claim['task']} (gradients.csv)"
    if claim["claim"] in SANITY:
        return f"needs {SANITY[claim['claim']][1]} of the test '{SANITY[claim['claim']][0]}' (sanity.csv)"
    what = NEEDED_FOR.get(claim["metric"], "masked scores" if claim["metric"][:3] in ("adp", "pic") else "maps")
    return f"needs {what} for {claim['a']} and {claim['b']}, task {claim['task']}, percentile {claim['subset']}"
