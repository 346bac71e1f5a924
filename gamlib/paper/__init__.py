"""What the paper prints, as data: its two tables, and its claims as lists of signed differences."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

TASKS = {"class": "Classification", "cosine": "Similarity (cos)", "dot": "Similarity (dot)"}
BASE = ["task", "dataset", "area_percentile", "metric", "model", "method"]


def load_table(number: int) -> pd.DataFrame:
    """Table 1 (ADP, PIC) or Table 2 (IoU %) as printed, one row a number.

    Columns: task, dataset, area_percentile, metric (Table 1), model (Table 2), method, n, value,
    printed_improvement_percent. Error: ValueError for another number.
    """
    if number not in (1, 2):
        raise ValueError(f"table: got {number}; the paper has tables 1 and 2")
    return pd.read_csv(files(__name__) / f"table{number}.csv")


def improvements(number: int) -> pd.DataFrame:
    """The relative improvement of n = 2 over n = 1, recomputed with n = 1 as the base throughout.

    The printed column divides by the value of n = 1 in some rows and of n = 2 in others. Columns: the row's keys,
    value_1, value_2, printed, recomputed; both in percent, positive where n = 2 is better.
    """
    table = load_table(number)
    keys = [key for key in BASE if key in table]
    wide = table.pivot(index=keys, columns="n", values="value").set_axis(["value_1", "value_2"], axis=1)
    wide["printed"] = table[table["n"] == 2].set_index(keys)["printed_improvement_percent"]
    wide = wide.reset_index()
    better = wide["metric"].map({"ADP": -1, "PIC": 1}) if number == 1 else 1
    wide["recomputed"] = better * relative_gain(wide["value_1"], wide["value_2"])
    return wide


def relative_gain(one, two):
    """100 (two - one) / one: the change from `one` to `two` in percent of `one`."""
    return 100 * (two - one) / one


def load_claims() -> pd.DataFrame:
    """Every claim as signed differences a - b, one row each, with the paper's own value of the difference.

    Columns: id ("C4.2"), claim ("C4"), title, task, subset (area percentile; "10-25" for a difference of two
    strata), a, b ("method:n"), metric (a column of `gamlib.results.measures`, or one of C1, C6, C9, C10's own),
    sign (+1: a - b > 0 is claimed, -1: < 0, 0: no difference), margin (percentage points), source (section);
    paper_value: the mean of the paper's printed differences (NaN where it prints none), paper_rows: each of them.
    """
    claims = pd.read_csv(files(__name__) / "claims.csv", dtype={"subset": str}, keep_default_na=False)
    found = [_paper_rows(claim) for claim in claims.itertuples()]
    claims["paper_value"] = [sum(rows.values()) / len(rows) if rows else float("nan") for rows in found]
    claims["paper_rows"] = ["; ".join(f"{key} {value:+.2f}" for key, value in rows.items()) for rows in found]
    return claims


def _paper_rows(claim) -> dict[str, float]:
    """The paper's printed numbers for one difference: {"VRC DenseNet": a - b, ...}."""
    if claim.metric in ("adp_black_both", "pic_black_both"):
        table = load_table(1).assign(model="ResNet101")
        table = table[table["metric"] == claim.metric[:3].upper()]
        task = TASKS[claim.task]
    elif claim.metric in ("box_iou", "mask_iou", "gain") and claim.task:
        table, task = load_table(2), "Segmentation" if claim.metric == "mask_iou" else TASKS[claim.task]
    else:
        return {}
    table = table[table["task"] == task]
    wide = table.pivot(index=["dataset", "model"], columns=["area_percentile", "method", "n"], values="value")
    a, b = (_method(name) for name in (claim.a, claim.b))
    strata = [int(percentile) for percentile in claim.subset.split("-")]
    if any((percentile, *method) not in wide for percentile in strata for method in (a, b)):
        return {}
    if claim.metric == "gain":
        small, large = (relative_gain(wide[(p, *b)], wide[(p, *a)]) for p in strata)
        differences = small - large
    else:
        differences = wide[(strata[0], *a)] - wide[(strata[0], *b)]
    return {" ".join(key): float(value) for key, value in differences.dropna().items()}


def _method(name: str) -> tuple[str, int]:
    method, _, n = name.partition(":")
    return method, int(n or 0)
