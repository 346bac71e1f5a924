"""Figures of verdicts: differences with their intervals, and the specification curve with its table."""

from __future__ import annotations

import itertools
import textwrap
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from gambook.claims.choices import CUTS, JOINS, ORDERS, RESIZES
from gambook.claims.notes import data_name, line_name, network_name
from gambook.claims.rule import AGAINST, FOR, NO_EFFECT, TOO_FEW
from gamlib.evaluation import SIDES
from gamlib.metrics import FILLS
from gamlib.plots.figures import STYLE, Picture, new_figure

# The colours of what a difference says, apart for readers with any colour vision, and its mark.
STATE_COLORS = {FOR: "#009e73", AGAINST: "#d55e00", NO_EFFECT: "#0072b2", TOO_FEW: "#8a8a8a"}
MARKS = ("o", "s", "^", "v", "P", "X", "*")
FINE: dict[Any, Any] = STYLE | dict.fromkeys(["axes.labelsize", "xtick.labelsize", "ytick.labelsize"], 8.5)
# The choices of a combination: what they are called, and what the paper chose.
CHOICES = {
    "resize": ("enlarging", RESIZES[0]),
    "order": ("normalising", ORDERS[0]),
    "join": ("joining layers", JOINS[0]),
    "cut": ("threshold", CUTS[0]),
    "fill": ("masked with", FILLS[0]),
    "side": ("images masked", SIDES[0]),
}
# A claim hangs on a choice where one option has most of it for, and another this much against or less for, in percent.
HANGS = 25


def forest(rows: pd.DataFrame) -> Picture:
    """Means with 95% intervals, one line a difference and data set, one mark a network.

    rows: of a ledger, of one claim, that ran. The claimed side is shaded, a diamond is the paper's own value, the
    colour says for, against, no effect or too few. Panels share no axis: measures have scales of their own.
    """
    rows = rows.assign(line=[line_name(row) for row in rows.to_dict("records")])
    measures = [part for _, part in rows.groupby(rows["metric"].str.partition("_")[0], sort=False)]
    marks = dict(zip(sorted(rows["model"].unique()), itertools.cycle(MARKS), strict=False))
    heights = [max(part["line"].nunique(), 2) for part in measures]
    figure = new_figure(0.55 + sum(0.25 * height + 0.35 for height in heights))
    with mpl.rc_context(FINE):
        panels = figure.subplots(len(measures), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, part in zip(panels, measures, strict=True):
            _forest_panel(axes, part, marks)
        handles = [_key(state, color=STATE_COLORS[state]) for state in dict.fromkeys(rows["state"])]
        handles += [_key(network_name(model), marker=mark, fillstyle="none") for model, mark in marks.items()]
        if rows["paper_value"].notna().any():
            handles.append(_key("the paper's", marker="d"))
        figure.legend(handles=handles, loc="outside upper center", ncols=4, fontsize=8, handletextpad=0.2)
    return Picture(figure)


def _key(label: str, marker: str = "o", color: str = "black", **look: Any) -> Line2D:
    """A mark of a legend with its name."""
    return Line2D([], [], linestyle="", marker=marker, color=color, label=label, **look)


def _forest_panel(axes: Axes, rows: pd.DataFrame, marks: dict[str, str]) -> None:
    lines = list(dict.fromkeys(rows["line"]))
    beside = dict(zip(marks, np.linspace(-0.27, 0.27, len(marks)) if len(marks) > 1 else [0.0], strict=True))
    for row in rows.to_dict("records"):
        color, y = STATE_COLORS[row["state"]], lines.index(row["line"]) + beside[row["model"]]
        axes.plot([row["low"], row["high"]], [y, y], color=color, linewidth=1.5)
        axes.plot(row["mean"], y, marks[row["model"]], color=color, markersize=4.5)
    axes.axvline(0, color="black", linewidth=0.8)
    finite = rows[["low", "high", "paper_value"]].replace([np.inf, -np.inf], np.nan)
    low, high = min(finite.min().min(), 0), max(finite.max().max(), 0)
    pad = 0.06 * (high - low or 1)
    axes.set_xlim(low - pad, high + pad)
    for number, line in enumerate(lines):
        first = rows[rows["line"] == line].iloc[0]
        side = {1: (0, high + pad), -1: (low - pad, 0), 0: (-first["margin"], first["margin"])}[int(first["sign"])]
        axes.fill_betweenx([number - 0.45, number + 0.45], *side, color="#009e73", alpha=0.10, linewidth=0)
        axes.plot(first["paper_value"], number, "d", color="black", markersize=5, zorder=4)
    axes.set_yticks(range(len(lines)), lines, fontsize=7.5)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlabel("points")


def combinations(curve: pd.DataFrame) -> pd.DataFrame:
    """Primary rows of the specification curve, each combination once: one layer on both sides joins nothing.

    Adds `own`, whether the row is the paper's own choice, and `effect`, the mean with the claimed side up.
    """
    curve = curve[(curve["role"] == "primary") & (curve["same_as"] == "")]
    flat = curve["a"].str.endswith(":1") & curve["b"].str.endswith(":1")
    curve = curve[~flat | (curve["join"] == JOINS[0])]
    # whether a map is finite is no matter of its masking
    curve = curve[(curve["metric"] != "nonfinite") | curve["cut"].notna()]
    chosen = [curve[key].isna() | (curve[key].astype(str) == own) for key, (_, own) in CHOICES.items() if key in curve]
    return curve.assign(own=np.logical_and.reduce(chosen), effect=curve["sign"] * curve["mean"])


def by_choice(curve: pd.DataFrame) -> pd.DataFrame:
    """How often each claim's differences are firmly for and against under each option of each open choice.

    curve: from `combinations`. Cells: "for / against", in percent of the rows with that option; empty where the claim
    has no such row. Columns: choice, option, and one for each claim.
    """
    shares = _shares(curve)
    # in one line, however narrow its column
    texts = shares[FOR].map("{:.0f}\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}".format) + shares[AGAINST].map("{:.0f}".format)
    table = texts.unstack(fill_value="", sort=False)[sorted(curve["claim"].unique(), key=_numbers)]
    return table.rename_axis(columns=None).reset_index()


def _shares(curve: pd.DataFrame) -> pd.DataFrame:
    """By choice, option and claim, in whole percent: how many rows are firmly for, and how many against."""
    names = {"dataset": "data", "model": "network"} | {key: name for key, (name, _) in CHOICES.items() if key in curve}
    each = curve.rename(columns=names).melt(["claim", "state"], names.values(), "choice", "option").dropna()
    each["option"] = each["option"].map(lambda name: data_name(network_name(name)))
    firm = each.assign(**{state: 100 * (each["state"] == state) for state in (FOR, AGAINST)})
    return firm.groupby(["choice", "option", "claim"], sort=False)[[FOR, AGAINST]].mean().round()


def hanging(curve: pd.DataFrame) -> list[str]:
    """Claims that hang on a choice, the network or the data: one option mostly for, another with much against.

    curve: from `combinations`.
    """
    ends = _shares(curve).groupby(["choice", "claim"]).agg(["min", "max"])
    hung = (ends[FOR, "max"] > 50) & ((ends[AGAINST, "max"] >= HANGS) | (ends[FOR, "min"] < 50 - HANGS))
    return sorted(ends.index[hung].unique("claim"), key=_numbers)


def specification_curve(curve: pd.DataFrame, note: str = "") -> Picture:
    """One panel a claim: for each difference its effects over all combinations, sorted, and the share of each state.

    curve: from `combinations`. The claimed side is up; ringed: the paper's own choice. Differences stand side by side
    in the order of the claim's list.
    """
    claims = sorted(curve["claim"].unique(), key=_numbers)
    layout = [claims[i : i + 2] for i in range(0, len(claims), 2)]
    figure = new_figure(0.6 + 2.15 * len(layout), note=note)
    with mpl.rc_context(FINE):
        for row, names in zip(figure.subfigures(len(layout), 1, squeeze=False)[:, 0], layout, strict=True):
            grid = row.subplots(2, len(names), sharex="col", squeeze=False, height_ratios=(3, 1))
            for column, name in enumerate(names):
                _curve_panel(grid[0, column], grid[1, column], curve[curve["claim"] == name])
        handles = [_key(state, color=color) for state, color in STATE_COLORS.items()]
        handles.append(_key("the paper's", fillstyle="none"))
        figure.legend(handles=handles, loc="outside upper center", ncols=5, fontsize=9, handletextpad=0.2)
    return Picture(figure)


def _curve_panel(above: Axes, below: Axes, rows: pd.DataFrame) -> None:
    ids = sorted(rows["id"].unique(), key=_numbers)
    rows = rows.sort_values("effect").assign(slot=lambda rows: rows["id"].map(ids.index))
    each = rows.groupby("slot")["effect"]
    rows["at"] = rows["slot"] + 0.84 * ((each.cumcount() + 0.5) / each.transform("size") - 0.5)
    sns.scatterplot(
        rows, x="at", y="effect", hue="state", palette=STATE_COLORS, legend=False, ax=above, s=7, linewidth=0
    )
    ring: dict[str, Any] = {"color": "none", "edgecolor": "black", "linewidth": 0.9, "zorder": 3}
    sns.scatterplot(rows[rows["own"]], x="at", y="effect", ax=above, s=34, **ring)
    sns.histplot(
        rows, x="slot", hue="state", hue_order=list(STATE_COLORS)[::-1], palette=STATE_COLORS, legend=False,
        multiple="fill", discrete=True, shrink=0.84, linewidth=0, alpha=1, ax=below,
    )  # fmt: skip
    for slot, share in (rows["state"] == FOR).groupby(rows["slot"]).mean().items():
        inside = share > 0.3
        below.text(slot, share / 2 if inside else share, f"{100 * share:.0f}" if share else "", ha="center", fontsize=7,
                   va="center_baseline" if inside else "bottom", color="white" if inside else "black")  # fmt: skip
    above.axhline(0, color="black", linewidth=0.8)
    for slot in range(1, len(ids)):
        above.axvline(slot - 0.5, color="#cccccc", linewidth=0.6)
    title = f"{rows['claim'].iloc[0]} {rows['title'].iloc[0]}"
    above.set_title(textwrap.fill(title, 36), fontsize=9)
    above.set(ylabel="points")
    below.set(xlabel="", ylabel="%", ylim=(0, 1), xlim=(-0.5, len(ids) - 0.5))
    below.set_xticks(range(len(ids)), [name.split(".")[1] for name in ids])
    below.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    below.tick_params(axis="x", length=0)


def _numbers(name: str) -> tuple[str, list[int]]:
    """The order of claims and differences: "C15.2" comes after "C4.10", "F1" after all of the paper's."""
    return name[0], [int(part) for part in name[1:].split(".")]
