"""One signed difference of one claim from the measures of maps (`gamlib.evaluation.results.measures`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gambook.claims.paper import relative_gain
from gambook.claims.rule import FOR, NO_EFFECT, decide, margin
from gamlib.evaluation.results import CELL, ITEM
from gamlib.statistics import Interval, linear_interval, mean_interval, slope_interval

# (part, percentile, task, "method:n") -> maps, indexed by item; parts as in `gambook.claims.protocol`
Cells = dict[tuple[str, int, str, str], pd.DataFrame]


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
    pairs = joined(cells, claim, metric, int(claim["subset"]))
    given = pairs.dropna(subset=["a", "b"])
    if given.empty:
        return None
    diffs, level = given["a"] - given["b"], float(given[["a", "b"]].to_numpy().mean())
    if claim["metric"] == "slope":
        interval = slope_interval(np.log2(given["object_area"]), diffs, given["cluster"])
    else:
        interval = mean_interval(diffs, given["cluster"])
    row = judged(claim, interval, len(given), len(pairs) - len(given), level)
    # an overflow is certain: a single map that is lost decides
    return row | {"alone": FOR if interval.mean > 0 else NO_EFFECT} if metric == "nonfinite" else row


# Where no map of b hits its object there is no gain: NaN or infinite, without a warning, and never for or against.
@np.errstate(divide="ignore", invalid="ignore")
def gain(cells: Cells, claim: Mapping) -> dict | None:
    """Relative gain of a over b in the smaller stratum minus that in the larger; what both share is one cluster."""
    gains, influence, clusters = [], [], []
    for side, percentile in zip((1, -1), claim["subset"].split("-"), strict=True):
        pairs = joined(cells, claim, "box_iou", int(percentile)).dropna(subset=["a", "b"])
        if pairs.empty:
            return None
        a, b = pairs["a"].mean(), pairs["b"].mean()
        gains.append(side * relative_gain(b, a))
        # of a ratio of two means
        error = 100 * ((pairs["a"] - a) / b - a * (pairs["b"] - b) / b**2) / len(pairs)
        influence.append(side * error)
        clusters += list(pairs["cluster"])
    interval = linear_interval(sum(gains), np.concatenate(influence), clusters)
    return judged(claim, interval, len(clusters))


def judged(claim: Mapping, interval: Interval, n: int, excluded: int = 0, level: float = 0.0) -> dict:
    """The ledger's columns from n to alone."""
    near = margin(claim["metric"], level)
    state = decide(interval, claim["sign"], near)
    return {"n": n, "excluded": excluded, **interval._asdict(), "margin": near, "alone": state}


def joined(cells: Cells, claim: Mapping, metric: str, percentile: int) -> pd.DataFrame:
    """Columns a and b of a metric, one row an item that both methods have; no row where one was not run."""
    a, b = (cells.get((part_of(metric), percentile, claim["task"], claim[side])) for side in ("a", "b"))
    if a is None or b is None or metric not in a or a[metric].isna().all():
        return pd.DataFrame(columns=[*ITEM, "a", "b", "cluster", "object_area"]).set_index(ITEM)
    both = a.reindex(columns=[metric, "cluster", "object_area"]).rename(columns={metric: "a"})
    return both.join(b[metric].rename("b"), how="inner")
