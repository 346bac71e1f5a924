"""Networks as scripts: folded, rounded and cut into parts, and once more PyTorch's own."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from gambook.publish import live
from gambook.publish.export import export
from gambook.publish.live import LIVE_NETWORKS, licence, live_files, network_files
from torch import nn

import gamlib

FOLDER = Path(__file__).parents[2] / "book" / "_static" / "live"
spec = importlib.util.spec_from_file_location("rebuilt", Path(__file__).parents[1] / "rebuilt.py")
rebuilt = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rebuilt)


@pytest.fixture(scope="module", params=LIVE_NETWORKS)
def model(request):
    return gamlib.load_model(request.param)


@pytest.fixture(scope="module")
def files(model):
    return network_files(model, "float32")


def test_the_folded_network_is_the_network(model, files):
    page = rebuilt.rebuilt(files, model.name)
    x = torch.rand(2, 3, *model.input_size, generator=torch.Generator().manual_seed(0)) * 4 - 2
    ours, theirs = (gamlib.trace(net, x, [gamlib.Dot([(0, 1)])], layers=4)[0] for net in (page, model))
    # features and classes to a few digits of 32 bits; a gradient through a ReLU6 may fall on the other side of its edge
    torch.testing.assert_close(ours.embedding, theirs.embedding, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.logits, theirs.logits, rtol=1e-4, atol=1e-3)
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        torch.testing.assert_close(one.activation, other.activation, rtol=1e-4, atol=1e-3)
    assert page.categories == model.categories


def test_parts_stay_below_four_megabytes_and_say_how_many_they_are(model, files):
    assert max(map(len, files.values())) < 4_000_000
    described = json.loads(files[f"{model.name}.js"].decode()[len("GamLive.network(") : -3])
    assert len(files) == described["parts"] + 1
    half = network_files(model, "float16")
    assert json.loads(half[f"{model.name}.js"].decode()[16:-3])["bytes"] * 2 == described["bytes"]


def test_a_batch_norm_is_folded_into_its_convolution():
    net = nn.Sequential(nn.Conv2d(3, 1, 1), nn.BatchNorm2d(1, eps=0), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net.append(nn.Linear(1, 2))
    with torch.no_grad():
        for tensor, value in zip([*net[0].parameters(), *net[1].parameters()], (2, 0.5, 3, 5), strict=True):
            tensor.fill_(value)
        net[1].running_mean.fill_(1)
        net[1].running_var.fill_(4)
    net.eval()
    transform = gamlib.Preprocess((4, 4), (0.5,) * 3, (0.5,) * 3)
    description, weights = export(gamlib.Model(net, ["2"], net[:5], net[5], transform))
    # (2 x + 0.5 - 1) / sqrt(4) * 3 + 5 = 3 x + 4.25
    assert weights[:4].tolist() == [3, 3, 3, 4.25]
    conv = {"op": "conv", "from": [0], "relu": "relu", "kernel": 1, "stride": 1, "pad": 0, "channels": 1, "side": 4}
    assert description["layers"][1] == conv | {"weight": 0, "bias": 3}
    assert (description["read"], description["embedding"], description["logits"]) == ([1], 2, 3)


class Moved(nn.Module):
    def forward(self, x):
        return x + 1


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ([nn.Sigmoid()], "the page has no sigmoid"),
        ([nn.Conv2d(4, 4, 1, groups=2)], r"conv2d.*, 2\)"),
        ([nn.Conv2d(4, 4, 2, dilation=2)], r"conv2d.*\[2, 2\]\)"),
        ([nn.ZeroPad2d(1), nn.MaxPool2d(2)], "the page has no max_pool2d"),
        ([nn.MaxPool2d(2, dilation=2)], "the page has no max_pool2d"),
        ([nn.ReLU(), nn.BatchNorm2d(4)], "the page has no batch_norm"),
        ([nn.MaxPool2d(2), nn.BatchNorm2d(4)], "the page has no batch_norm"),
        ([Moved()], r"the page has no add\(1,\)"),
    ],
)
def test_an_operation_that_the_page_does_not_have_is_named(after, message):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), *after, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    transform = gamlib.Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(ValueError, match=message):
        export(gamlib.Model(net, ["1"], net[:-1], net[-1], transform))


def test_each_licence_lies_beside_its_weights():
    texts = [licence(package) for package in LIVE_NETWORKS.values()]
    assert ["Apache License, Version 2.0" in texts[0], "MIT License" in texts[1]] == [True, True]
    assert all("batch norms folded" in text for text in texts)


def test_they_are_made_once(project, monkeypatch):
    made = []
    monkeypatch.setattr(live, "_networks", lambda: made.append(live.PRECISION) or {"a.js": b"a"})
    monkeypatch.setattr(live, "_book", lambda: {"book.js": (project.root / "gamlib/methods.py").read_bytes()})
    for change in (None, None, "gamlib/models/model.py", "gamlib/methods.py", "requirements.lock"):
        if change:
            (project.root / change).parent.mkdir(exist_ok=True)
            (project.root / change).write_text("# changed")
        # titles of methods are the book's
        titles = (project.root / "gamlib/methods.py").read_bytes()
        assert live_files(project) == {"a.js": b"a", "book.js": titles}
    monkeypatch.setattr(live, "PRECISION", "float32")
    assert live_files(project) == {"a.js": b"a", "book.js": b"# changed"}
    # their formulas are the page's own
    assert made == ["float16"] * 3 + ["float32"]


def test_what_is_made_in_part_is_made_again(project, monkeypatch):
    def fails():
        raise OSError("no space left")

    monkeypatch.setattr(live, "_book", lambda: {"book.js": b"book"})
    monkeypatch.setattr(live, "_networks", fails)
    with pytest.raises(OSError, match="no space"):
        live_files(project)
    monkeypatch.setattr(live, "_networks", lambda: {"a.js": b"a"})
    assert live_files(project) == {"a.js": b"a", "book.js": b"book"}


def test_the_page_says_how_large_the_first_network_is():
    files = network_files(gamlib.load_model(next(iter(LIVE_NETWORKS))), "float16")
    (said,) = re.findall(r"about (\d+) MB", (FOLDER.parents[1] / "live.md").read_text())
    assert int(said) == round(sum(map(len, files.values())) / 1e6)


def test_scripts_are_short_and_load_nothing_from_elsewhere():
    scripts = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert {name for name, text in scripts.items() if text.count("\n") > 200} == set()
    outside = re.compile(r"https?://|\bfetch\(|XMLHttpRequest|import ")
    assert {name for name, text in scripts.items() if outside.search(text)} == set()


def test_float16_holds_every_weight(model):
    _, weights = export(model)
    rounded = weights.astype(np.float16).astype(np.float64)
    assert np.isfinite(rounded).all()
    # 11 binary digits, and fixed steps of 2^-24 below 2^-14
    assert (np.abs(rounded - weights) <= np.maximum(np.abs(weights) * 2**-11, 2**-25)).all()
