"""What methods, measures and differences are called in words, and what stands under the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from gambook.claims.tables import TABLE_DEPTHS, TABLE_METHODS
from gamlib.controls import CONTROLS
from gamlib.plots import title_of

# Broken images named on a page.
SHOWN = 5
# What a test is.
TEST = ["dataset", "percentile", "model", "task"]
VARIANT_TITLES = {
    "gam_layer": "GAM, one layer alone",
    "gam_max": "GAM, maximum",
    "gam_product": "GAM, product",
    "gam_weighted": "GAM, weighted",
}
MEASURES = {
    "box_iou": "box IoU",
    "mask_iou": "mask IoU",
    "nonfinite": "maps not finite",
    "gain": "gain in box IoU",
    "area": "area above threshold",
    "mass_box": "mass in the box",
    "discrimination": "mass on own minus other object",
    "share_negative": "negative entries",
    "spearman": "rank correlation",
}


def measure_name(metric: str) -> str:
    """A measure's name for readers: "ADP, both masked" for "adp_black_both"."""
    if metric in MEASURES:
        return MEASURES[metric]
    kind, fill, side = metric.split("_")
    return f"{kind.upper()}, {side} masked" + ("" if fill == "black" else f", {fill}")


def difference_name(row: Mapping) -> str:
    """What is subtracted from what: "GAM (2) − Grad-CAM (1)"."""
    sides = [name.partition(":") for name in (row["a"], row["b"]) if name]
    return " − ".join(f"{VARIANT_TITLES.get(name) or title_of(name)} ({n})" if n else name for name, _, n in sides)


def signed(value: float) -> str:
    """A difference with its sign and one decimal, e.g. "+3.0"."""
    return f"{value:+.1f}".replace("-", "−")


def joined(parts: Sequence[str]) -> str:
    """Words as in "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def said(row: Mapping) -> str:
    """A cell in words, e.g. "GAM (n = 2, 52.7)"."""
    depth = f"n = {row['n']}, " if row["n"] else ""
    return f"{title_of(row['method'])} ({depth}{row['mean']:.1f})"


def left_out(results: pd.DataFrame) -> str:
    """A sentence on the images and annotations that are not in results of `Protocol.run`, with names and reasons."""
    images = {(entry["dataset"], entry["sample"]): entry["reason"] for entry in results.attrs["skipped"]}
    shown = [f"{sample} of {dataset} ({reason})" for (dataset, sample), reason in list(images.items())[:SHOWN]]
    if len(images) > SHOWN:
        shown.append(f"and {len(images) - SHOWN} more, listed in skipped.csv beside the shards")
    text = f"Images that cannot be read and are left out: {', '.join(shown)}." if images else "Every image was read."
    counts = [
        f"{count} x {reason} in {dataset}"
        for dataset, reasons in results.attrs["dropped"].items()
        for reason, count in reasons.items()
    ]
    return text + (f" Annotations left out: {', '.join(counts)}." if counts else "")


def of_table(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of the methods and depths that the tables show, without controls, variants and greater depths."""
    return cells[cells["method"].isin(TABLE_METHODS) & cells["n"].isin(TABLE_DEPTHS)]


def controls_ahead(cells: pd.DataFrame, better: int) -> pd.DataFrame:
    """Each method of the table that a control beats by its mean: the cell, its mean, the best control and its mean."""
    blind = cells[cells["method"].isin(list(CONTROLS))]
    best = blind.loc[(better * blind["mean"]).groupby([blind[key] for key in TEST]).idxmax()]
    beside = of_table(cells).merge(best[[*TEST, "method", "mean"]], on=TEST, suffixes=("", "_control"))
    ahead = beside[better * beside["mean_control"] > better * beside["mean"]]
    columns = [*TEST, "method", "n", "mean", "method_control", "mean_control"]
    return ahead[columns].rename(columns={"method_control": "control"}).reset_index(drop=True)


def best_of(cells: pd.DataFrame, better: int) -> str:
    """The best methods of one row of a table in words; those that print the same mean are best together."""
    top = round((better * cells["mean"]).max(), 1)
    first = cells[(better * cells["mean"]).round(1) == top]
    names = []
    for n, rows in first.groupby("n"):
        methods = set(rows["method"])
        both = {"grad_cam_pp", "grad_cam_pp_stable"} <= methods
        shown = [name for name in rows["method"] if not (both and name == "grad_cam_pp_stable")]
        names += [f"{title_of(m)}{', both forms' * (both and m == 'grad_cam_pp')} (n = {n})" for m in shown]
    return f"{joined(names)}, {abs(top):.1f}"
