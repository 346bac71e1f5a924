"""What stands under the tables in words: what was left out, and what a control beats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gambook.claims.tables import DEPTHS, METHODS
from gamlib.controls import CONTROLS
from gamlib.plots import title_of

# Broken images named on a page.
SHOWN = 5


def left_out(results: pd.DataFrame) -> str:
    """A sentence on the images and annotations that are not in results of `protocol.run`, with names and reasons."""
    skipped, dropped = results.attrs["skipped"], results.attrs["dropped"]
    images = {(entry["dataset"], entry["sample"]): entry["reason"] for entry in skipped}
    shown = [f"{sample} of {dataset} ({reason})" for (dataset, sample), reason in list(images.items())[:SHOWN]]
    if len(images) > SHOWN:
        shown.append(f"and {len(images) - SHOWN} more, listed in skipped.csv beside the shards")
    text = f"Images that cannot be read and are left out: {', '.join(shown)}." if images else "Every image was read."
    counts = [
        f"{count} x {reason} in {dataset}" for dataset, reasons in dropped.items() for reason, count in reasons.items()
    ]
    return text + (f" Annotations left out: {', '.join(counts)}." if counts else "")


def of_table(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of the methods and depths that the tables show, without controls, variants and greater depths."""
    return cells[cells["method"].isin(METHODS) & cells["n"].isin(DEPTHS)]


def controls_ahead(cells: pd.DataFrame, better: int) -> pd.DataFrame:
    """Each method of the table that a control beats by its mean: the cell, its mean, the best control and its mean."""
    where = ["dataset", "percentile", "model", "task"]
    blind = cells[cells["method"].isin(list(CONTROLS))]
    best = blind.loc[(better * blind["mean"]).groupby([blind[key] for key in where]).idxmax()]
    joined = of_table(cells).merge(best[[*where, "method", "mean"]], on=where, suffixes=("", "_control"))
    ahead = joined[better * joined["mean_control"] > better * joined["mean"]]
    columns = [*where, "method", "n", "mean", "method_control", "mean_control"]
    return ahead[columns].rename(columns={"method_control": "control"}).reset_index(drop=True)


def said(row: Mapping[str, Any]) -> str:
    """A cell in words, e.g. "GAM (n = 2, 52.7)"."""
    depth = f"n = {row['n']}, " if row["n"] else ""
    return f"{title_of(row['method'])} ({depth}{row['mean']:.1f})"


def best_of(cells: pd.DataFrame, better: int) -> str:
    """The best methods of one row of a table in words; those that print the same mean are best together."""
    top = round((better * cells["mean"]).max(), 1)
    first = cells[(better * cells["mean"]).round(1) == top]
    names = []
    for n, rows in first.groupby("n"):
        methods = list(rows["method"])
        if {"grad_cam_pp", "grad_cam_pp_stable"} <= set(methods):
            methods.remove("grad_cam_pp_stable")
            names += [f"{title_of(m)}{', both forms' * (m == 'grad_cam_pp')} (n = {n})" for m in methods]
        else:
            names += [f"{title_of(m)} (n = {n})" for m in methods]
    return f"{joined(names)}, {abs(top):.1f}"


def joined(parts: list[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
