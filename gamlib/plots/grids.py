"""Grids of photographs and saliency maps, read on a fixed scale of [0, 1].

They keep to four or five columns and a font that can be read at the width of a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke
from PIL import Image
from torch import Tensor

from gamlib.boxes import Box
from gamlib.plots.colors import check_map, overlay, pixels_of, scale_colors
from gamlib.plots.figures import FOUND_BOX, STYLE, TRUE_BOX, WIDTH, Picture, new_figure


@dataclass(frozen=True, eq=False)
class Panel:
    """One field of a grid.

    Parameters
    ----------
    image : Tensor or PIL image, optional
        Photograph, (3, H, W) with pixels in [0, 1].
    saliency : Tensor, optional
        Map (h, w) in [0, 1], drawn over the grey photograph. Where a value is not finite, the field is hatched and
        says "not finite"; a map of zeros says "empty: nothing positive".
    title : str
        At most two lines.
    truths : sequence of boxes
        True boxes (x0, y0, x1, y1), half-open, in pixels of the image, or of the map where there is no image. They are
        white: the first solid, others dashed.
    found : box, optional
        The box made from a map; orange.
    true_mask, found_mask : ndarray, optional
        (H, W) bool, in pixels of the image; their outlines are drawn as those of boxes.
    """

    image: Tensor | Image.Image | None = None
    saliency: Tensor | None = None
    title: str = ""
    truths: Sequence[Box] = ()
    found: Box | None = None
    true_mask: np.ndarray | None = None
    found_mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.saliency is not None:
            check_map(self.saliency)


def class_name(categories: Sequence[str] | None, index: int) -> str:
    """What a figure calls a class: its name in `Model.categories`, or its number where the network has no names.

    Examples
    --------
    >>> class_name(["cat", "dog"], 1), class_name(None, 1)
    ('dog', 'class 1')
    """
    return f"class {index}" if categories is None else categories[index]


def grid(
    panels: Sequence[Sequence[Panel | None]],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    note: str = "",
) -> Picture:
    """Panels in rows, with one colour bar for all maps.

    Parameters
    ----------
    panels : sequence of rows
        None leaves a field empty.
    rows, columns : sequence of str
        A label beside each row, a heading over each column.
    note : str
        Small print below, e.g. the model.

    Raises
    ------
    ValueError
        Where there is no panel, or not one label a row or column.

    Examples
    --------
    >>> import torch
    >>> grid([[Panel(saliency=torch.eye(7), title="a map")]])
    Picture(2.9 x 2.4 inches)
    """
    across = max((len(row) for row in panels), default=0)
    if across == 0:
        raise ValueError("panels: got none; give at least one row with one panel")
    for name, labels, count in (("rows", rows, len(panels)), ("columns", columns, across)):
        if labels and len(labels) != count:
            raise ValueError(f"{name}: got {len(labels)} labels for {count} {name} of panels; give one each, or none")
    # the scale stands beside a narrow grid; beside a wide one it would take a fifth panel's place
    beside = across < 4
    side = min(2.1, (WIDTH - 0.8 * beside) / across)
    titles = [[panel.title for panel in row if panel and panel.title] for row in panels]
    heights = [side + max((0.07 + 0.2 * (title.count("\n") + 1) for title in row), default=0) for row in titles]
    figure = new_figure(sum(heights) + 0.28 * bool(columns) + 0.45 * (not beside), side * across + 0.8 * beside, note)
    with mpl.rc_context(STYLE):
        fields = figure.subplots(len(panels), across, squeeze=False)
        for line, row in zip(fields, panels, strict=True):
            for field, panel in zip_longest(line, row):
                draw_panel(field, panel)
        for field, label in zip(fields[:, 0], rows, strict=False):
            field.set_ylabel(label, visible=True)
        for field, label in zip(fields[0], columns, strict=False):
            title = field.get_title()
            field.set_title(f"{label}\n{title}" if title else label)
        if any(panel is not None and panel.saliency is not None for row in panels for panel in row):
            place, length = ("right", min(1, 2.4 / sum(heights))) if beside else ("bottom", 0.4)
            scale = ScalarMappable(Normalize(0, 1), ListedColormap(scale_colors(256)))
            bar = figure.colorbar(scale, ax=fields, location=place, shrink=length, aspect=14, pad=0.015)
            bar.set_ticks((0, 0.5, 1))
            bar.outline.set_visible(False)
        figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.01)
    return Picture(figure, "jpeg")


def draw_panel(field: Axes, panel: Panel | None) -> None:
    """Draw one panel on an axes; None clears it."""
    field.set(xticks=[], yticks=[])
    field.spines[:].set_visible(False)
    if panel is None:
        return
    # square: the networks see every photograph squeezed to their input size
    field.set_box_aspect(1)
    field.set_title(panel.title)
    if panel.saliency is not None and not bool(panel.saliency.isfinite().all()):
        whole = field.transAxes
        field.add_patch(Rectangle((0, 0), 1, 1, transform=whole, facecolor="#d4d4d4", hatch="///", linewidth=0))
        _say(field, "not finite")
        return
    if panel.saliency is not None:
        shown = overlay(panel.image, panel.saliency)
        field.imshow(shown, aspect="auto", interpolation="nearest" if panel.image is None else "antialiased")
        if not bool(panel.saliency.any()):
            _say(field, "empty:\nnothing positive")
    elif panel.image is not None:
        field.imshow(pixels_of(panel.image), aspect="auto", interpolation="antialiased")
    boxes = [(box, TRUE_BOX, "-" if number == 0 else "--") for number, box in enumerate(panel.truths)]
    boxes += [] if panel.found is None else [(panel.found, FOUND_BOX, "-")]
    # a dark rim, so that it shows on light and on dark
    rim: list[AbstractPathEffect] = [withStroke(linewidth=3, foreground="black")]
    for mask, color in ((panel.true_mask, TRUE_BOX), (panel.found_mask, FOUND_BOX)):
        if mask is not None:
            # a frame of nothing closes the outline of what reaches the border
            framed, places = np.pad(mask.astype(float), 1), [np.arange(-1, side + 1) for side in mask.shape]
            field.contour(places[1], places[0], framed, [0.5], colors=color, linewidths=1.5).set_path_effects(rim)
    for (x0, y0, x1, y1), color, dash in boxes:
        look: dict[str, Any] = {"edgecolor": color, "linestyle": dash, "linewidth": 2, "path_effects": rim}
        field.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, **look))


def _say(field: Axes, text: str) -> None:
    label = field.text(0.5, 0.5, text, transform=field.transAxes, ha="center", va="center", fontsize=10)
    label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 2})
