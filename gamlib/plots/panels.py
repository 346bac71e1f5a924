"""What all charts share: their panels in the book's theme, the legend above them, a colour for each name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypedDict, Unpack

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from gamlib.controls import CONTROLS
from gamlib.methods import METHODS
from gamlib.plots.figures import STYLE, WIDTH, Picture, color_of, new_figure, title_of

# Unlike any method's colour, for readers with any colour vision.
SPARE = ("#661100", "#a03cf0", "#c9a227", "#111111", "#882255")
DASHES = ("", (5, 2), (6, 2, 1.5, 2), (1.5, 1.5), (9, 3))


class Layout(TypedDict, total=False):
    """What every chart takes by name.

    Attributes
    ----------
    row, column : str
        Columns of the frame with panels for each of their values, which are the titles of y axes, and of columns.
    share : str
        The panels that have one y axis: "all" of them (default), each "row", or "none".
    titles : mapping
        Value of `hue` -> what it is called, if not as everywhere.
    height : float
        Inches; 3.4 by default.
    note : str
        Small print below.
    """

    row: str
    column: str
    share: Literal["all", "row", "none"]
    titles: Mapping[str, str]
    height: float
    note: str


def palette(names: Iterable[str]) -> dict[str, str]:
    """The colour of each name."""
    names = list(names)
    others = [name for name in names if name not in METHODS and name not in CONTROLS]
    if len(names) > len(DASHES):
        raise ValueError(f"hue: got {len(names)} series; at most {len(DASHES)} can be told apart, leave some out")
    spare = dict(zip(others, SPARE, strict=False))
    return {name: spare.get(name) or color_of(name) for name in names}


def chart(
    draw: Callable[[Axes, pd.DataFrame], None],
    frame: pd.DataFrame,
    x: str,
    y: str,
    **layout: Unpack[Layout],
) -> Picture:
    """Each panel drawn with its part of the frame; the legend stands above all, where it covers nothing."""
    figure = new_figure(layout.get("height", 3.4), note=layout.get("note", ""))
    row, column = layout.get("row"), layout.get("column")
    down, over = (list(frame[name].unique()) if name else [""] for name in (row, column))
    lines = -(-len(over) // 3)  # more than three side by side cannot be read on a phone
    across = -(-len(over) // lines)
    keys, lowest = {}, []
    with mpl.rc_context(STYLE):
        share = layout.get("share", "all")
        fields = figure.subplots(len(down) * lines, across, sharex="col", sharey=share, squeeze=False)
        for axes in fields.flat:
            axes.set_visible(False)
        for (r, below), (c, beside) in itertools.product(enumerate(down), enumerate(over)):
            axes, part = fields[r * lines + c // across, c % across], frame
            axes.set_visible(True)
            for name, value in ((row, below), (column, beside)):
                part = part[part[name] == value] if name else part
            draw(axes, part.reset_index(drop=True))  # seaborn refuses row labels that occur twice
            keys |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
            if (own := axes.get_legend()) is not None:
                own.remove()
            axes.set(xlabel=x, ylabel=(below if row else "" if column else y) if c % across == 0 else "")
            axes.set_title(beside if r == 0 or lines > 1 else "")
            if r + 1 == len(down) and c + across >= len(over):
                axes.tick_params(labelbottom=True)
                axes.xaxis.label.set_visible(True)
                lowest.append(axes)
        steps = [str(name) for name in frame[x].unique()]
        if not pd.api.types.is_numeric_dtype(frame[x]) and sum(map(len, steps)) > 70 / across:
            for label in (label for axes in lowest for label in axes.get_xticklabels()):
                label.set(rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
        if keys:
            labels = [title_of(name, layout.get("titles")) for name in keys]
            fitting = int(WIDTH / (0.55 + 0.08 * max(map(len, labels))))
            figure.legend(keys.values(), labels, loc="outside upper left", ncols=max(1, min(fitting, len(labels))))
    return Picture(figure)
