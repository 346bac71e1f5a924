"""Charts of tidy tables in the book's theme, drawn by seaborn.

A column's name is the title of its axis, with its unit. The column `hue` tells series apart: methods and controls go
by their names in METHODS and CONTROLS and have the colour and the title that they have everywhere; other names get
spare colours. Where the interval of a mean is known, the columns `low` and `high` hold its ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from gamlib.controls import CONTROLS
from gamlib.plots.figures import Picture, title_of
from gamlib.plots.panels import DASHES, Layout, chart, palette

RUN, DOT = "run between values that are not finite", "drawn as a point"
MARKERS = ("o", "X", "s", "^", "D")
# seaborn makes its intervals from observations: of a low end, a mean and a high end the median is the mean, and the
# interval that holds all of them reaches from end to end
GIVEN: dict[str, Any] = {"estimator": "median", "errorbar": ("pi", 100)}


def lines(
    frame: pd.DataFrame,
    x: str,
    y: str,
    hue: str,
    *,
    points: pd.DataFrame | None = None,
    band: str = "",
    spans: Mapping[str, tuple[float, float]] | None = None,
    log_y: bool = False,
    **layout: Unpack[Layout],
) -> Picture:
    """Each series as a line, from row to row; it breaks where a value is not finite.

    Parameters
    ----------
    frame : DataFrame
    x, y, hue : str
        Its columns.
    points : DataFrame, optional
        More series with the same columns, drawn as points; in every panel where `row` or `column` is not among them.
    band : str
        An `errorbar` of seaborn, e.g. "sd": the line passes through the mean of the rows with one x.
    spans : mapping, optional
        Name -> (from, to): hatched stretches of x.
    log_y : bool
    **layout : Layout

    Examples
    --------
    >>> lines(pd.DataFrame({"x": [0, 1], "y": [0, 2], "curve": "twice"}), "x", "y", "curve")
    Picture(6.2 x 3.4 inches)
    """
    points = frame.iloc[:0] if points is None else points
    names = list(dict.fromkeys([*frame[hue], *points[hue]]))
    panels = [name for name in (layout.get("row"), layout.get("column")) if name]
    if len(points) and (everywhere := [name for name in panels if name not in points]):
        points = points.merge(frame[everywhere].drop_duplicates(), how="cross")
    look: dict[str, Any] = {"x": x, "y": y, "hue": hue, "style": hue, "palette": palette(names)}
    # seaborn would join the neighbours of a value that is not finite: each run between such values is its own line
    frame = frame.assign(**{RUN: (~np.isfinite(frame[y])).groupby(frame[hue]).cumsum()})
    how: dict[str, Any] = {"errorbar": band} if band else {"estimator": None, "sort": False, "units": RUN}
    how["dashes"] = dict(zip(names, DASHES, strict=False))
    frame = pd.concat([frame.assign(**{DOT: False}), points.assign(**{DOT: True})])
    dots = {"markers": dict(zip(names, MARKERS, strict=False)), "s": 36, "linewidth": 0, "alpha": 0.8}

    def draw(axes: Axes, part: pd.DataFrame) -> None:
        for name, (low, high) in (spans or {}).items():
            axes.axvspan(low, high, facecolor="#e8e8e8", hatch="///", linewidth=0, label=name)
        if not part[DOT].all():
            sns.lineplot(part[~part[DOT]], **look, **how, linewidth=1.8, ax=axes)
        if part[DOT].any():
            sns.scatterplot(part[part[DOT]], **look, **dots, ax=axes)
        if log_y:
            axes.set_yscale("log")

    return chart(draw, frame, x, y, **layout)


def intervals(frame: pd.DataFrame, x: str, y: str, hue: str, **layout: Unpack[Layout]) -> Picture:
    """Means at a few steps, each with its interval, joined; from zero, or from below it where a value is negative.

    Parameters
    ----------
    frame : DataFrame
        One row a mean; `low` and `high` are NaN where it has no interval.
    x, y, hue : str
        Its columns.
    **layout : Layout

    Examples
    --------
    >>> frame = pd.DataFrame({"n": [1, 2], "box IoU (%)": [50, 60], "low": [45, 53], "high": [54, 64], "method": "gam"})
    >>> intervals(frame, "n", "box IoU (%)", "method")
    Picture(6.2 x 3.4 inches)
    """
    names = list(frame[hue].unique())
    look: dict[str, Any] = {"x": x, "y": y, "hue": hue, "hue_order": names, "palette": palette(names), **GIVEN}
    look |= {"linestyles": [":" if name in CONTROLS else "-" for name in names], "markers": list(MARKERS[: len(names)])}
    look |= {"dodge": 0.2 * (len(names) > 1), "markersize": 4, "linewidth": 1.5, "err_kws": {"linewidth": 1}}

    def draw(axes: Axes, part: pd.DataFrame) -> None:
        sns.pointplot(part, **look, ax=axes)

    observed = _observed(frame, y)
    low, picture = observed[y].min(), chart(draw, observed, x, y, **layout)
    # once all are drawn: a limit ends the scaling of all panels that share the axis
    for axes in picture.figure.axes:
        axes.set_ylim(min(0, axes.get_ylim()[0]) if low < 0 else 0, None)
    return picture


def bars(
    frame: pd.DataFrame,
    x: str,
    y: str,
    hue: str,
    *,
    level: tuple[str, float] | None = None,
    **layout: Unpack[Layout],
) -> Picture:
    """Bars side by side: in each group one of each series, with its interval, where known, and its value above.

    Parameters
    ----------
    frame : DataFrame
        One row a bar.
    x, y, hue : str
        Its columns.
    level : (str, float), optional
        Name and height of a line across all, e.g. a control.
    **layout : Layout

    Examples
    --------
    >>> frame = pd.DataFrame({"n": [1, 2], "box IoU (%)": [50.0, 60.0], "method": "gam"})
    >>> bars(frame, "n", "box IoU (%)", "method", level=("constant_box", 30.0))
    Picture(6.2 x 3.4 inches)
    """
    names, groups = list(frame[hue].unique()), list(frame[x].unique())
    look: dict[str, Any] = {"x": x, "y": y, "order": groups, "hue": hue, "hue_order": names, **GIVEN}
    look |= {"palette": palette(names), "saturation": 1, "width": 0.84, "err_kws": {"linewidth": 1, "color": "#808080"}}

    def draw(axes: Axes, part: pd.DataFrame) -> None:
        sns.barplot(part, **look, ax=axes)
        tops = part.groupby([hue, x])[y].max().dropna()
        for name, drawn in zip(names, axes.containers, strict=True):
            for bar in drawn:
                height, middle = bar.get_height(), bar.get_x() + bar.get_width() / 2
                top = tops[name, groups[round(middle)]]
                text = f"{height:.0f}" if height >= 10 else f"{height:.2g}" if height >= 0.1 else f"{height:.1g}"
                ground = {"facecolor": "white", "linewidth": 0, "pad": 0.6}
                place: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 9, "bbox": ground}
                axes.annotate(text, (middle, top), (0, 3), **place)
        if level:
            axes.axhline(level[1], color=palette([level[0]])[level[0]], linestyle="--", linewidth=1.4, label=level[0])
        axes.tick_params(axis="x", length=0)

    return chart(draw, _observed(frame, y), x, y, **layout)


def swarms(frame: pd.DataFrame, x: str, y: str, **layout: Unpack[Layout]) -> Picture:
    """Each value as a point in the line of its series, and an upright bar at their mean.

    Parameters
    ----------
    frame : DataFrame
    x, y : str
        Its columns: values and series.
    **layout : Layout

    Examples
    --------
    >>> swarms(pd.DataFrame({"rank correlation": [0.1, 0.3], "map": "random_7x7"}), "rank correlation", "map")
    Picture(6.2 x 3.4 inches)
    """
    colors = palette(frame[y].unique())
    look: dict[str, Any] = {"x": x, "y": y, "order": list(colors), "hue": y, "palette": colors, "legend": False}
    labels = [title_of(name, layout.get("titles")) for name in colors]

    def draw(axes: Axes, part: pd.DataFrame) -> None:
        axes.axvline(0, color="#999999", linewidth=0.8, zorder=0)
        sns.swarmplot(part, **look, size=4.5, alpha=0.75, ax=axes)
        sns.pointplot(part, **look, errorbar=None, linestyle="none", marker="|", markersize=24, ax=axes)
        axes.set_yticks(range(len(labels)), labels)

    return chart(draw, frame, x, "", **layout)


def _observed(frame: pd.DataFrame, y: str) -> pd.DataFrame:
    """Each mean followed by the ends of its interval, as observations (GIVEN)."""
    return pd.concat([frame, *(frame.assign(**{y: frame[end]}) for end in ("low", "high") if end in frame)])
