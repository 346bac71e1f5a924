"""TResNet for several labels an image, trained with the asymmetric loss (ASL)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
from PIL import Image
from timm.models.tresnet import checkpoint_filter_fn
from torch import Tensor

from gamlib.models.checkpoints import load_state, named_tensors, read_file
from gamlib.models.model import Model
from gamlib.models.preprocess import Preprocess

# name -> timm's architecture and the number of classes of the data set it was trained on
NETWORKS = {"tresnet_l_coco": ("tresnet_l", 80), "tresnet_xl_voc": ("tresnet_xl", 20)}
TRESNET_LAYERS = ("body.layer4", "body.layer3", "body.layer2", "body.layer1")
_PREPROCESS = Preprocess((448, 448), (0.0,) * 3, (1.0,) * 3, 1.0, Image.Resampling.BILINEAR)


def tresnet(name: str, weights: str | Path | None) -> Model:
    """TResNet (Ridnik et al. 2021) with the weights of ASL (Ben-Baruch et al. 2020), multi-label, input 448.

    weights: None (random) or the path of a checkpoint as published: a dictionary with "model" (the tensors under
    the names of the original code, which timm converts), "num_classes" and "idx_to_class" (index -> class name).
    Categories are those of idx_to_class, in its numbering: not the order of COCO's category ids. Without it,
    categories is None. Layers: the four stages, each after its last ReLU; 14 x 14 to 112 x 112 pixels.
    """
    architecture, classes = NETWORKS[name]
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

    return Model(net, TRESNET_LAYERS, features, net.head.fc, _PREPROCESS, categories, name, multilabel=True)


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
