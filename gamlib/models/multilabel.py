"""Networks for several labels an image: CheXNet, for chest radiographs, and TResNet with the asymmetric loss (ASL)."""

from __future__ import annotations

import types
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from PIL import Image
from timm.models.tresnet import checkpoint_filter_fn
from torch import Tensor, nn

from gamlib.models.checkpoints import State, fetched, fill, load_state, named_tensors, read_file, unpickler
from gamlib.models.imagenet import DENSENET_LAYERS, densenet_features
from gamlib.models.model import Model
from gamlib.models.preprocess import Preprocess

CHEXNET_WEIGHTS = "densenet121-res224-nih"
# torchxrayvision wants one channel in [-1024, 1024]: 2048 p - 1024 for a pixel p in [0, 1]
CHEXNET = Preprocess((224, 224), (0.5,), (1 / 2048,), 1.0)
# name -> timm's architecture and the number of classes of the data set it was trained on
TRESNETS = {"tresnet_l_coco": ("tresnet_l", 80), "tresnet_xl_voc": ("tresnet_xl", 20)}
TRESNET_LAYERS = ("body.layer4", "body.layer3", "body.layer2", "body.layer1")
TRESNET = Preprocess((448, 448), (0.0,) * 3, (1.0,) * 3, 1.0, Image.Resampling.BILINEAR)


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
    published: dict[str, Any] = models.model_urls[CHEXNET_WEIGHTS]

    def download() -> State:
        # once, to the package's own folder; no hash is published, and what was cut short stays there
        path = fetched(published["weights_url"], lambda: models.get_weights(CHEXNET_WEIGHTS))
        try:
            return read_pickled_network(path, models)
        except Exception as error:
            raise ValueError(f"weights: '{path}' is damaged ({error}); delete it, and it is fetched anew") from error

    fill(net, weights, download, lambda state: {key: state[key] for key in state if key != "op_threshs"})
    named = [row for row, pathology in enumerate(published["labels"]) if pathology]
    last = net.classifier
    last.weight = nn.Parameter(last.weight.detach()[named])
    last.bias = nn.Parameter(last.bias.detach()[named])
    last.out_features = len(named)
    categories = [published["labels"][row] for row in named]
    features = densenet_features(net)
    return Model(net, DENSENET_LAYERS, features, last, CHEXNET, categories, name, multilabel=True)


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


def tresnet(name: str, weights: str | Path | None) -> Model:
    """TResNet (Ridnik et al. 2021) with the weights of ASL (Ben-Baruch et al. 2020), multi-label, input 448.

    weights: None (random) or the path of a checkpoint as published: a dictionary with "model" (the tensors under
    the names of the original code, which timm converts), "num_classes" and "idx_to_class" (index -> class name).
    Categories are those of idx_to_class, in its numbering: not the order of COCO's category ids. Without it,
    categories is None. Layers: the four stages, each after its last ReLU; 14 x 14 to 112 x 112 pixels.
    """
    architecture, classes = TRESNETS[name]
    if weights == "default":
        raise ValueError(
            f"weights: '{name}' has no weights that are fetched by themselves; give the path of a checkpoint from the "
            "model zoo of Alibaba-MIIL/ASL, or weights=None (random)"
        )
    content = None if weights is None else read_file(weights)
    categories = _categories(content, weights)
    net: Any = timm.create_model(architecture, num_classes=len(categories) if categories else classes)
    if weights is not None:
        load_state(net, checkpoint_filter_fn(named_tensors(content, weights), net), weights)

    def features(x: Tensor) -> Tensor:
        return net.forward_head(net.forward_features(x), pre_logits=True)

    return Model(net, TRESNET_LAYERS, features, net.head.fc, TRESNET, categories, name, multilabel=True)


def _categories(content: Any, source: object) -> list[str] | None:
    """Class names in index order, from a list or from index -> name; ValueError if the indices are not 0, 1, 2, ..."""
    names = content.get("idx_to_class") if isinstance(content, Mapping) else None
    if names is None:
        return None
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    try:
        by_index = {int(index): str(name) for index, name in names.items()}
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"weights: '{source}': idx_to_class is {names!r:.60}, expected index -> class name") from None
    if sorted(by_index) != list(range(len(by_index))):
        raise ValueError(f"weights: '{source}': the indices of idx_to_class are not 0 to {len(by_index) - 1}")
    return [by_index[index] for index in range(len(by_index))]
