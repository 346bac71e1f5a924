"""CheXNet: a DenseNet-121 that finds diseases in chest radiographs, from torchxrayvision."""

from __future__ import annotations

import types
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gamlib.models.checkpoints import State, fetched, fill, unpickler
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
    # the package silences every warning of the process when it is imported
    with warnings.catch_warnings():
        try:
            import torchxrayvision.models as models
        except ImportError as error:
            raise ImportError("model 'chexnet' needs torchxrayvision: pip install \"gamlib[paper]\"") from error
    net: Any = models.DenseNet(weights=None)
    published: dict[str, Any] = models.model_urls[_WEIGHTS]

    def download() -> State:
        # once, to the package's own folder; no hash is published
        path = fetched(published["weights_url"], lambda: models.get_weights(_WEIGHTS))
        return read_pickled_network(path, models)

    fill(net, weights, download, lambda state: {key: state[key] for key in state if key != "op_threshs"})
    named = [row for row, pathology in enumerate(published["labels"]) if pathology]
    last = net.classifier
    last.weight = nn.Parameter(last.weight.detach()[named])
    last.bias = nn.Parameter(last.bias.detach()[named])
    last.out_features = len(named)
    categories = [published["labels"][row] for row in named]
    features = densenet_features(net)
    return Model(net, DENSENET_LAYERS, features, last, _PREPROCESS, categories, name, multilabel=True)


def read_pickled_network(path: str | Path, models: types.ModuleType) -> dict[str, Tensor]:
    """State of a whole network that was pickled, as torchxrayvision publishes it.

    `weights_only=True` refuses such a file. Here torch's layers are built, those of `models`, and nothing else.
    """
    kinds = [each for each in (*vars(nn).values(), *vars(models).values()) if isinstance(each, type)]
    known: dict[str, Any] = {
        f"{each.__module__}.{each.__name__}": each for each in kinds if issubclass(each, nn.Module)
    }
    known |= {"collections.OrderedDict": OrderedDict, "__builtin__.set": set, "torch.Size": torch.Size}
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"):
        known[f"torch._utils.{name}"] = getattr(torch._utils, name)
    reader: Any = types.ModuleType("reader")
    reader.Unpickler = unpickler(known)
    reader.load = lambda file, **options: reader.Unpickler(file, **options).load()
    net = torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)
    for part in net.modules():
        # attribute of every module that files written before torch 1.6 lack
        part.__dict__.setdefault("_non_persistent_buffers_set", set())
    return net.state_dict()
