"""Every figure of the book in one style: grids of photographs and saliency maps, read on a fixed scale of [0, 1].

Grids keep to four or five columns and a font that can be read at the width of a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

from gamlib.plots.figures import STYLE, WIDTH, Picture, new_figure

COLORS = "inferno"
# Share of the colour over the grey photograph: enough to read the scale, little enough to recognise the object.
ALPHA = 0.7
MID_GREY = 0.6
BOX_COLORS = ("#38bdf8", "#4ade80", "#f472b6")


@dataclass(frozen=True, eq=False)
class Panel:
    """One field of a grid.

    image: photograph, (3, H, W) tensor with pixels in [0, 1] or PIL image, or None.
    saliency: map (h, w) in [0, 1], drawn over the grey photograph, or None. A map with a non-finite value is
    drawn as hatched grey with the words "not finite". title: at most two lines.
    boxes: (x0, y0, x1, y1) in pixels of the image (of the map where there is no image), half-open.
    """

    image: Tensor | Image.Image | None = None
    saliency: Tensor | None = None
    title: str = ""
    boxes: Sequence[tuple[float, float, float, float]] = ()


def class_name(categories: Sequence[str] | None, index: int) -> str:
    """What a figure calls a class: its name in `Model.categories`, or its number where the network has no names.

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
    """Panels in rows, with one colour bar for all maps. None leaves a field empty.

    rows: a label beside each row. columns: a heading over each column. note: small print below, e.g. the model.
    Errors: ValueError where there is no panel, or not one label a row or column.

    >>> grid([[Panel(saliency=torch.eye(7), title="a map")]], note="no model")
    Picture(2.9 x 2.5 inches)
    """
    across = max((len(row) for row in panels), default=0)
    if across == 0:
        raise ValueError("panels: got none; give at least one row with one panel")
    for name, labels, count in (("rows", rows, len(panels)), ("columns", columns, across)):
        if labels and len(labels) != count:
            raise ValueError(f"{name}: got {len(labels)} labels for {count} {name} of panels; give one each, or none")
    side = min(2.1, (WIDTH - 0.7) / across)
    titled = [any(panel is not None and panel.title for panel in row) for row in panels]
    lines = [max((panel.title.count("\n") + 1 for panel in row if panel), default=1) for row in panels]
    heights = [side + 0.2 * (count if has else 0) for has, count in zip(titled, lines, strict=True)]
    figure = new_figure(sum(heights) + 0.28 * bool(columns) + 0.22 * bool(note), side * across + 0.8)
    with mpl.rc_context(STYLE):
        fields = figure.subplots(len(panels), across, squeeze=False)
        for line, row in zip(fields, panels, strict=True):
            for position, field in enumerate(line):
                draw_panel(field, row[position] if position < len(row) else None)
        for field, label in zip(fields[:, 0], rows, strict=False):
            field.set_ylabel(label, visible=True)
        for field, label in zip(fields[0], columns, strict=False):
            title = field.get_title()
            field.set_title(f"{label}\n{title}" if title else label)
        if any(panel is not None and panel.saliency is not None for row in panels for panel in row):
            _colour_bar(figure, fields, shrink=min(1, 2.4 / sum(heights)))
        figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.01)
        if note:
            figure.supxlabel(note, fontsize=9, color="#555555")
    return Picture(figure, "jpeg")


def draw_panel(field: Axes, panel: Panel | None) -> None:
    """Draw one panel on an axes; None clears it."""
    field.set(xticks=[], yticks=[])
    field.spines[:].set_visible(False)
    if panel is None:
        return
    nearest = panel.image is None
    if panel.saliency is None:
        shown = None if nearest else _pixels(panel.image)
    elif not bool(panel.saliency.isfinite().all()):
        _draw_not_finite(field, panel)
        return
    else:
        shown = overlay(panel.image, panel.saliency)
    # the frame stays square: the networks see every photograph squeezed to their input size
    field.imshow(shown, aspect="auto", interpolation="nearest" if nearest else "antialiased")
    field.set_box_aspect(1)
    field.set_title(panel.title)
    for number, (x0, y0, x1, y1) in enumerate(panel.boxes):
        color = BOX_COLORS[number % len(BOX_COLORS)]
        field.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor=color, linewidth=1.8))


def overlay(image: Tensor | Image.Image | None, saliency: Tensor) -> np.ndarray:
    """The colours of a map over its grey photograph, as every grid shows it: (H, W, 3) float64 in [0, 1].

    image: photograph, (3, H, W) tensor with pixels in [0, 1] or PIL image; None lays the map over an even grey.
    saliency: finite map (h, w) in [0, 1], resized to the photograph.

    >>> overlay(None, torch.zeros(7, 7)).shape
    (7, 7, 3)
    """
    photograph = None if image is None else _pixels(image)
    values = saliency.detach().cpu().float().numpy()
    values = _resample(values, photograph.shape[:2] if photograph is not None else values.shape)
    under = np.full((*values.shape, 3), MID_GREY) if photograph is None else np.repeat(_grey(photograph), 3, axis=2)
    return _blend(under, values)


def shared_scale(*maps: Tensor) -> list[Tensor]:
    """Maps (h, w) >= 0 of one kind divided by their common maximum, so that their sizes can be compared.

    >>> shared_scale(torch.tensor([[4.0]]), torch.tensor([[2.0]]))
    [tensor([[1.]]), tensor([[0.5000]])]
    """
    peak = max(float(one.max()) for one in maps)
    return [one / peak if peak > 0 else one for one in maps]


def _colour_bar(figure: Figure, fields: np.ndarray, shrink: float) -> None:
    """The scale as it looks over mid-grey, since no map is drawn in its bare colours."""
    scale = ListedColormap(_blend(np.full((256, 3), MID_GREY), np.linspace(0, 1, 256)))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), scale), ax=fields, shrink=shrink, aspect=14, pad=0.015)
    bar.set_ticks((0, 0.5, 1))
    bar.outline.set_visible(False)


def _draw_not_finite(field: Axes, panel: Panel) -> None:
    field.set_box_aspect(1)
    field.add_patch(Rectangle((0, 0), 1, 1, transform=field.transAxes, facecolor="#d4d4d4", hatch="///", linewidth=0))
    label = field.text(0.5, 0.5, "not finite", transform=field.transAxes, ha="center", va="center", fontsize=10)
    label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 2})
    field.set_title(panel.title)


def _pixels(image: Tensor | Image.Image) -> np.ndarray:
    """(H, W, 3) float64 in [0, 1]."""
    if isinstance(image, Image.Image):
        return np.asarray(image.convert("RGB")) / 255
    return image.detach().cpu().clamp(0, 1).double().permute(1, 2, 0).expand(-1, -1, 3).numpy()


def _grey(photograph: np.ndarray) -> np.ndarray:
    """Luminance (H, W, 1) by the weights of ITU-R BT.709."""
    return photograph @ np.array([[0.2126], [0.7152], [0.0722]])


def _resample(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map to the size of its photograph, without values outside of its own range."""
    if values.shape == tuple(size):
        return values
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR))


def _blend(under: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Colour of `values` in [0, 1] over the grey `under` (..., 3)."""
    colour = mpl.colormaps[COLORS](np.clip(values, 0, 1))[..., :3]
    return (1 - ALPHA) * under + ALPHA * colour
