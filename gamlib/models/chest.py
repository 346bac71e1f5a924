"""CheXNet: a DenseNet-121 that finds diseases in chest radiographs, from torchxrayvision."""

from __future__ import annotations

import pickle
import types
import warnings
from pathlib import Path
from typing import Any

import requests
import torch
from torch import Tensor, nn

from gamlib.models.checkpoints import load_state, read_checkpoint
from gamlib.models.imagenet import DENSENET_LAYERS, densenet_features
from gamlib.models.model import Model
from gamlib.models.preprocess import Preprocess

_WEIGHTS = "densenet121-res224-nih"
# torchxrayvision wants one channel in [-1024, 1024]: 2048 p - 1024 for a pixel p in [0, 1]
_PREPROCESS = Preprocess((224, 224), (0.5,), (1 / 2048,), 1.0)


def chexnet(name: str, weights: str | Path | None) -> Model:
    """DenseNet-121 trained on NIH ChestX-ray14 (Rajpurkar et al. 2017; Cohen et al. 2022), multi-label.

    weights: "default" downloads torchxrayvision's, None is random, a path is a checkpoint of torchxrayvision's
    tensors. The network has 18 outputs; the 14 that the NIH labels name are kept. Probabilities are plain
    sigmoids: torchxrayvision's rescaling to operating points is left out, a score must be the network's own.
    Layers as densenet201's, 7 x 7 to 56 x 56.
    """
    models = _torchxrayvision()
    net = models.DenseNet(weights=None)
    if weights == "default":
        load_state(net, _published(models), _WEIGHTS)
    elif weights is not None:
        state = read_checkpoint(weights)
        state.pop("op_threshs", None)
        load_state(net, state, weights)
    pathologies = models.model_urls[_WEIGHTS]["labels"]
    net.classifier = _named_outputs(net.classifier, pathologies)
    features = densenet_features(net)
    categories = [pathology for pathology in pathologies if pathology]
    return Model(net, DENSENET_LAYERS, features, net.classifier, _PREPROCESS, categories, name, multilabel=True)


def _torchxrayvision() -> types.ModuleType:
    # the package silences every warning of the process when it is imported
    with warnings.catch_warnings():
        try:
            import torchxrayvision.models as models
        except ImportError as error:
            raise ImportError("model 'chexnet' needs torchxrayvision: pip install \"gamlib[paper]\"") from error
    return models


def _named_outputs(linear: nn.Linear, pathologies: list[str]) -> nn.Linear:
    """The rows of the last layer whose pathology has a name."""
    rows = [index for index, pathology in enumerate(pathologies) if pathology]
    named = nn.Linear(linear.in_features, len(rows))
    with torch.no_grad():
        named.weight.copy_(linear.weight[rows])
        named.bias.copy_(linear.bias[rows])
    return named


def _published(models: types.ModuleType) -> dict[str, Tensor]:
    """Tensors of torchxrayvision's file, which it downloads once to its own folder. No hash is published."""
    url = models.model_urls[_WEIGHTS]["weights_url"]
    try:
        path = models.get_weights(_WEIGHTS)
    except requests.RequestException as error:
        raise ConnectionError(
            f"weights: the default weights could not be fetched from {url} ({error}); connect to the network once, "
            "or give weights=None (random) or a checkpoint's path"
        ) from error
    return read_pickled_network(path)


def read_pickled_network(path: str | Path) -> dict[str, Tensor]:
    """State of a whole network that was pickled, as torchxrayvision publishes it.

    `weights_only=True` refuses such a file. This reader builds torch's and torchxrayvision's layers and nothing
    else: any other name in the file is an error (pickle.UnpicklingError) before it is called.
    """
    reader = types.SimpleNamespace(
        __name__=__name__, Unpickler=_LayersOnly, load=lambda file, **options: _LayersOnly(file, **options).load()
    )
    net = torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)
    for part in net.modules():
        # attribute of every module that files written before torch 1.6 lack
        part.__dict__.setdefault("_non_persistent_buffers_set", set())
    return {key: value for key, value in net.state_dict().items() if key != "op_threshs"}


class _LayersOnly(pickle.Unpickler):
    """Unpickler of layers, tensors and plain containers."""

    BUILDERS = frozenset(
        {
            ("collections", "OrderedDict"),
            ("__builtin__", "set"),
            ("torch", "Size"),
            ("torch._utils", "_rebuild_tensor"),
            ("torch._utils", "_rebuild_tensor_v2"),
            ("torch._utils", "_rebuild_parameter"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        # decided before anything is imported
        if (module, name) in self.BUILDERS:
            return super().find_class(module, name)
        if module.startswith(("torch.nn.modules.", "torchxrayvision.")) and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and issubclass(found, nn.Module):
                return found
        raise pickle.UnpicklingError(f"'{module}.{name}' has no place in a file of weights")
