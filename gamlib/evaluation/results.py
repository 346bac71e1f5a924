"""The results format: what `evaluate` writes, and tables, verdicts and readers of the CSV files rely on.

One row for each map: one image, one object label, one task, one method, one depth. All shares and IoUs are in
[0, 1]; a value that does not apply is empty (NaN), and a column that applies to no row may be left out.

| column | type | meaning |
|---|---|---|
| dataset | str | name, e.g. "scenes", "raccoon"; "scenes_two", "scenes_shared" for images of two objects |
| percentile | int | stratum by object area: 100 (all), 25, 10; see `strata` |
| model | str | backbone |
| task | str | "class", "cosine" or "dot" |
| sample | str | image id |
| label | str | label of the explained object |
| pair | str | the ids of both images, " | " between them; empty for class. A pair has two rows, one a side |
| cluster | str | unit that an interval counts: the group of images that are paired with each other, or the label |
| fold | int | the part the image belongs to; thresholds for it are tuned on the other parts |
| object_area | float | largest true box of the label, relative to the image |
| target | str | what was explained: "label" (true class), "top-1" (a label without a class) or "pair" |
| method, n | str, int | name in METHODS or a variant (below) with its depth; a name in CONTROLS with n = 0 |
| finite | bool | False where the map has a non-finite value: IoUs, areas, masses are 0, its masked image the fill |
| iou_<t> | float | IoU of the largest component's box at threshold t with the best true box, t as in "0.15" |
| mask_iou_<t> | float | IoU of the binarised map with the true mask |
| area_<t> | float | share of the image at or above t |
| mass_box, mass_mask | float | share of the map's sum inside the true boxes, the true mask |
| mass_other | float | the same for the mask of the other object of the image |
| peak_box, peak_mask, peak_other | float | 1 where the map's largest value lies in them, else 0 |
| before | float | Y: probability of the class, or similarity of the pair, unmasked |
| after_<fill>_<side> | float | O: the same, masked; fill is "black" or "mean", side "both" or "one" |

Side "both" masks all images of the score (a class has one), so the two rows of a pair share it; "one" masks this
row's image alone and is empty for classes.

Variants of GAM that some claims need stand as methods: `gamlib.methods.VARIANTS`. Rows are unique in KEY.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gamlib.metrics import drops, increases
from gamlib.statistics import cross_fit, mean_interval

CELL = ["dataset", "percentile", "model", "task", "method", "n"]
ITEM = ["sample", "label", "pair"]
KEY = CELL + ITEM
REQUIRED = [*KEY, "cluster", "fold", "finite", "before"]
# A class that the network gives less than this is not seen: a change of its probability is noise.
SEEN = 0.05


def grid_columns(prefix: str, grid: Sequence[float]) -> list[str]:
    """Names of the columns of one measure over a threshold grid.

    Examples
    --------
    >>> grid_columns("mask_iou", (0.1, 0.15))
    ['mask_iou_0.10', 'mask_iou_0.15']
    """
    return [f"{prefix}_{threshold:.2f}" for threshold in grid]


def thresholds(results: pd.DataFrame, prefix: str) -> list[float]:
    """The grid that the columns of `prefix` ("iou", "mask_iou", "area") were made on, ascending."""
    return sorted(float(c.removeprefix(f"{prefix}_")) for c in results if c.startswith(f"{prefix}_"))


def measures(results: pd.DataFrame) -> pd.DataFrame:
    """What tables and claims average, one row a map: the results' own keys and these columns, in percent.

    box_iou, mask_iou: at the one threshold of the row's cell (test, method, n) that is best on the other folds;
    threshold, mask_threshold say which. area: at `threshold`. nonfinite: 100 or 0. mass_box, and discrimination:
    mass_mask - mass_other. peak_box (the pointing game), and peak_discrimination: peak_mask - peak_other.
    adp_<fill>_<side>, pic_<fill>_<side>: NaN where Y <= 0, and where Y is a class's probability below 5% (count them).

    Parameters
    ----------
    results : DataFrame
        From `evaluate`.

    Raises
    ------
    ValueError
        For a missing column, a row given twice, or a cell without a second fold to tune on.
    """
    _check(results)
    scored = results.filter([*REQUIRED, "target", "object_area"]).copy()
    scored["nonfinite"] = 100.0 * ~results["finite"].astype(bool)
    for column in ("mass_box", "mass_mask", "mass_other", "peak_box", "peak_mask", "peak_other"):
        scored[column] = 100 * results[column].astype(float) if column in results else np.nan
    scored["discrimination"] = scored["mass_mask"] - scored["mass_other"]
    scored["peak_discrimination"] = scored["peak_mask"] - scored["peak_other"]
    seen = (results["task"] != "class") | (results["before"] >= SEEN)
    for column in [c for c in results if c.startswith("after_")]:
        variant = column.removeprefix("after_")
        given = results[column].notna() & seen
        scored[f"adp_{variant}"] = np.where(given, drops(results["before"], results[column]), np.nan)
        scored[f"pic_{variant}"] = np.where(given, increases(results["before"], results[column]), np.nan)
    for prefix, name, chosen in (("iou", "box_iou", "threshold"), ("mask_iou", "mask_iou", "mask_threshold")):
        scored[name], scored[chosen] = _tuned(results, prefix)
    scored["area"] = np.nan
    for t in thresholds(results, "area"):
        scored.loc[scored["threshold"] == t, "area"] = 100 * results[f"area_{t:.2f}"]
    return scored


def cell_means(scored: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a table cell: the mean of a measure with its 95% interval over clusters.

    Parameters
    ----------
    scored : DataFrame
        From `measures`.
    metric : str
        One of its columns.

    Returns
    -------
    DataFrame
        CELL, mean, low, high (percent), clusters, maps (averaged), excluded (maps without the measure: Y too low, or no
        true box or mask), nonfinite (maps). Cells without any value are left out.
    """
    found = []
    for keys, cell in scored.groupby(CELL, sort=False):
        given = cell.dropna(subset=[metric])
        if len(given):
            found.append(
                _named(keys)
                | mean_interval(given[metric], given["cluster"])._asdict()
                | {"maps": len(given), "excluded": len(cell) - len(given)}
                | {"nonfinite": int((cell["nonfinite"] > 0).sum())}
            )
    columns = [*CELL, "mean", "low", "high", "clusters", "maps", "excluded", "nonfinite"]
    return pd.DataFrame(found, columns=columns)


def strata(results: pd.DataFrame, percentiles: Sequence[int]) -> pd.DataFrame:
    """The results, and once more those of the images with the smallest objects, as strata of their own.

    results: from `evaluate`, percentile 100. An image belongs to a stratum where its largest object's area is at or
    below that percentile of all images'; what has no true box is in no stratum.
    """
    area = results.groupby("sample")["object_area"].max().dropna()
    parts = [results]
    for percentile in percentiles if len(area) else ():
        small = area.index[area <= np.percentile(area, percentile)]
        parts.append(results[results["sample"].isin(small)].assign(percentile=percentile))
    return pd.concat(parts, ignore_index=True)


def _named(keys: Any) -> dict[str, Any]:
    """The key of a group of rows by column; pandas types it as any hashable."""
    return dict(zip(CELL, keys, strict=True))


def _tuned(results: pd.DataFrame, prefix: str) -> tuple[pd.Series, pd.Series]:
    """Cross-fitted IoU in percent and the threshold it was taken at, NaN where there is no true box or mask."""
    grid = thresholds(results, prefix)
    value, chosen = (pd.Series(np.nan, index=results.index) for _ in range(2))
    annotated = results.dropna(subset=grid_columns(prefix, grid)) if grid else results.iloc[:0]
    for keys, cell in annotated.groupby(CELL, sort=False):
        if cell["fold"].nunique() < 2:
            raise ValueError(
                f"results: {_named(keys)} has {len(cell)} maps in one fold, so none is held out "
                "to tune its threshold on; evaluate more pairs or give the images two folds"
            )
        ious, choice = cross_fit(cell[grid_columns(prefix, grid)], cell["fold"])
        value[cell.index] = 100 * ious
        chosen[cell.index] = np.asarray(grid)[choice]
    return value, chosen


def _check(results: pd.DataFrame) -> None:
    missing = [column for column in REQUIRED if column not in results]
    if missing:
        raise ValueError(f"results: no column {', '.join(missing)}; see gamlib.evaluation.results")
    twice = results[results.duplicated(KEY, keep=False)]
    if len(twice):
        raise ValueError(
            f"results: {len(twice)} rows share their key, first {dict(twice[KEY].iloc[0])}; give each map once"
        )
    if not results.index.is_unique:
        raise ValueError("results: row labels occur twice; call reset_index(drop=True) after joining files")
