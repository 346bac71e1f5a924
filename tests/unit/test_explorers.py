"""Explorers: what each control is linked to, and what stands in each picture."""

import base64
import io
import math
import re

import ipywidgets
import numpy as np
import pytest
import torch
from ipywidgets.embed import embed_data
from PIL import Image

from gamlib.boxes import THRESHOLDS, box_iou, largest_component_box
from gamlib.plots import explorers
from gamlib.plots.explorers import SCORES, explore_exponent, explore_methods, explore_threshold
from gamlib.traces import Layer, Trace


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    ipywidgets.Widget.close_all()


def made_trace(images: int, score: float = 0.5) -> Trace:
    """Two layers of random activations and positive gradients."""
    drawn = torch.Generator().manual_seed(0)
    sides = {"late": 4, "early": 8}
    layers = (
        Layer(name, *(torch.rand(images, 3, side, side, generator=drawn) for _ in range(2)))
        for name, side in sides.items()
    )
    return Trace(torch.full((images,), score), tuple(layers), (32, 32))


def links(explorer: ipywidgets.Widget) -> set[tuple[str, str, str, str]]:
    """The links of the page's own state: (model, trait) of the control and (model, trait) of what it drives."""
    state = embed_data([explorer])["manager_state"]["state"]
    found = [s["state"] for s in state.values() if s["model_name"] == "LinkModel"]
    name = re.compile("IPY_MODEL_(.*)")
    ends = [[(name.match(end[0])[1], end[1]) for end in (s["source"], s["target"])] for s in found]
    return {(*source, *target) for source, target in ends}


def text(page: ipywidgets.HTML) -> str:
    return re.search("<p>(.*)</p>", page.value)[1]


def pixels(page: ipywidgets.HTML) -> np.ndarray:
    data = base64.b64decode(re.search('base64,([^"]*)', page.value)[1])
    assert len(data) < 25_000
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)


def test_methods_has_a_picture_for_each_method_and_depth():
    _, method, depth, stack = explore_methods(torch.rand(2, 3, 32, 32), made_trace(2), ["gam", "grad_cam"]).children
    assert [label for label, _ in method.options] == ["GAM", "Grad-CAM"]
    assert [label for label, _ in depth.options] == ["1", "2"]
    assert [[text(page) for page in row.children] for row in stack.children] == [
        ["GAM, n = 1: late.", "GAM, n = 2: late, early."],
        ["Grad-CAM, n = 1: late.", "Grad-CAM, n = 2: late, early."],
    ]
    assert (stack.selected_index, [row.selected_index for row in stack.children]) == (0, [0, 0])
    # two pictures of 224 pixels and the gap between them
    assert pixels(stack.children[0].children[0]).shape == (224, 454, 3)


def test_the_method_chooses_the_row_and_the_depth_the_picture_in_all_rows():
    explorer = explore_methods(torch.rand(1, 3, 32, 32), made_trace(1), ["gam", "grad_cam"])
    _, method, depth, stack = explorer.children
    assert links(explorer) == {
        (method.model_id, "index", stack.model_id, "selected_index"),
        *((depth.model_id, "index", row.model_id, "selected_index") for row in stack.children),
    }


def test_every_picture_has_an_alternative_text_and_every_control_a_description():
    explorer = explore_methods(torch.rand(1, 3, 32, 32), made_trace(1), ["gam"])
    about, method, depth, stack = explorer.children
    assert "over the last n layers" in about.value
    assert (method.description, depth.description) == ("Method", "Layers n")
    assert 'alt="Maps of GAM, n = 2"' in stack.children[0].children[1].value


def test_methods_wants_the_images_of_the_trace():
    with pytest.raises(ValueError, match="images: got 1 for a trace of 2; give the images of the trace"):
        explore_methods(torch.rand(1, 3, 32, 32), made_trace(2))


def test_an_unknown_method_is_refused_before_anything_is_drawn(monkeypatch):
    monkeypatch.setattr(explorers, "draw_panel", None)
    with pytest.raises(ValueError, match="method: unknown 'unknown'; accepted: gam, grad_cam, "):
        explore_methods(torch.rand(2, 3, 32, 32), made_trace(2), ["gam", "unknown"])


def ramp() -> torch.Tensor:
    """A map that falls from 1 at the left to 0 at the right."""
    return torch.linspace(1, 0, 32).expand(32, 32)


def test_threshold_states_the_box_and_its_iou():
    truth = (0, 0, 16, 32)
    _, name, threshold, stack = explore_threshold(torch.rand(3, 32, 32), {"ramp": ramp()}, truth).children
    (row,) = stack.children
    assert [value for _, value in threshold.options] == list(THRESHOLDS)
    for at, page in zip(THRESHOLDS, row.children, strict=True):
        box = largest_component_box(ramp(), at)
        assert text(page) == f"Threshold {at:.2f}: box {box}, IoU with the true box {box_iou(box, truth):.2f}."
    # by hand: 31 steps from 1 to 0; 16 columns are at or above a half, which is the true box
    assert text(row.children[THRESHOLDS.index(0.5)]).endswith("box (0, 0, 16, 32), IoU with the true box 1.00.")


def test_threshold_lights_the_pixels_at_or_above_it():
    _, _, _, stack = explore_threshold(torch.full((3, 32, 32), 0.5), {"ramp": ramp()}, thresholds=(0.5,)).children
    shown = pixels(stack.children[0].children[0]).sum(axis=2)
    assert shown[100, 40] > 500  # column 5 of 32
    assert shown[100, 180] < 250  # column 25


def test_without_a_true_box_no_iou():
    explorer = explore_threshold(torch.rand(3, 32, 32), {"ramp": ramp()}, thresholds=(0.5, 1.5))
    pages = explorer.children[3].children[0].children
    assert [text(page) for page in pages] == [
        "Threshold 0.50: box (0, 0, 16, 32).",
        "Threshold 1.50: no pixel reaches it, no box.",
    ]
    assert "true" not in explorer.children[0].value


def test_exponent_loses_the_map_above_the_predicted_limit_only():
    # one channel, G = 0.1 everywhere: alpha is the same at all pixels, and divided by its sum it is 1/16, so
    # w = 16 * (1/16) * 0.1, and the peak of the closed form is w * 100 = 10
    activation = torch.ones(1, 1, 4, 4)
    activation[0, 0, 0, 0] = 100
    trace = Trace(torch.tensor([0.5]), (Layer("late", activation, torch.full((1, 1, 4, 4), 0.1)),), (32, 32))
    limit = 128 * math.log(2) - math.log(10)
    explorer = explore_exponent(torch.rand(3, 32, 32), trace)
    about, score, sides, captions = explorer.children
    assert f"s = {limit:.1f}." in about.value
    values = [value for _, value in score.options]
    assert values == sorted([*SCORES, 0.5])
    assert score.value == 0.5
    lost = [value for value, page in zip(values, captions.children, strict=True) if "not finite" in page.value]
    assert lost == [value for value in values if value > limit]
    picture = sides.children[0]
    assert links(explorer) == {
        (score.model_id, "index", stack.model_id, "selected_index") for stack in (picture, captions)
    }
    # all that are lost share one picture
    assert len({page.model_id for value, page in zip(values, picture.children, strict=True) if value > limit}) == 1


def test_exponent_wants_one_image():
    with pytest.raises(ValueError, match=r"trace: got one of 2 images; give one image, e.g. trace\[:1\]"):
        explore_exponent(torch.rand(3, 32, 32), made_trace(2))
