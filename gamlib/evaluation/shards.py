"""Finished shards as Parquet files: written whole or not at all, and read only when undamaged.

A file's name ends in a digest of its content, so that a changed byte is found wherever it is.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

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

    def __init__(self, out: str | Path, key: str):
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
        table = pd.DataFrame(list(skipped), columns=["sample", "pair", "reason"])
        table.to_csv(self.folder / "skipped.csv", index=False)

    def _path(self, index: int, content: bytes) -> Path:
        return self.shards / f"{index:05d}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"

    def _files(self, index: int) -> list[Path]:
        return sorted(self.shards.glob(f"{index:05d}-*.parquet"))
