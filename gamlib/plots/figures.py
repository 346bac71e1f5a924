"""How a figure of the book looks and how it is kept: one style, and pictures that show and save themselves.

Drawn without pyplot, so nothing is left open. JPEG for photographs (a fifth of the PNG), PNG for charts.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from gamlib.controls import CONTROLS
from gamlib.methods import METHODS

STYLE = {
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10.5,
    "figure.dpi": 120,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "hatch.color": "#8a8a8a",
    "hatch.linewidth": 0.6,
}
WIDTH = 6.2  # inches


def title_of(name: str) -> str:
    """What figures and tables call a method or a control; any other name as it is.

    >>> title_of("gam"), title_of("constant_box"), title_of("gam_max")
    ('GAM', 'constant box', 'gam_max')
    """
    known = METHODS | CONTROLS
    return known[name].title if name in known else name


class Picture:
    """A finished figure: shows itself in a notebook and saves itself as a file."""

    def __init__(self, figure: Figure, kind: str = "png"):
        """kind: "jpeg" for photographs, "png" for charts."""
        self.figure = figure
        self.kind = kind

    def encoded(self, kind: str | None = None) -> bytes:
        """The figure as the bytes of a PNG or JPEG file."""
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
            image.save(buffer, format="jpeg", quality=82, optimize=True)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write the figure; the suffix (.png, .jpg) says how."""
        kind = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}.get(Path(path).suffix)
        if kind is None:
            raise ValueError(f"path: got '{path}'; accepted suffixes: .png, .jpg")
        Path(path).write_bytes(self.encoded(kind))

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {f"image/{self.kind}": base64.b64encode(self.encoded()).decode(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        width, height = self.figure.get_size_inches()
        return f"Picture({width:.1f} x {height:.1f} inches)"


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure in the style of the book, in inches; draw on it, then show `Picture(figure)`."""
    with mpl.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")
