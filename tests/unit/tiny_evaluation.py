"""A network and a data set so small that an evaluation takes seconds; worker processes import this file."""

import os
import time

import numpy as np
import torch
from PIL import Image
from torch import nn

import gamlib
from gamlib.data import BrokenImage, Dataset, Object, Sample
from gamlib.evaluation import Settings, evaluate

SIZE = 32
LABELS = ("red", "blue", "shadow")


def network(gain: float = 1.0) -> gamlib.Model:
    """Two convolutions, ReLUs, average pooling (times `gain`) and a linear layer, with fixed random weights."""
    generator = torch.Generator().manual_seed(7)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2), nn.ReLU(), nn.Linear(12, 3)
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)

    def features(x):
        return gain * net[:4](x).mean(dim=(2, 3))

    transform = gamlib.Preprocess((SIZE, SIZE), (0.5,) * 3, (0.25,) * 3)
    return gamlib.Model(net, ["3", "1"], features, net[4], transform, ["red", "green", "blue"], "tiny")


def loud() -> gamlib.Model:
    """Embeddings so long that exp of their dot product overflows."""
    return network(gain=100)


class Tiny(Dataset):
    """Noise images of 64 x 48 pixels, each with one bright rectangle; the label "shadow" has no class.

    `broken` images cannot be decoded. two=True adds a second rectangle with the label "green" to each.
    The environment variable TINY_SECONDS slows the reading down, so that a process can be killed meanwhile.
    """

    name = "tiny"

    def __init__(self, n: int = 40, broken: tuple[int, ...] = (), two: bool = False):
        self.n, self.broken, self.two = n, broken, two
        self.classes = {"red": "red", "blue": 2, "shadow": None, "green": "green"}

    def __len__(self):
        return self.n

    def _boxes(self, index):
        rng = np.random.default_rng(index)
        x, y = rng.integers(0, 20), rng.integers(0, 20)
        boxes = [(int(x), int(y), int(x + rng.integers(8, 14)), int(y + rng.integers(8, 14)))]
        return [*boxes, (40, 30, 60, 44)] if self.two else boxes

    def __getitem__(self, index):
        time.sleep(float(os.environ.get("TINY_SECONDS", 0)))
        if index in self.broken:
            raise BrokenImage(f"tiny-{index}", "it is cut short")
        rng = np.random.default_rng(index)
        pixels = rng.integers(0, 120, (48, 64, 3), dtype=np.uint8)
        objects = []
        for label, (x0, y0, x1, y1) in zip(self.labels(index), self._boxes(index), strict=True):
            pixels[y0:y1, x0:x1, len(objects)] = 255
            mask = np.zeros((48, 64), bool)
            mask[y0:y1, x0:x1] = True
            objects.append(Object(label, (x0, y0, x1, y1), mask))
        return Sample(f"tiny-{index}", Image.fromarray(pixels), tuple(objects))

    def labels(self, index):
        return (LABELS[index % 3], "green")[: 1 + self.two]

    def areas(self, index):
        return tuple((x1 - x0) * (y1 - y0) / (48 * 64) for x0, y0, x1, y1 in self._boxes(index))


class Nameless(Tiny):
    """Its class is one that the network does not know."""

    def __init__(self):
        super().__init__()
        self.classes = {"red": "rde", "blue": 2, "shadow": None}


def run(out, dataset=None, tasks=("class", "cosine", "dot"), methods=("gam", "grad_cam", "all_ones"), **options):
    options = {"fill": "black", "model_name": "tiny_evaluation:network", "map": map} | options
    model_name, mapper = options.pop("model_name"), options.pop("map")
    return evaluate(model_name, dataset or Tiny(), Settings(tasks, methods, **options), out, mapper)
