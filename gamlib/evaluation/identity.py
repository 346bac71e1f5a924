"""Digests of what decides a result: the weights, the data set, the sources and the libraries below them."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import gamlib
from gamlib.data.samples import Dataset
from gamlib.models import Model

# Parts of the package that decide what is in a shard; the rest asks for shards, reads and shows them.
MAKING = {
    "boxes.py",
    "controls.py",
    "data",
    "evaluation",
    "maps.py",
    "methods.py",
    "metrics.py",
    "models",
    "scores.py",
    "statistics.py",
    "traces.py",
}
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "pillow", "scikit-image")


def digest(content: Any) -> str:
    """A short digest of anything that JSON can hold, the same in every process."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def model_digest(model: Model) -> str:
    """Weights, layers and preprocessing of a network."""
    sha = hashlib.sha256(repr((model.name, model.layers, model.preprocess, model.multilabel)).encode())
    for name, tensor in model.module.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()[:16]


def dataset_digest(dataset: Dataset) -> str:
    """Name, options, labels, areas and pairs of a data set. No image is decoded, so their pixels are not in it."""
    inner, indices = dataset, range(len(dataset))
    while hasattr(inner, "indices"):
        indices = [inner.indices[index] for index in indices]
        inner = inner.dataset
    options = {name: value for name, value in vars(inner).items() if isinstance(value, (str, int, float, bool))}
    ids = [record.id for record in inner.records] if hasattr(inner, "records") else None
    samples = [(i if ids is None else ids[i], inner.labels(i), inner.areas(i)) for i in indices]
    return digest([type(inner).__qualname__, inner.name, options, inner.classes, samples, dataset.pairs])


@functools.cache
def sources_digest() -> str:
    """The sources of gamlib that make results, with their data files, and the versions of the libraries below."""
    root = Path(gamlib.__file__).parent
    files = (path for path in sorted(root.rglob("*")) if path.suffix in (".py", ".csv", ".json"))
    contents = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.relative_to(root).parts[0] in MAKING
    }
    return digest([contents, {name: version(name) for name in LIBRARIES}])


def factory_digest(model_name: str) -> str:
    """The source file of a "package.module:factory"; empty for a network of gamlib's own."""
    module, colon, _ = model_name.partition(":")
    if not colon:
        return ""
    source = importlib.import_module(module).__file__
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16] if source else ""
