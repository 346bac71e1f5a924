"""Explorers: the method and its depth, the threshold of a box, the score in an exponential, to turn on a page."""

from __future__ import annotations

import base64
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

import matplotlib as mpl
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from torch import Tensor

from gamlib.boxes import THRESHOLDS, Box, box_iou, largest_component_box
from gamlib.maps import min_max, resize
from gamlib.methods import layer_maps, saliency_maps
from gamlib.plots.colors import scale_colors
from gamlib.plots.figures import STYLE, title_of
from gamlib.plots.frames import Chooser, Explorer, Place
from gamlib.plots.grids import Panel, draw_panel
from gamlib.traces import Trace

# Where 32 bits lose the map, both ends closely, and some of the wide range between.
SCORES = (*range(-110, -20, 10), 0, 30, 60, 80, 84, *(85 + step / 2 for step in range(9)), 92, 100)
SIDE, GAP = 224, 6  # pixels of one picture, some 6 kB as WebP, and between two


def explore_methods(
    images: Mapping[str, Tensor],
    traces: Mapping[str, Mapping[str, Trace]],
    methods: Sequence[str] = ("gam", "grad_cam", "grad_cam_pp_stable"),
    depths: Sequence[int] | None = None,
) -> Explorer:
    """Choose among images, scores, methods and depths n: the maps, below the images without a map.

    Parameters
    ----------
    images : mapping
        Name -> (B, 3, H, W) pixels in [0, 1], see Model.pixels; e.g. the two sides of a pair.
    traces : mapping
        The same names -> name of a score -> trace of these B images.
    methods : sequence of str
        Names in METHODS or VARIANTS.
    depths : sequence of int, optional
        Numbers of layers, counted from the last; by default all that the traces have.

    Raises
    ------
    ValueError
        Where there is not one image for each score of a trace, not the same scores for all images, or a method is
        unknown.

    Examples
    --------
    >>> import gamlib
    >>> trace = gamlib.Trace(torch.ones(1), (gamlib.Layer("L", *torch.rand(2, 1, 8, 7, 7)),), size=(32, 32))
    >>> explore_methods({"noise": torch.rand(1, 3, 32, 32)}, {"noise": {"class": trace}})
    Explorer(Images: 1, Score: 1, Method: 3, Layers n: 1)
    """
    scores = list(next(iter(traces.values())))
    for name, of_scores in traces.items():
        if list(of_scores) != scores:
            raise ValueError(f"traces: got {list(of_scores)} for '{name}'; give the same scores for all: {scores}")
        for trace in of_scores.values():
            given, traced = len(images[name]), len(trace.score)
            if given != traced:
                raise ValueError(
                    f"images: got {given} of '{name}' for a trace of {traced}; give the images of the trace"
                )
    depths = depths or range(1, 1 + min(len(trace.layers) for each in traces.values() for trace in each.values()))
    plain: dict[Place, str] = {
        (i, None, None, None): _img([*map(Panel, batch)], name) for i, (name, batch) in enumerate(images.items())
    }
    frames: dict[Place, str] = {}
    for (i, name), (j, score) in itertools.product(enumerate(images), enumerate(scores)):
        trace = traces[name][score]
        maps = saliency_maps(trace, methods, depths)
        for (k, method), (m, n) in itertools.product(enumerate(methods), enumerate(depths)):
            shown = f"{title_of(method)}, n = {n}"
            layers = f"layer{'s' * (n > 1)} {', '.join(layer.name for layer in trace.layers[:n])}"
            values = " and ".join(dict.fromkeys(f"{float(value):.3g}" for value in trace.score))
            panels = [*map(Panel, images[name], maps[method, n])]
            frames[i, j, k, m] = _frame(panels, f"Maps of {shown}", f"{shown} ({layers}); {score} {values}.")
    controls = [
        Chooser("Images", list(images)),
        Chooser("Score", scores),
        Chooser("Method", [title_of(method) for method in methods]),
        Chooser("Layers n", list(map(str, depths)), slider=True),
    ]
    about = "Above: what the network sees. Below: the maps of the chosen method, over the last n layers."
    return Explorer(about, controls, [plain, frames, {(None,) * 4: _scale()}])


def explore_threshold(image: Tensor, maps: Mapping[str, Tensor], truth: Box | None = None) -> Explorer:
    """Choose a map and a threshold: the pixels at or above it, the box of their largest region, the true box.

    Parameters
    ----------
    image : Tensor
        (3, H, W) pixels in [0, 1].
    maps : mapping
        Name -> map (H, W) in [0, 1].
    truth : box, optional
        The true box (x0, y0, x1, y1), half-open, in pixels of the map.

    Examples
    --------
    >>> explore_threshold(torch.rand(3, 32, 32), {"a ramp": torch.linspace(0, 1, 32).expand(32, 32)})
    Explorer(Map: 1, Threshold: 23)
    """
    truths = [] if truth is None else [truth]

    def frame(saliency: Tensor, at: float) -> str:
        box = largest_component_box(saliency, at)
        light = torch.where(saliency.isfinite(), (saliency >= at).float(), saliency)
        caption = f"Threshold {at:.2f}: box {box}" if box else f"Threshold {at:.2f}: no pixel reaches it, no box"
        if truth is not None:
            caption += f", IoU with the true box {box_iou(box, truth):.2f}"
        panels = [Panel(image, saliency), Panel(image, light, truths=truths, found=box)]
        return _frame(panels, "The map; its pixels at or above the threshold, with boxes", caption + ".")

    frames: dict[Place, str] = {
        (i, j): frame(saliency, at) for i, saliency in enumerate(maps.values()) for j, at in enumerate(THRESHOLDS)
    }
    about = "Left: the map. Right, light: its pixels at or above the threshold. Orange: the box of their largest region"
    about += "." if truth is None else ". White: the true box."
    levels = Chooser("Threshold", [f"{at:.2f}" for at in THRESHOLDS], len(THRESHOLDS) // 2, slider=True)
    return Explorer(about, [Chooser("Map", list(maps)), levels], [frames, {(None, None): _scale()}])


def explore_exponent(image: Tensor, trace: Trace) -> Explorer:
    """Choose a score: the map of Grad-CAM++ as published, in 32 bits, beside the closed form without exponential.

    Parameters
    ----------
    image : Tensor
        (3, H, W) pixels in [0, 1].
    trace : Trace
        Of this one image; its activations and gradients stay, its score is replaced.

    Raises
    ------
    ValueError
        Where the trace is not of one image.
    """
    if len(trace.score) != 1:
        raise ValueError(f"trace: got one of {len(trace.score)} images; give one image, e.g. trace[:1]")
    trace = replace(trace, layers=trace.layers[:1])
    own = round(float(trace.score), 1)
    choices = sorted({*map(float, SCORES), own})
    closed = saliency_maps(trace, ["grad_cam_pp_stable"], [1])["grad_cam_pp_stable", 1][0]
    # the enlarged map overshoots, and from its highest value the lowest is taken
    enlarged = resize(layer_maps(trace.to(torch.float64), "grad_cam_pp_stable", 1)[0], trace.size)
    reach = float(enlarged.max() - enlarged.min().clamp(max=0))

    def frame(value: float) -> tuple[str, str]:
        shifted = replace(trace, score=torch.full_like(trace.score, value))
        saliency = min_max(resize(layer_maps(shifted, "grad_cam_pp", 1)[0], trace.size))[0]
        gap = float((saliency - closed).abs().max())
        finite = f"finite; largest difference from the closed form {gap:.1g}"
        fate = finite if math.isfinite(gap) else "not finite: the map is lost"
        alt = "Grad-CAM++ in 32 bits at the chosen score, and in closed form"
        return _img([Panel(image, saliency), Panel(image, closed)], alt), f"<p>s = {value:g}: {fate}.</p>"

    pictures, captions = zip(*map(frame, choices), strict=True)
    limit = 128 * math.log(2) - (math.log(reach) if reach > 0 else -math.inf)
    about = (
        "Left: Grad-CAM++ as published, in 32 bits, with the score moved and nothing else. Right: its closed form, "
        f"which does not know the score. The limit predicted for this map: s = {limit:.1f}."
    )
    labels = [f"{s:g} (its own)" if s == own else f"{s:g}" for s in choices]
    parts: list[dict[Place, str]] = [{(i,): piece for i, piece in enumerate(pieces)} for pieces in (pictures, captions)]
    return Explorer(about, [Chooser("Score s", labels, choices.index(own), slider=True)], [*parts, {(None,): _scale()}])


def _frame(panels: Sequence[Panel], alt: str, caption: str) -> str:
    return f"{_img(panels, alt)}<p>{escape(caption)}</p>"


def _img(panels: Sequence[Panel], alt: str) -> str:
    """An HTML picture of panels side by side, as a small WebP inside its own address."""
    width = (SIDE + GAP) * len(panels) - GAP
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure = Figure((width / 100, SIDE / 100), dpi=100)
        for number, panel in enumerate(panels):
            draw_panel(figure.add_axes(((SIDE + GAP) * number / width, 0, SIDE / width, 1)), panel)
        figure.savefig(buffer, format="webp", dpi=100, facecolor="white", pil_kwargs={"quality": 55})
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/webp;base64,{data}" alt="{escape(alt)}" style="max-width:100%;height:auto">'


def _scale() -> str:
    """The colours of maps over mid-grey, from 0 to 1."""
    stops = ", ".join(map(to_hex, scale_colors(9)))
    bar = f"display:inline-block;width:12em;height:0.8em;background:linear-gradient(to right, {stops})"
    return f'<p>0 <span role="img" aria-label="colour scale from 0 to 1" style="{bar}"></span> 1</p>'
