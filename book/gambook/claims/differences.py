"""One signed difference of a claim, measured on the per-map results with its interval and its verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gambook.claims.paper import relative_gain
from gambook.claims.rule import judge
from gamlib.evaluation.results import CELL, ITEM
from gamlib.statistics import Interval, bootstrap, cluster_sums, resample

Cells = dict[tuple[int, str, str], pd.DataFrame]


def by_cell(scored: pd.DataFrame) -> dict[str, dict[str, Cells]]:
    """Measures as model -> data set -> (percentile, task, "method:n") -> maps, indexed by item."""
    data: dict[str, dict[str, Cells]] = {}
    for (dataset, percentile, model, task, method, n), cell in scored.groupby(CELL, sort=False):
        cells = data.setdefault(model, {}).setdefault(dataset, {})
        cells[percentile, task, f"{method}:{n}"] = cell.set_index(ITEM)
    return data


def difference(cells: Cells, claim: dict, seed: int) -> dict | None:
    """Mean of a - b over the maps that both methods have; None where there is none."""
    pairs = _joined(cells, claim, int(claim["subset"]))
    given = None if pairs is None else pairs.dropna(subset=["a", "b"])
    if given is None or given.empty:
        return None
    diffs = given["a"] - given["b"]
    interval = bootstrap(diffs, given["cluster"], seed)
    sums, counts = cluster_sums(diffs, given["cluster"])
    return judged(claim, interval, given["cluster_kind"].iloc[0], sums / counts, len(given), len(pairs) - len(given))


# Where no map of b hits its object there is no gain: NaN or infinite, without a warning, and never a verdict.
@np.errstate(divide="ignore", invalid="ignore")
def gain(cells: Cells, claim: dict, seed: int) -> dict | None:
    """Relative gain of a over b in the smaller stratum minus that in the larger, strata resampled separately."""
    gains, samples, of_cluster, rows = [], [], [], 0
    for position, percentile in enumerate(int(p) for p in claim["subset"].split("-")):
        pairs = _joined(cells, claim | {"metric": "box_iou"}, percentile)
        pairs = pairs.dropna(subset=["a", "b"]) if pairs is not None else pairs
        if pairs is None or pairs.empty:
            return None
        a, b = (cluster_sums(pairs[side], pairs["cluster"])[0] for side in ("a", "b"))
        drawn = resample(pairs["cluster"], seed + position)
        samples.append(np.concatenate([relative_gain(b[i].sum(axis=1), a[i].sum(axis=1)) for i in drawn]))
        gains.append(relative_gain(b.sum(), a.sum()))
        of_cluster.append(pd.Series(relative_gain(b, a), index=np.unique(pairs["cluster"])))
        rows += len(pairs)
    low, high = np.percentile(samples[0] - samples[1], (2.5, 97.5))
    kind = pairs["cluster_kind"].iloc[0]
    if kind == "label":
        means = (of_cluster[0] - of_cluster[1]).dropna()
    else:  # other photographs in each stratum: their number counts, they have no difference of their own
        means = min(of_cluster, key=len)
    return judged(claim, Interval(gains[0] - gains[1], float(low), float(high)), kind, means, rows, 0)


def judged(claim: dict, interval: Interval, kind: str, cluster_means, n: int, excluded: int) -> dict:
    """The ledger's columns from n to verdict of a claim's difference; cluster_means: one value a cluster of `kind`."""
    verdict = judge(interval, claim["sign"], claim["margin"], kind, cluster_means)
    agree = int((np.sign(cluster_means) == np.sign(interval.mean)).sum())
    clusters = {"clusters": len(cluster_means), "agree": agree, "cluster_kind": kind}
    return {"n": n, "excluded": excluded, **clusters, **interval._asdict(), "verdict": verdict}


def _joined(cells: Cells, claim: dict, percentile: int) -> pd.DataFrame | None:
    """Columns a and b of the claim's metric, one row an item that both methods have."""
    a, b = (cells.get((percentile, claim["task"], claim[side])) for side in ("a", "b"))
    metric = claim["metric"]
    if a is None or b is None or metric not in a:
        return None
    both = a[[metric, "cluster", "cluster_kind"]].rename(columns={metric: "a"})
    return both.join(b[metric].rename("b"), how="inner")
