"""Explorers: what can be chosen, and what stands in each picture; tests/browser moves the controls."""

import base64
import io
import math
import re

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup, Tag
from PIL import Image
from torch.nn.functional import interpolate

from gamlib.boxes import THRESHOLDS, box_iou, largest_component_box
from gamlib.plots import explorers
from gamlib.plots.explorers import SCORES, explore_exponent, explore_methods, explore_threshold
from gamlib.plots.frames import Chooser, Explorer
from gamlib.traces import Layer, Trace


def made_trace(images: int, score: float = 0.5) -> Trace:
    """Two layers of random activations and positive gradients."""
    drawn = torch.Generator().manual_seed(0)
    sides = {"late": 4, "early": 8}
    layers = (
        Layer(name, *(torch.rand(images, 3, side, side, generator=drawn) for _ in range(2)))
        for name, side in sides.items()
    )
    return Trace(torch.full((images,), score), tuple(layers), (32, 32))


def shown(explorer: Explorer) -> BeautifulSoup:
    return BeautifulSoup(explorer._repr_html_(), "html.parser")


def frames(explorer: Explorer) -> dict[str, Tag]:
    """Every choice that is written down -> the piece that stands there."""
    return {at: frame for frame in shown(explorer).select("[data-at]") for at in frame["data-at"].split(" ")}


def pixels(frame: Tag) -> np.ndarray:
    data = base64.b64decode(frame.img["src"].removeprefix("data:image/webp;base64,"))
    assert len(data) < 30_000  # noise, which is hardest to pack
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)


def test_controls_name_what_can_be_chosen():
    page = shown(Explorer("Which?", [Chooser("Word", ["yes", "no"], 1), Chooser("At", ["a<", "b"], slider=True)], []))
    assert page.legend.text == "Word"
    assert [(label.text.strip(), "checked" in label.input.attrs) for label in page.fieldset.find_all("label")] == [
        ("yes", False), ("no", True)
    ]  # fmt: skip
    slider = page.select_one("[type=range]")
    assert slider.parent.text.split() == ["At", "a<"]
    assert (slider["max"], slider["value"], slider["data-labels"]) == ("1", "0", '["a<", "b"]')


def test_a_single_option_is_no_choice():
    page = shown(Explorer("", [Chooser("Word", ["yes"])], [{(0,): "yes"}]))
    assert [(field["type"], field["value"]) for field in page.find_all("input")] == [("hidden", "0")]


def test_only_what_stands_at_the_first_choice_is_seen_and_equal_pieces_are_kept_once():
    controls = [Chooser("Word", ["yes", "no"], 1), Chooser("Size", ["1", "2"])]
    part = {(0, 0): "a", (0, 1): "b", (1, 0): "a", (1, 1): "b"}
    page = shown(Explorer("", controls, [part, {(0, None): "c", (1, None): "d"}]))
    assert [(frame["data-at"], frame.text, "hidden" in frame.attrs) for frame in page.select("[data-at]")] == [
        ("0,0 1,0", "a", False), ("0,1 1,1", "b", True), ("0,", "c", True), ("1,", "d", False)
    ]  # fmt: skip


def test_methods_has_a_picture_for_each_pair_score_method_and_depth():
    images = {"one": torch.rand(2, 3, 32, 32), "two": torch.rand(2, 3, 32, 32)}
    traces = {name: {"cosine": made_trace(2), "dot": made_trace(2, 7.25)} for name in images}
    explorer = explore_methods(images, traces, ["gam", "grad_cam"])
    assert [(control.name, list(control.options)) for control in explorer.controls] == [
        ("Images", ["one", "two"]),
        ("Score", ["cosine", "dot"]),
        ("Method", ["GAM", "Grad-CAM"]),
        ("Layers n", ["1", "2"]),
    ]
    pieces = frames(explorer)
    # the images, all choices, and the scale of colours
    assert len(pieces) == 2 + 2 * 2 * 2 * 2 + 1
    assert pieces["1,1,0,1"].p.text == "GAM, n = 2 (layers late, early); dot 7.25."
    assert pieces["0,0,1,0"].p.text == "Grad-CAM, n = 1 (layer late); cosine 0.5."
    assert pieces["0,0,1,0"].img["alt"] == "Maps of Grad-CAM, n = 1"
    # two pictures of 224 pixels and the gap between them
    assert pixels(pieces["1,1,0,1"]).shape == pixels(pieces["1,,,"]).shape == (224, 454, 3)
    assert pieces[",,,"].select_one("[role=img]")["aria-label"] == "colour scale from 0 to 1"


def test_above_the_maps_stand_the_images_themselves():
    images = {"red": torch.tensor([1.0, 0, 0])[:, None, None].expand(1, 3, 32, 32)}
    seen = pixels(frames(explore_methods(images, {"red": {"class": made_trace(1)}}, ["gam"]))["0,,,"])
    np.testing.assert_allclose(seen[100, 100], (255, 0, 0), atol=12)


def test_methods_wants_the_images_of_the_trace():
    with pytest.raises(ValueError, match="images: got 1 of 'it' for a trace of 2; give the images of the trace"):
        explore_methods({"it": torch.rand(1, 3, 32, 32)}, {"it": {"class": made_trace(2)}})


def test_methods_wants_the_same_scores_for_all():
    traces = {"a": {"cosine": made_trace(1)}, "b": {"dot": made_trace(1)}}
    with pytest.raises(ValueError, match=r"traces: got \['dot'\] for 'b'; give the same scores for all: \['cosine'\]"):
        explore_methods(dict.fromkeys("ab", torch.rand(1, 3, 32, 32)), traces)


def test_an_unknown_method_is_refused_before_a_map_is_drawn(monkeypatch):
    monkeypatch.setattr(explorers, "_frame", None)
    with pytest.raises(ValueError, match="method: unknown 'unknown'; accepted: gam, grad_cam, "):
        explore_methods({"it": torch.rand(2, 3, 32, 32)}, {"it": {"class": made_trace(2)}}, ["gam", "unknown"])


def ramp() -> torch.Tensor:
    """A map that falls from 1 at the left to 0 at the right."""
    return torch.linspace(1, 0, 32).expand(32, 32)


def test_threshold_states_the_box_and_its_iou():
    truth = (0, 0, 16, 32)
    explorer = explore_threshold(torch.rand(3, 32, 32), {"ramp": ramp()}, truth)
    assert list(explorer.controls[1].options) == [f"{at:.2f}" for at in THRESHOLDS]
    captions = [frames(explorer)[f"0,{position}"].p.text for position in range(len(THRESHOLDS))]
    for at, caption in zip(THRESHOLDS, captions, strict=True):
        box = largest_component_box(ramp(), at)
        assert caption == f"Threshold {at:.2f}: box {box}, IoU with the true box {box_iou(box, truth):.2f}."
    # by hand: 31 steps from 1 to 0; 16 columns are at or above a half, which is the true box
    assert captions[THRESHOLDS.index(0.5)].endswith("box (0, 0, 16, 32), IoU with the true box 1.00.")


def test_threshold_lights_the_pixels_at_or_above_it():
    explorer = explore_threshold(torch.full((3, 32, 32), 0.5), {"ramp": ramp()})
    # on the right: the map itself is on the left, and 6 pixels lie between
    lit = pixels(frames(explorer)[f"0,{THRESHOLDS.index(0.5)}"])[:, 230:].sum(axis=2)
    assert lit[100, 40] > 500  # column 5 of 32
    assert lit[100, 180] < 250  # column 25


def test_without_a_true_box_no_iou():
    explorer = explore_threshold(torch.rand(3, 32, 32), {"half a ramp": ramp() / 2})
    assert [frames(explorer)[f"0,{THRESHOLDS.index(at)}"].p.text for at in (0.25, 0.55)] == [
        "Threshold 0.25: box (0, 0, 16, 32).",
        "Threshold 0.55: no pixel reaches it, no box.",
    ]
    assert "true" not in explorer.about


def test_exponent_loses_the_map_above_the_predicted_limit_only():
    # one channel, G = 0.1 everywhere: alpha is the same at all pixels, and divided by its sum it is 1/16, so
    # w = 16 * (1/16) * 0.1, and the closed form is 0.1 times the activation, before it is enlarged
    activation = torch.ones(1, 1, 4, 4)
    activation[0, 0, 0, 0] = 100
    trace = Trace(torch.tensor([0.5]), (Layer("late", activation, torch.full((1, 1, 4, 4), 0.1)),), (32, 32))
    enlarged = interpolate(0.1 * activation.double(), (32, 32), mode="bicubic")
    limit = 128 * math.log(2) - math.log(enlarged.max() - enlarged.min())
    explorer = explore_exponent(torch.rand(3, 32, 32), trace)
    assert f"s = {limit:.1f}." in explorer.about
    (score,), (pictures, captions, _) = explorer.controls, explorer.parts
    values = [float(option.removesuffix(" (its own)")) for option in score.options]
    assert values == sorted([*SCORES, 0.5])
    assert values[score.chosen] == 0.5
    lost = [value for value, caption in zip(values, captions.values(), strict=True) if "not finite" in caption]
    assert lost == [value for value in values if value > limit]
    # all that are lost share one picture
    assert len({pictures[place,] for place, value in enumerate(values) if value > limit}) == 1
    assert re.fullmatch("<p>s = 100: not finite: the map is lost.</p>", captions[values.index(100),])


def test_exponent_wants_one_image():
    with pytest.raises(ValueError, match=r"trace: got one of 2 images; give one image, e.g. trace\[:1\]"):
        explore_exponent(torch.rand(3, 32, 32), made_trace(2))
