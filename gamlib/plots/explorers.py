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
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gamlib.boxes import THRESHOLDS, Box, box_iou, largest_component_box
from gamlib.maps import min_max, resize
from gamlib.methods import layer_maps, saliency_maps
from gamlib.plots.figures import title_of
from gamlib.plots.grids import BOX_COLORS, overlay
from gamlib.traces import Trace

# Where 32 bits lose the map, both ends closely, and some of the wide range between.
SCORES = (*range(-110, -20, 10), 0, 30, 60, 80, 84, *(85 + step / 2 for step in range(9)), 92, 100)
SIDE = 224  # pixels of one picture: some 8 kB as JPEG
GAP = 6


def explore_methods(
    images: Tensor, trace: Trace, methods: Sequence[str] = ("gam", "grad_cam", "grad_cam_pp_stable")
) -> widgets.VBox:
    """Choose a method and a depth n: the maps of all images of a trace, side by side.

    images: (B, 3, H, W) pixels in [0, 1], see Model.pixels. trace: of the same B images, e.g. the two sides of
    a pair; its layers are the depths to choose from. methods: names in METHODS.
    Errors: ValueError where there is not one image for each score of the trace, or a method is unknown.

    >>> pair = gamlib.trace(model, x, [gamlib.Cosine([(0, 1)])], layers=3)[0]  # doctest: +SKIP
    >>> explore_methods(model.pixels(x), pair)                                 # doctest: +SKIP
    """
    if len(images) != len(trace.score):
        raise ValueError(f"images: got {len(images)} for a trace of {len(trace.score)}; give the images of the trace")
    depths = range(1, len(trace.layers) + 1)
    maps = saliency_maps(trace, methods, depths)
    method = widgets.ToggleButtons(options=[(title_of(name), name) for name in methods], description="Method")
    depth = widgets.SelectionSlider(options=[(str(n), n) for n in depths], description="Layers n")

    def frame(name: str, n: int) -> str:
        tiles = [_tile(image, saliency) for image, saliency in zip(images, maps[name, n], strict=True)]
        shown = f"{title_of(name)}, n = {n}"
        return _frame(tiles, f"Maps of {shown}", f"{shown}: {', '.join(layer.name for layer in trace.layers[:n])}.")

    rows = [_switch(depth, _pages([frame(name, n) for n in depths])) for name in methods]
    about = "The maps of the chosen method, over the last n layers. All are on the same scale from 0 to 1."
    return _explorer(about, [method, depth], _switch(method, rows))


def explore_threshold(
    image: Tensor, maps: Mapping[str, Tensor], truth: Box | None = None, thresholds: Sequence[float] = THRESHOLDS
) -> widgets.VBox:
    """Choose a map and a threshold: the pixels at or above it, the box of their largest region, the true box.

    image: (3, H, W) pixels in [0, 1]. maps: name -> (H, W) in [0, 1]. truth: the true box (x0, y0, x1, y1) in
    pixels of the map, half-open; None where it is not known. thresholds: in [0, 1].
    """
    name = widgets.ToggleButtons(options=list(maps), description="Map")
    threshold = widgets.SelectionSlider(options=[(f"{t:.2f}", t) for t in thresholds], description="Threshold")

    def frame(saliency: Tensor, at: float) -> str:
        box = largest_component_box(saliency, at)
        tile = _tile(image, torch.where(saliency.isfinite(), (saliency >= at).float(), saliency))
        height, width = saliency.shape[-2:]
        _draw_boxes(tile, box, truth, SIDE / width, SIDE / height)
        caption = f"Threshold {at:.2f}: box {box}" if box else f"Threshold {at:.2f}: no pixel reaches it, no box"
        if truth is not None:
            caption += f", IoU with the true box {box_iou(box, truth):.2f}"
        return _frame([tile], "Pixels at or above the threshold, with boxes", caption + ".")

    rows = [_switch(threshold, _pages([frame(saliency, t) for t in thresholds])) for saliency in maps.values()]
    about = "Light: pixels of the map at or above the threshold. Blue box: around their largest region."
    if truth is not None:
        about += " Dashed green box: the true one."
    return _explorer(about, [name, threshold], _switch(name, rows))


def explore_exponent(image: Tensor, trace: Trace, scores: Sequence[float] = SCORES) -> widgets.VBox:
    """Choose a score: the map of Grad-CAM++ as published, in 32 bits, beside the closed form without exponential.

    image: (3, H, W) pixels in [0, 1]. trace: of this one image; its activations and gradients stay, its score is
    replaced. scores: those to choose from; the trace's own is added.
    Errors: ValueError where the trace is not of one image.
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
        picture = _img([_tile(image, saliency)], "Map of Grad-CAM++ in 32 bits at the chosen score")
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
    fixed = widgets.HTML(_img([_tile(image, closed)], "Map of Grad-CAM++ in closed form"))
    sides = (_switch(score, _pages(pictures)), fixed)
    for side in sides:
        side.layout = widgets.Layout(width="50%", max_width=f"{SIDE + GAP}px")
    return _explorer(about, [score], widgets.HBox(sides), _switch(score, _pages(captions)))


def _explorer(about: str, controls: Sequence[widgets.Widget], *shown: widgets.Widget) -> widgets.VBox:
    for control in controls:
        control.style.description_width = "5.5em"
        control.layout = widgets.Layout(width="100%", max_width="30em")
        if isinstance(control, widgets.ToggleButtons):
            control.style.button_width = "auto"
    return widgets.VBox([widgets.HTML(f"<p>{html.escape(about)}</p>"), *controls, *shown])


def _switch(control: widgets.Widget, frames: Sequence[widgets.Widget]) -> widgets.Stack:
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


def _frame(tiles: Sequence[Image.Image], alt: str, caption: str) -> str:
    return f"{_img(tiles, alt)}<p>{html.escape(caption)}</p>"


def _img(tiles: Sequence[Image.Image], alt: str) -> str:
    """An HTML picture of tiles side by side, as a small JPEG inside its own address."""
    sheet = Image.new("RGB", ((SIDE + GAP) * len(tiles) - GAP, SIDE), "white")
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number * (SIDE + GAP), 0))
    buffer = io.BytesIO()
    sheet.save(buffer, format="jpeg", quality=70, optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{html.escape(alt)}" style="max-width:100%;height:auto">'


def _tile(image: Tensor, saliency: Tensor) -> Image.Image:
    """A map over its grey photograph, or a field that says that the map is not finite."""
    if bool(saliency.isfinite().all()):
        pixels = np.round(overlay(image, saliency) * 255).astype(np.uint8)
        return Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    tile = Image.new("RGB", (SIDE, SIDE), "#d4d4d4")
    draw = ImageDraw.Draw(tile)
    for start in range(-SIDE, SIDE, 12):
        draw.line((start, SIDE, start + SIDE, 0), fill="#b0b0b0")
    middle, font = (SIDE / 2, SIDE / 2), ImageFont.load_default(18)
    draw.rectangle(draw.textbbox(middle, " not finite ", font, anchor="mm"), fill="white")
    draw.text(middle, "not finite", "black", font, anchor="mm")
    return tile


def _draw_boxes(tile: Image.Image, found: Box | None, truth: Box | None, x_scale: float, y_scale: float) -> None:
    """The found box solid, the true one dashed; both with a dark rim, so that they show on light and dark."""
    draw = ImageDraw.Draw(tile)
    for box, color, dash in ((truth, BOX_COLORS[1], 8), (found, BOX_COLORS[0], None)):
        if box is None:
            continue
        x0, y0, x1, y1 = (round(v * s) for v, s in zip(box, (x_scale, y_scale) * 2, strict=True))
        x1, y1 = x1 - 1, y1 - 1
        for width, ink in ((4, "black"), (2, color)):
            for start, end in (((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x0, y1), (x1, y1)), ((x0, y0), (x0, y1))):
                for part in _dashes(start, end, dash):
                    draw.line(part, fill=ink, width=width)


def _dashes(start: tuple[int, int], end: tuple[int, int], dash: int | None) -> list[tuple[float, ...]]:
    """The line from start to end, or every other piece of it."""
    if dash is None:
        return [(*start, *end)]
    (x0, y0), (x1, y1) = start, end
    pieces = max(1, round(max(abs(x1 - x0), abs(y1 - y0)) / dash)) | 1  # odd: dashes at both ends
    at = [i / pieces for i in range(pieces + 1)]
    point = [(x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in at]
    return [(*point[i], *point[i + 1]) for i in range(0, pieces, 2)]
