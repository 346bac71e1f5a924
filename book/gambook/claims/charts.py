"""Figures of verdicts: differences with their intervals, and the specification curve."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gambook.claims.rule import CONTRADICTED, EQUIVALENT, MIXED, NOT_RUN, REPRODUCED, UNDECIDED, combine
from gamlib.plots.figures import STYLE, Picture, new_figure

# Colour and mark of each verdict, apart for readers with any colour vision.
MARKS = {
    REPRODUCED: ("#009e73", "o"),
    CONTRADICTED: ("#d55e00", "X"),
    EQUIVALENT: ("#0072b2", "s"),
    UNDECIDED: ("#8a8a8a", "D"),
}
SHORT = {
    "gam": "GAM",
    "grad_cam": "GC",
    "grad_cam_pp": "GC++",
    "grad_cam_pp_stable": "GC++ closed",
}
# The choices of a combination, and what the paper chose.
OWN = {"resize": "bicubic", "order": "after", "join": "mean", "cut": "tuned", "fill": "black", "side": "both"}
CHOICES = {
    "dataset": "data",
    "model": "network",
    "resize": "enlarging",
    "order": "normalising",
    "join": "joining layers",
    "cut": "threshold",
    "fill": "masked with",
    "side": "images masked",
}
SAME = ["task", "subset", "a", "b", "metric"]


def forest(panels: Mapping[str, pd.DataFrame], label: str, note: str = "") -> Picture:
    """Means with 95% intervals, one line a difference, one panel a run; diamonds: the paper's own value.

    panels: title -> ledger rows, all for one data set each. Differences that several claims share are drawn once.
    Rows that did not run are left out; every panel has the lines of all. label: of the x axis.
    """
    drawn = {title: rows[rows["verdict"] != NOT_RUN].drop_duplicates(SAME) for title, rows in panels.items()}
    lines = pd.concat(drawn.values()).drop_duplicates(SAME).sort_values("task", kind="stable").reset_index(drop=True)
    place = {tuple(row[key] for key in SAME): index for index, row in lines.iterrows()}
    figure = new_figure(1.1 + 0.19 * len(lines) + 0.2 * bool(note))
    with mpl.rc_context(STYLE | {"font.size": 9}):
        fields = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
        for axes, (title, rows) in zip(fields, drawn.items(), strict=True):
            for row in rows.to_dict("records"):
                y = place[tuple(row[key] for key in SAME)]
                color, mark = MARKS[row["verdict"]]
                axes.plot([row["low"], row["high"]], [y, y], color=color, linewidth=1.8, solid_capstyle="butt")
                axes.plot(row["mean"], y, color=color, marker=mark, markersize=5)
                axes.plot(row["paper_value"], y, color="black", marker="d", markersize=5, fillstyle="none")
            axes.axvline(0, color="black", linewidth=0.8)
            for y in np.flatnonzero(lines["task"].ne(lines["task"].shift()))[1:]:
                axes.axhline(y - 0.5, color="#aaaaaa", linewidth=0.8)
            axes.set_title(title, fontsize=9.5)
        fields[0].set_yticks(range(len(lines)), [_line_name(row) for row in lines.to_dict("records")], fontsize=8)
        fields[0].set_ylim(len(lines) - 0.5, -0.5)
        shown = set(pd.concat(drawn.values())["verdict"])
        handles = [Line2D([], [], color=c, marker=m, label=word) for word, (c, m) in MARKS.items() if word in shown]
        handles.append(Line2D([], [], color="black", marker="d", fillstyle="none", linestyle="", label="the paper's"))
        figure.legend(handles=handles, loc="outside upper center", ncols=5, frameon=False, fontsize=9)
        figure.supxlabel(label + (f"\n{note}" if note else ""), fontsize=9)
    return Picture(figure)


def _line_name(row: Mapping) -> str:
    metric = {"adp": "ADP, ", "pic": "PIC, "}.get(str(row["metric"])[:3], "")
    side = f"{str(row['metric']).rsplit('_', 1)[1]}, " if metric else ""
    return f"{row['task']}, {metric}{side}{_short(row['a'])} − {_short(row['b'])}"


def _short(name: str) -> str:
    method, _, n = name.partition(":")
    return f"{SHORT.get(method, method)} {n}"


def combinations(curve: pd.DataFrame) -> pd.DataFrame:
    """Rows of the specification curve, each combination once: joining layers is no choice where both have n = 1.

    Adds `own`, whether the row is the paper's own choice, and `effect`, the mean with the claimed side up.
    """
    curve = curve.copy()
    flat = curve["a"].str.endswith(":1") & curve["b"].str.endswith(":1")
    curve = curve[~flat | (curve["join"] == OWN["join"])]
    # whether a map is finite is no matter of its masking
    curve = curve[(curve["metric"] != "nonfinite") | curve["cut"].notna()]
    chosen = [curve[key].isna() | (curve[key].astype(str) == value) for key, value in OWN.items() if key in curve]
    return curve.assign(own=np.logical_and.reduce(chosen), effect=curve["sign"] * curve["mean"])


def combination_counts(curve: pd.DataFrame) -> pd.DataFrame:
    """In how many combinations each claim has which verdict, boxes and masked scores apart (their grids differ).

    A combination is one choice of everything, one profile and one network; its verdict is that of all the claim's
    differences of that kind together. Columns: claim, measure, combinations, and one for each verdict.
    """
    kind = np.where(curve["metric"].str[:3].isin(["adp", "pic"]), "ADP and PIC", "boxes")
    keys = ["profile", "model", *(key for key in OWN if key in curve)]
    found = []
    for (claim, measure), rows in curve.assign(measure=kind).groupby(["claim", "measure"]):
        # where n = 1 joins nothing, its row stands for every way to join
        words = [combine(list(part["verdict"])) for _, part in rows.groupby(keys, dropna=False)]
        counts = {word: words.count(word) for word in (REPRODUCED, CONTRADICTED, MIXED, EQUIVALENT, UNDECIDED)}
        found.append({"claim": claim, "measure": measure, "combinations": len(words), **counts})
    order = sorted(found, key=lambda row: (int(row["claim"][1:]), row["measure"] != "boxes"))
    return pd.DataFrame(order)


def by_choice(curve: pd.DataFrame) -> pd.DataFrame:
    """How often each claim's differences are reproduced and contradicted under each option of each open choice.

    curve: from `combinations`. Cells: "reproduced / contradicted", in percent of the rows with that option; empty where
    the claim has no such row. Columns: choice, option, and one for each claim.
    """
    claims = sorted(curve["claim"].unique(), key=lambda name: int(name[1:]))
    found = []
    for choice in ("dataset", "model", *(key for key in OWN if key in curve)):
        for option in curve[choice].dropna().unique():
            line = {"choice": CHOICES[choice], "option": str(option).removeprefix("efficientnet_")}
            for claim in claims:
                here = curve.loc[(curve[choice] == option) & (curve["claim"] == claim), "verdict"]
                share = [f"{100 * (here == word).mean():.0f}" for word in (REPRODUCED, CONTRADICTED)]
                line[claim] = " / ".join(share) if len(here) else ""
            found.append(line)
    return pd.DataFrame(found)


def specification_curve(curve: pd.DataFrame, note: str = "") -> Picture:
    """One panel a claim: for each difference its effects over all combinations, sorted, and the share of each verdict.

    curve: from `combinations`. The claimed side is up; ringed: the paper's own choice. Differences stand side by side
    in the order of the claim's list.
    """
    claims = sorted(curve["claim"].unique(), key=lambda name: int(name[1:]))
    wide = [name for name in claims if curve.loc[curve["claim"] == name, "id"].nunique() > 6]
    narrow = [name for name in claims if name not in wide]
    layout = [narrow[i : i + 2] for i in range(0, len(narrow), 2)] + [[name] for name in wide]
    figure = new_figure(0.6 + 2.15 * len(layout) + 0.2 * bool(note))
    with mpl.rc_context(STYLE | {"font.size": 8.5}):
        for row, names in zip(np.atleast_1d(figure.subfigures(len(layout), 1)), layout, strict=True):
            grid = row.subplots(2, len(names), sharex="col", squeeze=False, height_ratios=(3, 1))
            for column, name in enumerate(names):
                _curve_panel(grid[0, column], grid[1, column], curve[curve["claim"] == name])
        handles = [Line2D([], [], color=c, marker=m, linestyle="", label=word) for word, (c, m) in MARKS.items()]
        handles.append(
            Line2D([], [], color="black", marker="o", fillstyle="none", linestyle="", label="the paper's choices")
        )
        figure.legend(handles=handles, loc="outside upper center", ncols=5, frameon=False, fontsize=8.5)
        if note:
            figure.supxlabel(note, fontsize=9, color="#555555")
    return Picture(figure)


def _curve_panel(above: Axes, below: Axes, rows: pd.DataFrame) -> None:
    ids = sorted(rows["id"].unique(), key=lambda name: [int(part) for part in name[1:].split(".")])
    for slot, name in enumerate(ids):
        part = rows[rows["id"] == name].sort_values("effect")
        at = slot + (np.arange(len(part)) + 0.5) / len(part) * 0.84 + 0.08
        for word, (color, mark) in MARKS.items():
            here = (part["verdict"] == word).to_numpy()
            above.scatter(at[here], part["effect"][here], s=5, color=color, marker=mark, linewidth=0)
        own = part["own"].to_numpy()
        above.scatter(at[own], part["effect"][own], s=34, facecolor="none", edgecolor="black", linewidth=0.9, zorder=3)
        start = 0.0
        for word, (color, _) in MARKS.items():
            share = 100 * float((part["verdict"] == word).mean())
            below.bar(slot + 0.5, share, 0.84, bottom=start, color=color, linewidth=0)
            if word == REPRODUCED and share:
                below.text(slot + 0.5, share / 2, f"{share:.0f}", ha="center", va="center", color="white", fontsize=7)
            start += share
    above.axhline(0, color="black", linewidth=0.8)
    for slot in range(1, len(ids)):
        above.axvline(slot, color="#cccccc", linewidth=0.6)
    above.set_title(_panel_title(rows), fontsize=9)
    above.set_ylabel("points")
    below.set_ylabel("%")
    below.set_ylim(0, 100)
    below.set_xticks(np.arange(len(ids)) + 0.5, [name.split(".")[1] for name in ids])
    below.set_xlim(0, len(ids))
    below.tick_params(axis="x", length=0)


def _panel_title(rows: pd.DataFrame) -> str:
    words, lines = rows["title"].iloc[0].split(), [rows["claim"].iloc[0]]
    for word in words:
        if len(lines[-1]) + len(word) > 36:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)
