"""Figures of the book in one style: grids of photographs and maps, charts."""

from gamlib.plots.charts import Series, bars, chart
from gamlib.plots.figures import STYLE, WIDTH, Picture, new_figure, title_of
from gamlib.plots.grids import BOX_COLORS, Panel, class_name, draw_panel, grid, overlay, shared_scale

__all__ = [
    "BOX_COLORS",
    "STYLE",
    "WIDTH",
    "Panel",
    "Picture",
    "Series",
    "bars",
    "chart",
    "class_name",
    "draw_panel",
    "grid",
    "new_figure",
    "overlay",
    "shared_scale",
    "title_of",
]
