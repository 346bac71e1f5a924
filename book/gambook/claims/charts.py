"""Figures of verdicts: differences with their intervals, and the specification curve with its tables."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from gambook.claims.curve import CUTS, JOINS, ORDERS, RESIZES
from gambook.claims.ledger import groups
from gambook.claims.pages import LOOKS
from gambook.claims.rule import CONTRADICTED, EQUIVALENT, MIXED, NOT_RUN, REPRODUCED, UNDECIDED, combine
from gamlib.evaluation import SIDES
from gamlib.methods import METHODS
from gamlib.metrics import FILLS
from gamlib.plots.figures import STYLE, Picture, new_figure

# Those that a single difference can have.
DRAWN = {word: LOOKS[word] for word in (REPRODUCED, CONTRADICTED, EQUIVALENT, UNDECIDED)}
# Colours and marks of verdicts, for seaborn.
BY_VERDICT: dict[str, Any] = {
    "hue": "verdict",
    "style": "verdict",
    "palette": {word: look.color for word, look in DRAWN.items()},
    "markers": {word: look.marker for word, look in DRAWN.items()},
    "legend": False,
}
FINE: dict[Any, Any] = STYLE | dict.fromkeys(["axes.labelsize", "xtick.labelsize", "ytick.labelsize"], 8.5)
HOLLOW: dict[str, Any] = {"color": "none", "edgecolor": "black", "linewidth": 0.9, "zorder": 3}
# The choices of a combination: what they are called, and what the paper chose.
CHOICES = {
    "resize": ("enlarging", RESIZES[0]),
    "order": ("normalising", ORDERS[0]),
    "join": ("joining layers", JOINS[0]),
    "cut": ("threshold", CUTS[0]),
    "fill": ("masked with", FILLS[0]),
    "side": ("images masked", SIDES[0]),
}
SAME_LINE = ["task", "subset", "a", "b", "metric"]


def forest(panels: Mapping[str, pd.DataFrame], label: str, note: str = "") -> Picture:
    """Means with 95% intervals, one line a difference, one panel a run; diamonds: the paper's own value.

    Differences that several claims share are drawn once. Rows that did not run are left out; every panel has the lines
    of all.

    Parameters
    ----------
    panels : mapping
        Title -> ledger rows, all for one data set each.
    label, note : str
        Of the x axis, and small print below it.
    """
    rows = pd.concat(panels, names=["panel"]).reset_index("panel")
    rows = rows[rows["verdict"] != NOT_RUN].drop_duplicates(["panel", *SAME_LINE]).sort_values("task", kind="stable")
    rows["line"] = rows.groupby(SAME_LINE, sort=False).ngroup()
    lines = rows.drop_duplicates("line")
    figure = new_figure(1.1 + 0.19 * len(lines) + 0.2 * bool(note))
    with mpl.rc_context(FINE):
        fields = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, title in zip(fields, panels, strict=True):
            part = rows[rows["panel"] == title]
            axes.axvline(0, color="black", linewidth=0.8)
            colors = [DRAWN[word].color for word in part["verdict"]]
            axes.hlines(part["line"], part["low"], part["high"], colors, linewidth=2)
            sns.scatterplot(part, x="mean", y="line", ax=axes, s=42, linewidth=0, **BY_VERDICT)
            sns.scatterplot(part, x="paper_value", y="line", ax=axes, marker="d", s=34, **HOLLOW)
            for first in lines.drop_duplicates("task")["line"][1:]:
                axes.axhline(first - 0.5, color="#aaaaaa", linewidth=0.8)
            axes.set_title(title, fontsize=9.5)
            axes.set(xlabel="", ylabel="")
        fields[0].set_yticks(lines["line"], [_line_name(row) for row in lines.to_dict("records")], fontsize=8)
        fields[0].set_ylim(len(lines) - 0.5, -0.5)
        _legend(figure, set(rows["verdict"]), "the paper's", "d")
        figure.supxlabel(label + (f"\n{note}" if note else ""), fontsize=9)
    return Picture(figure)


def _line_name(row: Mapping) -> str:
    kind, _, masked = str(row["metric"]).partition("_")
    measure = f"{kind.upper()}, {masked.partition('_')[2]}, " if kind in ("adp", "pic") else ""
    return f"{row['task']}, {measure}{_short(row['a'])} − {_short(row['b'])}"


def _short(side: str) -> str:
    name, _, n = side.partition(":")
    return f"{METHODS[name].short if name in METHODS else name} {n}"


def _legend(figure: Figure, words: Collection[str], other: str, marker: str) -> None:
    """Verdicts, and an empty mark for what else is drawn, above all panels."""
    handles = [
        Line2D([], [], linestyle="", color=look.color, marker=look.marker, label=word)
        for word, look in DRAWN.items()
        if word in words
    ]
    handles.append(Line2D([], [], linestyle="", color="black", marker=marker, fillstyle="none", label=other))
    figure.legend(handles=handles, loc="outside upper center", ncols=5, fontsize=9, handletextpad=0.2)


def combinations(curve: pd.DataFrame) -> pd.DataFrame:
    """Rows of the specification curve, each combination once: joining layers is no choice where both have n = 1.

    Adds `own`, whether the row is the paper's own choice, and `effect`, the mean with the claimed side up.
    """
    flat = curve["a"].str.endswith(":1") & curve["b"].str.endswith(":1")
    curve = curve[~flat | (curve["join"] == JOINS[0])]
    # whether a map is finite is no matter of its masking
    curve = curve[(curve["metric"] != "nonfinite") | curve["cut"].notna()]
    chosen = [curve[key].isna() | (curve[key].astype(str) == own) for key, (_, own) in CHOICES.items() if key in curve]
    return curve.assign(own=np.logical_and.reduce(chosen), effect=curve["sign"] * curve["mean"])


def combination_counts(curve: pd.DataFrame) -> pd.DataFrame:
    """In how many combinations each claim has which verdict, boxes and masked scores apart (their grids differ).

    A combination is one choice of everything, one profile and one network; its verdict is that of all the claim's
    differences of that kind together. Columns: claim, measure, combinations, and one for each verdict.
    """
    kind = np.where(curve["metric"].str[:3].isin(["adp", "pic"]), "ADP and PIC", "boxes")
    keys = ["profile", "model", *(key for key in CHOICES if key in curve)]
    found = []
    for (claim, measure), rows in groups(curve.assign(measure=kind), ["claim", "measure"]):
        # where n = 1 joins nothing, its row stands for every way to join
        words = [combine(list(part["verdict"])) for _, part in rows.groupby(keys, dropna=False)]
        counts = {word: words.count(word) for word in (REPRODUCED, CONTRADICTED, MIXED, EQUIVALENT, UNDECIDED)}
        found.append({"claim": claim, "measure": measure, "combinations": len(words), **counts})
    return pd.DataFrame(sorted(found, key=lambda row: (_numbers(str(row["claim"])), row["measure"] != "boxes")))


def by_choice(curve: pd.DataFrame) -> pd.DataFrame:
    """How often each claim's differences are reproduced and contradicted under each option of each open choice.

    curve: from `combinations`. Cells: "reproduced / contradicted", in percent of the rows with that option; empty where
    the claim has no such row. Columns: choice, option, and one for each claim.
    """
    names = {"dataset": "data", "model": "network"} | {key: name for key, (name, _) in CHOICES.items() if key in curve}
    each = curve.rename(columns=names).melt(["claim", "verdict"], names.values(), "choice", "option").dropna()
    each["option"] = each["option"].str.removeprefix("efficientnet_")
    shares = each.groupby(["choice", "option", "claim"])["verdict"].agg(
        lambda words: " / ".join(f"{100 * (words == word).mean():.0f}" for word in (REPRODUCED, CONTRADICTED))
    )
    order = pd.MultiIndex.from_frame(each[["choice", "option"]].drop_duplicates())
    table = shares.unstack(fill_value="").loc[order, sorted(curve["claim"].unique(), key=_numbers)]
    return table.rename_axis(columns=None).reset_index()


def specification_curve(curve: pd.DataFrame, note: str = "") -> Picture:
    """One panel a claim: for each difference its effects over all combinations, sorted, and the share of each verdict.

    curve: from `combinations`. The claimed side is up; ringed: the paper's own choice. Differences stand side by side
    in the order of the claim's list.
    """
    claims = sorted(curve["claim"].unique(), key=_numbers)
    wide = [name for name in claims if curve.loc[curve["claim"] == name, "id"].nunique() > 6]
    narrow = [name for name in claims if name not in wide]
    layout = [narrow[i : i + 2] for i in range(0, len(narrow), 2)] + [[name] for name in wide]
    figure = new_figure(0.6 + 2.15 * len(layout), note=note)
    with mpl.rc_context(FINE):
        for row, names in zip(figure.subfigures(len(layout), 1, squeeze=False)[:, 0], layout, strict=True):
            grid = row.subplots(2, len(names), sharex="col", squeeze=False, height_ratios=(3, 1))
            for column, name in enumerate(names):
                _curve_panel(grid[0, column], grid[1, column], curve[curve["claim"] == name])
        _legend(figure, DRAWN, "the paper's choices", "o")
    return Picture(figure)


def _curve_panel(above: Axes, below: Axes, rows: pd.DataFrame) -> None:
    ids = sorted(rows["id"].unique(), key=_numbers)
    rows = rows.sort_values("effect").assign(slot=lambda rows: rows["id"].map(ids.index))
    each = rows.groupby("slot")["effect"]
    rows["at"] = rows["slot"] + 0.84 * ((each.cumcount() + 0.5) / each.transform("size") - 0.5)
    sns.scatterplot(rows, x="at", y="effect", ax=above, s=7, linewidth=0, **BY_VERDICT)
    own = rows[rows["own"]]
    sns.scatterplot(own, x="at", y="effect", ax=above, s=34, **HOLLOW)
    sns.histplot(
        rows, x="slot", hue="verdict", hue_order=list(DRAWN)[::-1], palette=BY_VERDICT["palette"], legend=False,
        multiple="fill", discrete=True, shrink=0.84, linewidth=0, alpha=1, ax=below,
    )  # fmt: skip
    for slot, share in (rows["verdict"] == REPRODUCED).groupby(rows["slot"]).mean().items():
        inside = share > 0.3
        below.text(slot, share / 2 if inside else share, f"{100 * share:.0f}" if share else "", ha="center", fontsize=7,
                   va="center_baseline" if inside else "bottom", color="white" if inside else "black")  # fmt: skip
    above.axhline(0, color="black", linewidth=0.8)
    for slot in range(1, len(ids)):
        above.axvline(slot - 0.5, color="#cccccc", linewidth=0.6)
    title = f"{rows['claim'].iloc[0]} {rows['title'].iloc[0]}"
    above.set_title("\n".join(textwrap.wrap(title, 36)), fontsize=9)
    above.set(ylabel="points")
    below.set(xlabel="", ylabel="%", ylim=(0, 1), xlim=(-0.5, len(ids) - 0.5))
    below.set_xticks(range(len(ids)), [name.split(".")[1] for name in ids])
    below.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    below.tick_params(axis="x", length=0)


def _numbers(name: str) -> tuple[int, ...]:
    """The order of claims and differences: "C15.2" comes after "C4.10"."""
    return tuple(int(part) for part in name[1:].split("."))
