"""What does not fit is refused by its own name, with what is accepted, before any work."""

from functools import cache

import numpy as np
import pytest
import torch
from gambook.given import check_given
from PIL import Image
from torch import nn

import gamlib
from gamlib import boxes
from gamlib.data import load_dataset, make_pairs
from gamlib.evaluation import Settings, evaluate
from gamlib.maps import aggregate, resize

X = torch.zeros(2, 3, 32, 32)


def model(**other):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    transform = gamlib.Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)
    parts = {"module": net, "layers": ["1"], "features": net[:4], "head": net[4], "transform": transform}
    return gamlib.Model(**parts | other)


@cache
def traced():
    return gamlib.trace_class(model(), X)


def preprocess(mean=(0.5,), std=(0.5,), **other):
    return gamlib.Preprocess((32, 32), mean, std, **other)


CASES = [
    (lambda: model().batch(Image.new("RGB", (9, 9))), TypeError, "images: give a list of photographs"),
    (lambda: model().batch([]), TypeError, "images: .* at least one"),
    (lambda: model(layers=None), TypeError, "layers: got a NoneType; give names"),
    (lambda: model(layers=[nn.ReLU()]), TypeError, "layers: got a ReLU; give names"),
    (lambda: model(layers=["1", "1"]), ValueError, r"layers: got \['1', '1'\]; name none twice"),
    (lambda: gamlib.trace_class(model(layers=[]), X), ValueError, "layers: give at least one name"),
    (lambda: model(layout=3), ValueError, "layout: unknown 3; accepted: BCHW"),
    (lambda: gamlib.load_model("os:sep"), TypeError, "'os:sep' is a str; give a function"),
    (lambda: gamlib.trace_class(nn.ReLU(), X), TypeError, "model: got a ReLU; give a gamlib.Model"),
    (lambda: gamlib.trace_class(model(), X.to_sparse()), TypeError, "x: expected a dense float tensor"),
    (lambda: gamlib.trace_class(model(), X.to("meta")), TypeError, "x: expected a dense float tensor"),
    (lambda: gamlib.trace_class(model(), X, 1j), TypeError, "target: expected class indices"),
    (lambda: gamlib.trace(model(), X, [gamlib.ClassScore]), TypeError, "scores: give a list of scores"),
    (lambda: gamlib.trace_pair(model(), X, X, 3), ValueError, "similarity: unknown 3; accepted: cosine, dot, or"),
    (lambda: gamlib.gam(gamlib.trace_pair(model(), X, X)), TypeError, "trace: got a tuple.*take one of them"),
    (lambda: gamlib.gam(X), TypeError, "trace: got a Tensor"),
    (lambda: preprocess(mean=(float("nan"),)), ValueError, "mean, std: got"),
    (lambda: preprocess(std=(-0.5,)), ValueError, "deviations above 0"),
    (lambda: preprocess(mean=(123.7,), std=(58.4,)), ValueError, "divide numbers for 0 to 255 by 255"),
    (lambda: preprocess(crop_fraction=0), ValueError, "crop_fraction: got 0"),
    (lambda: gamlib.open_image(None), TypeError, "image: got a NoneType; give the path"),
    (lambda: gamlib.open_image("x" * 5000), FileNotFoundError, "image: there is no file"),
    (lambda: boxes.box_iou((1, 2), (3, 4)), ValueError, r"box: got \(1, 2\); give four numbers"),
    (lambda: boxes.box_iou((0, 0, 1, 1), (0, 0, float("nan"), 1)), ValueError, "box: got .*nan"),
    (lambda: boxes.mask_iou(np.ones((2, 2, 2)), np.ones((2, 2, 2))), ValueError, r"masks: got \(2, 2, 2\)"),
    (lambda: resize(torch.zeros(1, 7, 7), 224), TypeError, r"size: got 224; give \(H, W\)"),
    (lambda: aggregate([]), ValueError, r"maps: got \[\]; give one or more"),
    (lambda: aggregate([torch.zeros(1, 2, 2), torch.zeros(1, 1, 1)]), ValueError, "maps: .*of the same size"),
    (lambda: Settings(tasks=1.5), ValueError, "tasks: unknown 1.5; accepted: class"),
    (lambda: Settings(n=None), ValueError, "n: got None; give a depth"),
    (lambda: evaluate(model(), "photos", Settings(), "out"), TypeError, "model_name: got a Model; give a name"),
    (lambda: evaluate("net", "photos", None, "out"), TypeError, "settings: got a NoneType"),
    (lambda: evaluate("net", "photos", Settings(), None), TypeError, "out: got a NoneType; give a folder"),
    (lambda: evaluate("net", "photos", Settings(), "out", map=1), TypeError, "map: got a int"),
    (lambda: load_dataset(None), TypeError, "name, root: got None and None; give a name, and a folder or None"),
    (lambda: load_dataset("folder", 3), TypeError, "name, root: got 'folder' and 3; give a name, and a folder"),
    (lambda: load_dataset("raccoon", __file__), ConnectionError, "data file .* is not there, and it cannot be"),
    (lambda: check_given(["", "a = ''", "# Parameters\na = 3"]), TypeError, "parameters: a is text, and Papermill has"),
    (lambda: load_dataset("scenes", n="a"), ValueError, "n = a scenes cannot be paired; give an even number"),
    (lambda: load_dataset("scenes", seed=1.5), ValueError, "seed = 1.5 is not accepted; give a whole number"),
    (lambda: make_pairs(load_dataset("photos"), "a", 0), ValueError, "per_class: a, expected at least 1 pair a class"),
]


@pytest.mark.parametrize(("call", "error", "text"), CASES, ids=[text for *_, text in CASES])
def test_what_does_not_fit(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_name_of_two_classes_is_asked_for_by_its_number():
    double = model(categories=["crane", "dog", "crane", *"abcdefg"])
    with pytest.raises(ValueError, match=r"class 'crane' is the name of classes \[0, 2\] of the model; give one"):
        gamlib.trace_class(double, X, "crane")
    assert gamlib.trace_class(double, X, "dog").target.tolist() == [1, 1]


def test_one_depth_and_one_method_stand_for_a_list_of_one():
    assert [*gamlib.saliency_maps(traced(), "gam", 1)] == [("gam", 1)]


class Attention(nn.Module):
    """A token a pixel of an 8 x 8 grid, one more for the class."""

    def __init__(self):
        super().__init__()
        self.patches, self.weights = nn.Conv2d(3, 8, 4, stride=4), nn.Softmax(dim=-1)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        return (self.weights((tokens @ tokens.mT)[:, None]) @ tokens[:, None])[:, 0].mean(dim=1)


def test_how_much_tokens_weigh_for_each_other_is_no_activation():
    net = Attention()
    wrapped = model(module=net, layers=["weights"], features=net, head=nn.Linear(8, 10))
    with pytest.raises(ValueError, match=r"'weights' hands on \(2, 1, 65, 65\), in which each row sums to 1"):
        gamlib.trace_class(wrapped, torch.randn(2, 3, 32, 32))


def test_an_activation_of_one_place_that_is_1_is_one():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Softmax(dim=-1), nn.Flatten(), nn.Linear(8, 10))
    trace = gamlib.trace_class(model(module=net, layers=["2"], features=net[:4], head=net[4]), X)
    assert trace.layers[0].activation.flatten().tolist() == [1.0] * 16
