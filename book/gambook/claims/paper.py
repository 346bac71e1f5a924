"""What the paper prints and says, as data: its two tables, and its claims as lists of signed differences."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pandas as pd

_HERE = Path(__file__).parent
_OURS = {"Classification": "class", "Segmentation": "class", "Similarity (cos)": "cosine", "Similarity (dot)": "dot"}


def load_table(number: int) -> pd.DataFrame:
    """Table 1 (ADP, PIC) or Table 2 (IoU) as printed, in percent, one row a number.

    Returns
    -------
    DataFrame
        task, our_task ("class", "cosine", "dot"), dataset, area_percentile, metric (Table 1), model (Table 2), method,
        n, value, printed_improvement_percent.
    """
    table = pd.read_csv(_HERE / f"table{number}.csv")
    return table.assign(our_task=table["task"].map(_OURS))


def relative_gain(one: Any, two: Any) -> Any:
    """100 (two - one) / one: the change from `one` to `two` in percent of `one`."""
    return 100 * (two - one) / one


def load_claims() -> pd.DataFrame:
    """Every claim as signed differences a - b, one row each.

    Returns
    -------
    DataFrame
        id ("C4.2"), claim ("C4"), title, role ("primary", "secondary"), task, subset (area percentile; "10-25" for a
        difference of two strata), a, b ("method:n"), metric (a column of `evaluation.results.measures`, or one of C1,
        C6, C9, C10, F3, F4's own), sign (+1: a - b > 0 is claimed, -1: < 0, 0: no difference), source (section, or
        "ours"); paper_rows: the paper's printed differences, paper_value: their mean (NaN where it prints none).
    """
    claims = pd.read_csv(_HERE / "claims.csv", dtype={"subset": str}, keep_default_na=False)
    found = [_paper_rows(claim) for claim in claims.to_dict("records")]
    claims["paper_value"] = [sum(rows.values()) / len(rows) if rows else float("nan") for rows in found]
    claims["paper_rows"] = ["; ".join(f"{key} {value:+.2f}" for key, value in rows.items()) for rows in found]
    return claims


def statements() -> pd.Series:
    """What the paper says, in our words: claim -> sentence."""
    return pd.read_csv(_HERE / "statements.csv", index_col="claim")["says"]


def _paper_rows(claim: dict[Any, Any]) -> dict[str, float]:
    """The paper's printed numbers for one difference: {"VRC DenseNet": a - b, ...}."""
    measure = "box_iou" if claim["metric"] == "gain" else claim["metric"]
    strata = [int(percentile) for percentile in claim["subset"].split("-")]
    cells = [[_printed().get((measure, claim["task"], p, claim[side]), {}) for side in "ab"] for p in strata]
    names = [name for name in cells[0][0] if all(name in side for cell in cells for side in cell)]
    if claim["metric"] == "gain":
        (a, b), (a_large, b_large) = cells
        return {name: relative_gain(b[name], a[name]) - relative_gain(b_large[name], a_large[name]) for name in names}
    return {name: cells[0][0][name] - cells[0][1][name] for name in names}


@functools.cache
def _printed() -> dict[tuple[str, str, int, str], dict[str, float]]:
    """(metric, task, percentile, "method:n") -> {"data set model": value}, from both tables.

    The paper does not say how it masked; its ADP and PIC stand beside both images masked, in black.
    """
    one = load_table(1).assign(model="ResNet101")
    one["metric"] = one["metric"].str.lower() + "_black_both"
    two = load_table(2)
    two["metric"] = two["task"].map({"Segmentation": "mask_iou"}).fillna("box_iou")
    cells: dict[tuple[str, str, int, str], dict[str, float]] = {}
    for row in pd.concat([one, two]).to_dict("records"):
        key = (row["metric"], row["our_task"], row["area_percentile"], f"{row['method']}:{row['n']}")
        cells.setdefault(key, {})[f"{row['dataset']} {row['model']}"] = row["value"]
    return cells
