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
import sys
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import gamlib
from gamlib.data import Dataset, Subset
from gamlib.models import Model
from gamlib.sources import cell_state, files_digest, network_state

_SOURCES = (".py", ".csv", ".json")
_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "pillow", "scikit-image")

Skipped = dict[str, Any]


def pack(rows: Sequence[dict[str, Any]], skipped: Sequence[Skipped]) -> bytes:
    """A shard as the content of a Parquet file; what was skipped lies in its metadata."""
    table = pa.Table.from_pandas(pd.DataFrame(list(rows)), preserve_index=False)
    metadata = dict(table.schema.metadata or {}) | {b"skipped": json.dumps(list(skipped)).encode()}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer)
    return buffer.getvalue()


def unpack(content: bytes) -> tuple[pd.DataFrame, list[Skipped]]:
    """The rows and the skipped images of a shard."""
    table = pq.read_table(pa.BufferReader(content))
    return table.to_pandas(), json.loads(table.schema.metadata[b"skipped"])


class ShardFolder:
    """The shards of one evaluation: <out>/<key>/shards/00000-<digest>.parquet and so on."""

    def __init__(self, out: str | Path, key: str) -> None:
        self.folder = Path(out) / key
        self.shards = self.folder / "shards"
        self.shards.mkdir(parents=True, exist_ok=True)

    def read(self, index: int) -> tuple[pd.DataFrame, list[Skipped]] | None:
        """A finished shard, None where it is missing, cut short or otherwise damaged and has to be made again."""
        for path in self._files(index):
            content = path.read_bytes()
            if path == self._path(index, content):
                return unpack(content)
        return None

    def write(self, index: int, content: bytes) -> None:
        """Under another name first: a file of the right name is always complete. An older version of it goes."""
        path = self._path(index, content)
        temporary = self.shards / f".{index:05d}.{uuid.uuid4().hex}"
        temporary.write_bytes(content)
        os.replace(temporary, path)
        for other in self._files(index):
            if other != path:
                other.unlink(missing_ok=True)

    def write_skipped(self, skipped: Sequence[Skipped]) -> None:
        """skipped.csv: one line an image that was left out, with the reason."""
        table = pd.DataFrame(list(skipped), columns=["sample", "reason"])
        table.to_csv(self.folder / "skipped.csv", index=False)

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
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"path: got '{path}'; accepted suffixes: .csv, .parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    if path.suffix == ".csv":
        frame.to_csv(partial, index=False, float_format="%.6g")
    else:
        frame.to_parquet(partial, index=False, compression="zstd")
    os.replace(partial, path)


def digest(content: Any) -> str:
    """A short digest of anything that JSON can hold, the same in every process."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def model_digest(model: Model) -> str:
    """Weights, layers with their layout, and preprocessing of a network."""
    sha = hashlib.sha256(repr((model.name, model.layers, model.layout, model.transform, model.multilabel)).encode())
    for name, tensor in model.module.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()[:16]


def dataset_digest(dataset: Dataset) -> str:
    """Class, options, annotations, pairs, folds and cluster of a data set, and the state of its files.

    No image is decoded: a data set of your own whose pixels change behind the same labels, boxes and options says so
    in its `fingerprint`.
    """
    inner, indices = dataset, list(range(len(dataset)))
    while isinstance(inner, Subset):
        indices = [inner.indices[index] for index in indices]
        inner = inner.dataset
    options = {name: value for name, value in vars(inner).items() if isinstance(value, (str, int, float, bool))}
    samples = [(i, inner.fingerprint(i)) for i in indices]
    how = [dataset.cluster, dataset.kind, dataset.percentile, dataset.pairs, dataset.folds]
    module = type(inner).__module__
    source = cell_state(type(inner).__name__) if module == "__main__" else _file_digest(sys.modules[module])
    return digest([type(inner).__qualname__, source, inner.name, options, inner.classes, samples, how])


@functools.cache
def sources_digest() -> str:
    """The sources of gamlib with their data files, and the versions of the libraries below."""
    root = Path(gamlib.__file__).parent
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.suffix in _SOURCES}
    return digest([files_digest(files), {name: version(name) for name in _LIBRARIES}])


def factory_digest(model_name: str) -> str:
    """What a "package.module:factory" is made of; empty for a network of gamlib's own."""
    module, colon, function = model_name.partition(":")
    if module == "__main__":
        return digest(cell_state(function))
    return digest(network_state(module)) if colon else ""


def _file_digest(module: Any) -> str:
    """Of a module's source file; empty where there is none, as for what is typed at a prompt."""
    path = getattr(module, "__file__", None)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if path else ""
