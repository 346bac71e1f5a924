"""Controls that switch between pictures drawn beforehand: they work in a notebook and, without Python, on a page.

A page of the book has no kernel, so nothing can be computed when a reader moves a control. Instead every picture
is there from the start, in a `Stack` that shows one of its children, and the control's index is linked to the
stack's inside the browser. Two controls are a stack of stacks: the first one chooses a row, the second one the
picture, in all rows at once.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import ipywidgets as widgets
import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from torch import Tensor

from gamlib.boxes import THRESHOLDS, Box, box_iou, largest_component_box
from gamlib.maps import min_max, resize
from gamlib.methods import layer_maps, saliency_maps
from gamlib.plots.figures import STYLE, title_of
from gamlib.plots.grids import Panel, draw_panel
from gamlib.traces import Trace

# Where 32 bits lose the map, both ends closely, and some of the wide range between.
SCORES = (*range(-110, -20, 10), 0, 30, 60, 80, 84, *(85 + step / 2 for step in range(9)), 92, 100)
SIDE = 224  # pixels of one picture: some 8 kB as JPEG
GAP = 6
Chooser = widgets.ToggleButtons | widgets.SelectionSlider


def explore_methods(
    images: Tensor, trace: Trace, methods: Sequence[str] = ("gam", "grad_cam", "grad_cam_pp_stable")
) -> widgets.VBox:
    """Choose a method and a depth n: the maps of all images of a trace, side by side.

    Parameters
    ----------
    images : Tensor
        (B, 3, H, W) pixels in [0, 1], see Model.pixels.
    trace : Trace
        Of the same B images, e.g. the two sides of a pair; its layers are the depths to choose from.
    methods : sequence of str
        Names in METHODS or VARIANTS.

    Raises
    ------
    ValueError
        Where there is not one image for each score of the trace, or a method is unknown.

    Examples
    --------
    >>> import gamlib
    >>> trace = gamlib.Trace(torch.ones(1), (gamlib.Layer("L", *torch.rand(2, 1, 8, 7, 7)),), size=(32, 32))
    >>> explore_methods(torch.rand(1, 3, 32, 32), trace).children[1].options[0]
    ('GAM', 'gam')
    """
    if len(images) != len(trace.score):
        raise ValueError(f"images: got {len(images)} for a trace of {len(trace.score)}; give the images of the trace")
    depths = range(1, len(trace.layers) + 1)
    maps = saliency_maps(trace, methods, depths)
    method = widgets.ToggleButtons(options=[(title_of(name), name) for name in methods], description="Method")
    depth = widgets.SelectionSlider(options=[(str(n), n) for n in depths], description="Layers n")

    def frame(name: str, n: int) -> str:
        panels = [Panel(image, saliency) for image, saliency in zip(images, maps[name, n], strict=True)]
        shown = f"{title_of(name)}, n = {n}"
        return _frame(panels, f"Maps of {shown}", f"{shown}: {', '.join(layer.name for layer in trace.layers[:n])}.")

    rows = [_switch(depth, _pages([frame(name, n) for n in depths])) for name in methods]
    about = "The maps of the chosen method, over the last n layers. All are on the same scale from 0 to 1."
    return _explorer(about, [method, depth], _switch(method, rows))


def explore_threshold(
    image: Tensor, maps: Mapping[str, Tensor], truth: Box | None = None, thresholds: Sequence[float] = THRESHOLDS
) -> widgets.VBox:
    """Choose a map and a threshold: the pixels at or above it, the box of their largest region, the true box.

    Parameters
    ----------
    image : Tensor
        (3, H, W) pixels in [0, 1].
    maps : mapping
        Name -> map (H, W) in [0, 1].
    truth : box, optional
        The true box (x0, y0, x1, y1), half-open, in pixels of the map.
    thresholds : sequence of float
        In [0, 1].

    Examples
    --------
    >>> explorer = explore_threshold(torch.rand(3, 32, 32), {"a ramp": torch.linspace(0, 1, 32).expand(32, 32)})
    >>> explorer.children[2].options[0]
    ('0.01', 0.01)
    """
    name = widgets.ToggleButtons(options=list(maps), description="Map")
    threshold = widgets.SelectionSlider(options=[(f"{t:.2f}", t) for t in thresholds], description="Threshold")
    truths = [] if truth is None else [truth]

    def frame(saliency: Tensor, at: float) -> str:
        box = largest_component_box(saliency, at)
        light = torch.where(saliency.isfinite(), (saliency >= at).float(), saliency)
        caption = f"Threshold {at:.2f}: box {box}" if box else f"Threshold {at:.2f}: no pixel reaches it, no box"
        if truth is not None:
            caption += f", IoU with the true box {box_iou(box, truth):.2f}"
        panel = Panel(image, light, truths=truths, found=box)
        return _frame([panel], "Pixels at or above the threshold, with boxes", caption + ".")

    rows = [_switch(threshold, _pages([frame(saliency, t) for t in thresholds])) for saliency in maps.values()]
    about = "Light: pixels of the map at or above the threshold. Orange box: around their largest region."
    if truth is not None:
        about += " White box: the true one."
    return _explorer(about, [name, threshold], _switch(name, rows))


def explore_exponent(image: Tensor, trace: Trace, scores: Sequence[float] = SCORES) -> widgets.VBox:
    """Choose a score: the map of Grad-CAM++ as published, in 32 bits, beside the closed form without exponential.

    Parameters
    ----------
    image : Tensor
        (3, H, W) pixels in [0, 1].
    trace : Trace
        Of this one image; its activations and gradients stay, its score is replaced.
    scores : sequence of float
        Those to choose from; the trace's own is added.

    Raises
    ------
    ValueError
        Where the trace is not of one image.
    """
    if len(trace.score) != 1:
        raise ValueError(f"trace: got one of {len(trace.score)} images; give one image, e.g. trace[:1]")
    trace = replace(trace, layers=trace.layers[:1])
    own = round(float(trace.score), 1)
    choices = sorted({*map(float, scores), own})
    labels = [f"{s:g} (its own)" if s == own else f"{s:g}" for s in choices]
    score = widgets.SelectionSlider(options=list(zip(labels, choices, strict=True)), value=own, description="Score s")
    closed = saliency_maps(trace, ["grad_cam_pp_stable"], [1])["grad_cam_pp_stable", 1][0]
    peak = float(layer_maps(trace.to(torch.float64), "grad_cam_pp_stable", 1)[0].max())

    def frame(value: float) -> tuple[str, str]:
        shifted = replace(trace, score=torch.full_like(trace.score, value))
        saliency = min_max(resize(layer_maps(shifted, "grad_cam_pp", 1)[0], trace.size))[0]
        picture = _img([Panel(image, saliency)], "Map of Grad-CAM++ in 32 bits at the chosen score")
        if not bool(saliency.isfinite().all()):
            fate = "not finite: the map is lost"
        else:
            fate = f"finite; largest difference from the closed form {float((saliency - closed).abs().max()):.1g}"
        return picture, f"<p>s = {value:g}: {fate}.</p>"

    pictures, captions = zip(*map(frame, choices), strict=True)
    limit = 128 * math.log(2) - (math.log(peak) if peak > 0 else -math.inf)
    about = (
        "Left: Grad-CAM++ as published, in 32 bits, with the score moved and nothing else. Right: its closed form, "
        f"which does not know the score. The limit predicted for this map: s = {limit:.1f}."
    )
    fixed = widgets.HTML(_img([Panel(image, closed)], "Map of Grad-CAM++ in closed form"))
    sides = (_switch(score, _pages(pictures)), fixed)
    for side in sides:
        side.layout = widgets.Layout(width="50%", max_width=f"{SIDE + GAP}px")
    return _explorer(about, [score], widgets.HBox(sides), _switch(score, _pages(captions)))


def _explorer(about: str, controls: Sequence[Chooser], *shown: widgets.Widget) -> widgets.VBox:
    for control in controls:
        control.style.description_width = "5.5em"
        control.layout = widgets.Layout(width="100%", max_width="30em")
        if isinstance(control, widgets.ToggleButtons):
            control.style.button_width = "auto"
    return widgets.VBox([widgets.HTML(f"<p>{html.escape(about)}</p>"), *controls, *shown])


def _switch(control: Chooser, frames: Sequence[widgets.Widget]) -> widgets.Stack:
    """The frame whose number is the control's index; the link works without a kernel."""
    stack = widgets.Stack(children=frames, selected_index=control.index)
    widgets.jslink((control, "index"), (stack, "selected_index"))
    return stack


def _pages(sources: Sequence[str]) -> list[widgets.HTML]:
    """A widget for each piece of HTML, the same one where the piece is: the page holds every widget's state.

    Unlike widgets.Image, HTML can give a picture a text for those who do not see it.
    """
    first = widgets.HTML(sources[0])
    made = {sources[0]: first}
    for source in sources:
        if source not in made:
            made[source] = widgets.HTML(source, layout=first.layout, style=first.style)
    return [made[source] for source in sources]


def _frame(panels: Sequence[Panel], alt: str, caption: str) -> str:
    return f"{_img(panels, alt)}<p>{html.escape(caption)}</p>"


def _img(panels: Sequence[Panel], alt: str) -> str:
    """An HTML picture of panels side by side, as a small JPEG inside its own address."""
    width = (SIDE + GAP) * len(panels) - GAP
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure = Figure((width / 100, SIDE / 100), dpi=100)
        for number, panel in enumerate(panels):
            draw_panel(figure.add_axes(((SIDE + GAP) * number / width, 0, SIDE / width, 1)), panel)
        figure.savefig(buffer, format="jpeg", facecolor="white", pil_kwargs={"quality": 70, "optimize": True})
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{html.escape(alt)}" style="max-width:100%;height:auto">'
