"""How a figure of the book looks and how it is kept: one theme, one colour a role, pictures that save themselves.

Drawn without pyplot, so nothing is left open. JPEG for photographs (a fifth of the PNG), PNG for charts.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image

from gamlib.controls import CONTROLS
from gamlib.methods import METHODS
from gamlib.names import check_name

# Put in force while something is drawn (`matplotlib.rc_context`), never at import.
STYLE: dict[Any, Any] = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper", font_scale=1.2),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 120,
    # two pixels of a screen of double density for each of the column's
    "savefig.dpi": 220,
    # whatever fonts a machine has, its figures are the same
    "font.sans-serif": ["DejaVu Sans"],
    "hatch.color": "#8a8a8a",
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
}
WIDTH = 6.2  # inches
# The roles of boxes: apart for readers with any colour vision, and with a dark rim on light and on dark.
TRUE_BOX = "#ffffff"
FOUND_BOX = "#ff8c1a"
GREYS = dict(zip(CONTROLS, sns.color_palette("Greys_d", len(CONTROLS)).as_hex(), strict=True))


def title_of(name: str, titles: Mapping[str, str] | None = None) -> str:
    """What figures and tables call a method or a control; any other name, and what `titles` renames, as given.

    Examples
    --------
    >>> title_of("gam"), title_of("constant_box"), title_of("gam_max")
    ('GAM', 'constant box', 'gam_max')
    """
    known = {key: each.title for key, each in (METHODS | CONTROLS).items()} | dict(titles or {})
    return known.get(name, name)


def color_of(name: str) -> str:
    """Colour of a method or a control in every chart, as "#rrggbb"; controls are greys.

    Raises
    ------
    ValueError
        For a name in neither METHODS nor CONTROLS.

    Examples
    --------
    >>> color_of("gam"), color_of("blank")
    ('#0072b2', '#a7a7a7')
    """
    check_name("name", name, [*METHODS, *GREYS])
    return METHODS[name].color if name in METHODS else GREYS[name]


class Picture:
    """A finished figure: shows itself in a notebook and saves itself as a file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    kind : str
        "jpeg" for photographs, "png" for charts.
    """

    def __init__(self, figure: Figure, kind: str = "png") -> None:
        self.figure = figure
        self.kind = kind

    def encoded(self, kind: str | None = None) -> bytes:
        """The figure as the bytes of a file of its own or the given kind."""
        kind = kind or self.kind
        drawn, buffer = io.BytesIO(), io.BytesIO()
        with mpl.rc_context(STYLE):
            self.figure.savefig(drawn, format="png", bbox_inches="tight", pad_inches=0.06, facecolor="white")
        image = Image.open(drawn).convert("RGB")
        if kind == "png":
            # photographs in true colour would take four times the space; this method keeps the white white
            image = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=3)
            image.save(buffer, format="png", optimize=True)
        else:
            image.save(buffer, format="jpeg", quality=76, optimize=True)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write the figure; the suffix (.png, .jpg) says how.

        Raises
        ------
        ValueError
            For another suffix.
        """
        kind = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}.get(Path(path).suffix)
        if kind is None:
            raise ValueError(f"path: got '{path}'; accepted suffixes: .png, .jpg")
        Path(path).write_bytes(self.encoded(kind))

    def html(self, alt: str) -> str:
        """The figure as an <img> that needs no file beside it, with its text for those who do not see it."""
        return f'<img src="data:image/{self.kind};base64,{self._base64()}" alt="{escape(alt)}">'

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {f"image/{self.kind}": self._base64(), "text/plain": repr(self)}

    def _base64(self) -> str:
        return base64.b64encode(self.encoded()).decode()

    def __repr__(self) -> str:
        width, height = self.figure.get_size_inches()
        return f"Picture({width:.1f} x {height:.1f} inches)"


def new_figure(height: float, width: float = WIDTH, note: str = "") -> Figure:
    """An empty figure in the style of the book; draw on it within `rc_context(STYLE)`, then show `Picture(figure)`.

    height, width: inches, without the note. note: small print below, e.g. the model; wrapped to the width.
    """
    note = textwrap.fill(note, int(14.5 * width))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height + 0.18 * (note.count("\n") + bool(note))), layout="constrained")
        if note:
            figure.supxlabel(note, fontsize=9, color="#555555")
    return figure
