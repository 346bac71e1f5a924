"""Line, point and bar charts in the style of the book's figures (`gamlib.plots.figures`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from gamlib.plots.figures import STYLE, Picture, new_figure

# Distinct for readers with any colour vision, and apart in grey as well (after Okabe & Ito).
COLORS = ("#0072b2", "#d55e00", "#009e73", "#555555", "#cc79a7")
LINES = ("-", "--", "-.", ":", (0, (1, 2)))
MARKERS = ("o", "X", "s", "^", "D")


@dataclass(frozen=True)
class Series:
    """One set of values of a chart: x and y of the same length, joined by a line or drawn as points.

    A y that is not finite leaves a gap. label: its name in the legend, "" for none.
    """

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    kind: Literal["line", "points"] = "line"


def chart(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    *,
    verticals: Mapping[str, float] | None = None,
    spans: Mapping[str, tuple[float, float]] | None = None,
    diagonal: str = "",
    log_y: bool = False,
    height: float = 3.4,
    note: str = "",
) -> Picture:
    """Series on one pair of axes, each with its own colour and its own line or marker.

    verticals: name -> x of a line over the whole height. spans: name -> (from, to), hatched stretches of x;
    a name that begins with "_" stays out of the legend. diagonal: the name of the line y = x, "" for none.
    height: inches. note: small print below, e.g. the model.

    >>> chart([Series([0, 1], [0, 2], "twice")], "x", "y")
    Picture(6.2 x 3.4 inches)
    """
    figure = new_figure(height + 0.2 * bool(note))
    with mpl.rc_context(STYLE):
        axes = figure.subplots()
        for name, (low, high) in (spans or {}).items():
            axes.axvspan(low, high, facecolor="#e8e8e8", edgecolor="#8a8a8a", hatch="///", linewidth=0, label=name)
        for number, one in enumerate(series):
            style = {"color": COLORS[number % len(COLORS)], "label": one.label or None}
            if one.kind == "line":
                axes.plot(one.x, one.y, linestyle=LINES[number % len(LINES)], linewidth=1.8, **style)
            else:
                axes.scatter(one.x, one.y, marker=MARKERS[number % len(MARKERS)], s=34, linewidth=0, alpha=0.8, **style)
        for number, (name, x) in enumerate((verticals or {}).items()):
            axes.axvline(x, color="black", linestyle=LINES[(number + 1) % len(LINES)], linewidth=1.2, label=name)
        if diagonal:
            axes.axline((axes.get_xlim()[0],) * 2, slope=1, color="black", linewidth=1.2, label=diagonal)
        if log_y:
            axes.set_yscale("log")
        axes.set(xlabel=x_label, ylabel=y_label)
        _legend(axes)
        if note:
            figure.supxlabel(note, fontsize=9, color="#555555")
    return Picture(figure)


def bars(
    groups: Sequence[str],
    heights: Mapping[str, Sequence[float]],
    y_label: str,
    *,
    level: tuple[str, float] | None = None,
    height: float = 3.4,
    note: str = "",
) -> Picture:
    """Bars side by side, from zero: in each group one of each name, with its value above it.

    groups: names below the axis. heights: name -> one value a group. level: name and y of a line across all,
    e.g. a control. height: inches. note: small print below.

    >>> bars(["n = 1", "n = 2"], {"GAM": [50.0, 60.0], "Grad-CAM": [50.0, 40.0]}, "box IoU (%)")
    Picture(6.2 x 3.4 inches)
    """
    figure = new_figure(height + 0.2 * bool(note))
    width = 0.84 / len(heights)
    with mpl.rc_context(STYLE):
        axes = figure.subplots()
        for number, (name, values) in enumerate(heights.items()):
            at = np.arange(len(groups)) + (number - (len(heights) - 1) / 2) * width
            drawn = axes.bar(at, values, width * 0.92, color=COLORS[number % len(COLORS)], label=name)
            axes.bar_label(drawn, fmt="%.0f", fontsize=9, padding=1)
        if level:
            axes.axhline(level[1], color="black", linestyle="--", linewidth=1.2, label=level[0])
        axes.set_xticks(range(len(groups)), groups)
        axes.set_ylabel(y_label)
        axes.tick_params(axis="x", length=0)
        _legend(axes)
        if note:
            figure.supxlabel(note, fontsize=9, color="#555555")
    return Picture(figure)


def _legend(axes: Axes) -> None:
    """Names above the axes, where no value can lie under them."""
    named = axes.get_legend_handles_labels()[1]
    if named:
        columns = 2 if max(map(len, named)) > 16 or len(named) == 4 else 3
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.01), ncols=columns, frameon=False, borderaxespad=0, handlelength=2.4
        )
