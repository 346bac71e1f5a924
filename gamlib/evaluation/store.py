"""Finished shards as Parquet files, and the digests that name them.

A shard is written whole or not at all, and read only when undamaged: a file's name ends in a digest of its content, so
that a changed byte is found wherever it is. A folder's name is a digest of all that decides what is in it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import pickle
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import torch

import gamlib
from gamlib.data import Dataset, Subset
from gamlib.methods import METHODS, VARIANTS
from gamlib.models import Model
from gamlib.sources import code_state, files_digest, unlike_any

_SOURCES = (".py", ".csv", ".json")
_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "pillow", "scikit-image")


class ShardFolder:
    """The shards of one evaluation: <out>/<key>/shards/00000-<digest>.parquet and so on.

    A shard is a table of rows, whose attrs["skipped"] names the images that were left out.
    """

    def __init__(self, out: str | Path, key: str) -> None:
        self.folder = Path(out) / key
        self.shards = self.folder / "shards"
        self.shards.mkdir(parents=True, exist_ok=True)

    def read(self, index: int) -> pd.DataFrame | None:
        """A finished shard, None where it is missing, cut short or otherwise damaged and has to be made again."""
        for path in self._files(index):
            content = path.read_bytes()
            if path == self._path(index, content):
                return pd.read_parquet(io.BytesIO(content))
        return None

    def write(self, index: int, content: bytes) -> pd.DataFrame:
        """The shard that a file's content holds; an older version of the file goes."""
        path = self._path(index, content)
        _write_whole(path, content)
        for other in self._files(index):
            if other != path:
                other.unlink(missing_ok=True)
        return pd.read_parquet(io.BytesIO(content))

    def _path(self, index: int, content: bytes) -> Path:
        return self.shards / f"{index:05d}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"

    def _files(self, index: int) -> list[Path]:
        return sorted(self.shards.glob(f"{index:05d}-*.parquet"))


def save(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table whole or not at all; its folder is made.

    Parameters
    ----------
    frame : DataFrame
        Its index is left out.
    path : str or Path
        The suffix says how: .csv (numbers with six significant digits) or .parquet.

    Raises
    ------
    ValueError
        For another suffix.
    """
    path = Path(path)
    if path.suffix == ".csv":
        content = frame.to_csv(index=False, float_format="%.6g").encode()
    elif path.suffix == ".parquet":
        content = frame.to_parquet(index=False, compression="zstd")
    else:
        raise ValueError(f"path: got '{path}'; accepted suffixes: .csv, .parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(path, content)


def _write_whole(path: Path, content: bytes) -> None:
    """Under another name first: a file of the right name is always complete."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    partial.write_bytes(content)
    os.replace(partial, path)


def digest(content: Any) -> str:
    """A short digest of anything that JSON can hold, the same in every process."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def model_digest(model: Model) -> str:
    """Weights, layers with their layout, and preprocessing of a network, and what lies beside it."""
    layout = [model.layout_of(layer) for layer in model.layers]
    sha = hashlib.sha256(repr((model.name, model.layers, layout, model.transform, model.multilabel)).encode())
    weights = [item for part in model.parts for item in part.state_dict().items()]
    for name, tensor in [*weights, *(("", tensor) for tensor in model.tensors)]:
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()[:16]


def dataset_digest(dataset: Dataset) -> str:
    """Class, options, annotations, pairs, folds and cluster of a data set, and the state of its files.

    No image is decoded. A data set of your own counts with the file of its class and all that it holds, unless it has a
    `fingerprint` of its own; it needs one where files change behind the same paths. With code of a notebook in it, or
    what cannot be pickled, it is `unlike_any`.
    """
    made = [_made_of(one) for one in layers_of(dataset) if type(one) is not Subset]
    samples = [dataset.fingerprint(index) for index in range(len(dataset))]
    how = [dataset.name, dataset.classes, dataset.cluster, dataset.percentile, dataset.pairs, dataset.folds]
    return digest([made, samples, how])


def _made_of(dataset: Dataset) -> object:
    """The class of a data set with what it holds; of what says itself what its samples are, numbers and texts alone."""
    kind = type(dataset)
    # what it is a part of counts by itself
    part = isinstance(dataset, Subset)
    own = {name: value for name, value in vars(dataset).items() if not (part and name == "dataset")}
    if kind.__module__.startswith("gamlib.") or kind.fingerprint not in (Dataset.fingerprint, Subset.fingerprint):
        own = {name: value for name, value in own.items() if isinstance(value, str | int | float)}
    return _pickled([kind, own], f"data set '{dataset.name}'")


def _pickled(value: Any, what: str) -> object:
    """A digest of a value, with the code of all modules whose functions and classes are in it."""
    modules: set[str] = set()

    class Pickler(pickle.Pickler):
        def reducer_override(self, one: Any) -> Any:
            modules.add(str(getattr(one, "__module__", None) or type(one).__module__))
            return NotImplemented

    try:
        with open(os.devnull, "wb") as nowhere:
            Pickler(nowhere).dump(value)
        # which does not depend on the order of sets
        held = joblib.hash(value)
    # what cannot be pickled has an error of another kind each
    except Exception as error:
        return unlike_any(what, str(error))
    return [held, {module: code_state(module) for module in sorted(modules)}]


def layers_of(dataset: Dataset) -> list[Dataset]:
    """A data set, what it is a part of, and so on to the whole."""
    return [dataset, *(layers_of(dataset.dataset) if isinstance(dataset, Subset) else [])]


def formula_digest(names: Sequence[str]) -> str:
    """The code of methods and variants of your own; those of gamlib count by name."""
    formulas = {name: METHODS[name].formula if name in METHODS else VARIANTS[name] for name in names}
    own = {name: each for name, each in formulas.items() if not getattr(each, "__module__", "").startswith("gamlib.")}
    return digest([names, {name: _pickled(each, f"method '{name}'") for name, each in own.items()}])


@functools.cache
def sources_digest() -> str:
    """The sources of gamlib with their data files, and the versions of the libraries below."""
    root = Path(gamlib.__file__).parent
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.suffix in _SOURCES}
    return digest([files_digest(files), {name: version(name) for name in _LIBRARIES}])


def factory_digest(model_name: str) -> str:
    """What a "package.module:factory" is made of; empty for a network of gamlib's own."""
    module, colon, _ = model_name.partition(":")
    return digest(code_state(module)) if colon else ""
