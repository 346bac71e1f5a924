"""Digests of what decides a result: the weights, the data set, the sources and the libraries below them."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import gamlib
from gamlib.data.samples import Dataset
from gamlib.models import Model

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "pillow", "scikit-image")


def digest(content: Any) -> str:
    """A short digest of anything that JSON can hold, the same in every process."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def model_digest(model: Model) -> str:
    """Weights, layers and preprocessing of a network."""
    sha = hashlib.sha256(repr((model.name, model.layers, model.transform, model.multilabel)).encode())
    for name, tensor in model.module.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()[:16]


def dataset_digest(dataset: Dataset) -> str:
    """Class, options, annotations, pairs, folds and cluster of a data set, and the state of its files.

    No image is decoded: a data set of your own whose pixels change behind the same labels, boxes and options says so
    in its `fingerprint`.
    """
    inner, indices = dataset, range(len(dataset))
    while hasattr(inner, "indices"):
        indices = [inner.indices[index] for index in indices]
        inner = inner.dataset
    options = {name: value for name, value in vars(inner).items() if isinstance(value, (str, int, float, bool))}
    samples = [(i, inner.fingerprint(i)) for i in indices]
    how = [dataset.cluster, dataset.kind, dataset.percentile, dataset.pairs, dataset.folds]
    source = file_digest(getattr(sys.modules[type(inner).__module__], "__file__", None))
    return digest([type(inner).__qualname__, source, inner.name, options, inner.classes, samples, how])


@functools.cache
def sources_digest() -> str:
    """The sources of gamlib with their data files, and the versions of the libraries below."""
    root = Path(gamlib.__file__).parent
    files = (path for path in sorted(root.rglob("*")) if path.suffix in (".py", ".csv", ".json"))
    contents = {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return digest([contents, {name: version(name) for name in LIBRARIES}])


def factory_digest(model_name: str) -> str:
    """The source file of a "package.module:factory"; empty for a network of gamlib's own."""
    module, colon, _ = model_name.partition(":")
    return file_digest(importlib.import_module(module).__file__) if colon else ""


def file_digest(path: str | None) -> str:
    """Of a source file; empty where there is none, as for what is typed at a prompt."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if path else ""
