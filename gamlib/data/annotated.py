"""Images in files with annotations read beforehand: what the file-based data sets have in common."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gamlib.data.samples import BrokenImage, Dataset, Object, Sample

Box = tuple[float, float, float, float]
# how Pillow reports a damaged file; a missing one is an OSError, too
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class Annotation:
    """An object before its image is read. `shape` is whatever the data set needs to draw its mask."""

    label: str
    box: Box | None = None
    shape: Any = None


@dataclass(frozen=True)
class Record:
    """An image file and its annotations. `size` is (width, height) in pixels, None where nothing states it."""

    id: str
    path: Path
    size: tuple[int, int] | None
    annotations: tuple[Annotation, ...]


class AnnotatedImages(Dataset):
    """Base of the data sets that lie in files. `dropped` counts what was left out of the annotations, by reason.

    Errors: FileNotFoundError where none of the images is there, ValueError where nothing is annotated or two images
    have one id.
    """

    def __init__(self, records: Sequence[Record], dropped: Counter[str] | None = None):
        self.records = list(records)
        self.dropped: dict[str, int] = dict(dropped or {})
        paths: dict[str, Path] = {}
        for record in self.records:
            if record.id in paths:
                raise ValueError(
                    f"data set '{self.name}': image '{record.id}' is there twice, as '{paths[record.id]}' and "
                    f"'{record.path}'; each must have a name of its own"
                )
            paths[record.id] = record.path
        if not any(record.annotations for record in self.records):
            left_out = ", ".join(f"{reason}: {count}" for reason, count in self.dropped.items()) or "nothing"
            raise ValueError(
                f"data set '{self.name}' is empty: none of its {len(self)} images has an object (left out: {left_out})"
            )
        if not any(path.is_file() for path in paths.values()):
            raise FileNotFoundError(
                f"data set '{self.name}': none of its {len(self)} annotated images is there; looked for "
                f"'{self.records[0].path}' and so on"
            )

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        record = self.records[index]
        image = open_image(record.path, record.id)
        if record.size is not None and image.size != record.size:
            raise BrokenImage(record.id, f"it has {_by(image.size)} pixels, its annotation says {_by(record.size)}")
        masks = self.masks(record)
        objects = (Object(a.label, a.box, mask) for a, mask in zip(record.annotations, masks, strict=True))
        return Sample(record.id, image, tuple(objects))

    def labels(self, index: int) -> tuple[str, ...]:
        return tuple(annotation.label for annotation in self.records[index].annotations)

    def areas(self, index: int) -> tuple[float, ...]:
        record = self.records[index]
        if record.size is None:
            return ()
        pixels = record.size[0] * record.size[1]
        boxes = (annotation.box for annotation in record.annotations if annotation.box is not None)
        return tuple((x1 - x0) * (y1 - y0) / pixels for x0, y0, x1, y1 in boxes)

    def fingerprint(self, index: int) -> Any:
        """Annotations, and size and time of change of the image's file."""
        record = self.records[index]
        annotations = [(a.label, a.box, a.shape) for a in record.annotations]
        return record.id, record.size, annotations, _file_state(record.path)

    def masks(self, record: Record) -> list[np.ndarray | None]:
        """One (H, W) bool mask, or None, an annotation."""
        return [None] * len(record.annotations)


def open_image(path: Path, sample_id: str) -> Image.Image:
    """The image as RGB, all of it decoded; BrokenImage if that fails. EXIF rotation is not applied: boxes refer
    to the stored pixels."""
    try:
        with Image.open(path) as image:
            if image.mode == "F" or image.mode.startswith("I"):
                # Pillow would cut them at 255
                raise ValueError(f"its pixels have more than 8 bits (mode {image.mode}); save it with 8 bits a channel")
            return image.convert("RGB")
    except DAMAGE as error:
        raise BrokenImage(sample_id, str(error)) from error


def clip_box(box: Box, size: tuple[int, int]) -> Box | None:
    """The part of a half-open box inside an image of (width, height), None if nothing is left.

    >>> clip_box((-5, 10, 20, 30), (100, 20))
    (0, 10, 20, 20)
    """
    width, height = size
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def existing(root: Path, candidates: Iterable[str]) -> Path | None:
    """The first of the candidate paths below root that exists."""
    return next((root / candidate for candidate in candidates if (root / candidate).exists()), None)


def check_root(name: str, root: str | Path | None, layout: str) -> Path:
    """The root of a user's own copy; the error of a missing one shows the layout that is looked for."""
    if root is None:
        raise ValueError(f"data set '{name}' is read from your own copy: give root, the folder with\n{layout}")
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"data set '{name}': no folder '{root}'; give the folder with\n{layout}")
    return root


def wrong_layout(name: str, root: Path, missing: str, layout: str) -> FileNotFoundError:
    return FileNotFoundError(f"data set '{name}': {missing} not found in '{root}'; looked for this layout:\n{layout}")


def _file_state(path: Path) -> tuple[int, int] | None:
    if not path.is_file():
        return None
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
