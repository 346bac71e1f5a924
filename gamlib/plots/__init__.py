"""Figures of the book in one style: grids of photographs and maps, charts."""

from gamlib.plots.charts import bars, intervals, lines, swarms
from gamlib.plots.colors import overlay
from gamlib.plots.figures import Picture, color_of, title_of
from gamlib.plots.grids import Panel, class_name, grid

__all__ = [
    "Panel",
    "Picture",
    "bars",
    "class_name",
    "color_of",
    "grid",
    "intervals",
    "lines",
    "overlay",
    "swarms",
    "title_of",
]
