"""The instances files of MS COCO: read and checked as a whole, before an image is asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamlib.data.annotated import Box
from gamlib.data.text import read_text

Size = tuple[int, int]


@dataclass(frozen=True)
class Picture:
    """An image of the file; size is (width, height)."""

    id: int | str
    file_name: str
    size: Size


@dataclass(frozen=True)
class Instance:
    """An annotation. name: the file and its id, for errors. box: half-open, None where none is given.

    segmentation: polygons [[x, y, ...], ...] or run lengths {"size", "counts"}, as in the file.
    """

    name: str
    image: int | str
    label: str
    crowd: bool
    box: Box | None
    segmentation: Any


def read_instances(path: Path) -> tuple[list[str], list[Picture], list[Instance]]:
    """Category names, images and annotations of an instances file; ValueError naming the file and the entry."""
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"'{path}', line {error.lineno}: not valid JSON ({error.msg})") from error
    categories, images, annotations = (_entries(path, content, k) for k in ("categories", "images", "annotations"))
    names = {entry.get("id"): _name(where, entry, "name") for where, entry in categories.items()}
    pictures = {}
    for where, entry in images.items():
        picture = Picture(entry.get("id"), _name(where, entry, "file_name"), _size(where, entry))
        if picture.id in pictures:
            raise ValueError(f"{where}: a second image with this id; its annotations cannot be told apart")
        pictures[picture.id] = picture
    instances = [_instance(where, entry, names, pictures) for where, entry in annotations.items()]
    return list(names.values()), list(pictures.values()), instances


def _entries(path: Path, content: Any, kind: str) -> dict[str, Mapping[str, Any]]:
    """The entries of one list, each under its name for errors."""
    entries = content.get(kind) if isinstance(content, Mapping) else None
    if not isinstance(entries, list):
        raise ValueError(f"'{path}' is not a COCO instances file: it has no list '{kind}'")
    named = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("id", 0), int | str):
            raise ValueError(f"'{path}', {kind}[{number}]: {_short(entry)}, expected an object with an id")
        # without an id, or with one that is not unique, its place in the list
        where = f"'{path}', {kind}[{number}] with id {entry.get('id')}"
        named[where] = entry
    return named


def _name(where: str, entry: Mapping[str, Any], key: str) -> str:
    name = entry.get(key)
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where}: {key} is {_short(name)}, expected a text")
    return name


def _size(where: str, entry: Mapping[str, Any]) -> Size:
    sides = entry.get("width"), entry.get("height")
    if not _finite(sides) or min(sides) < 1:
        raise ValueError(f"{where}: width and height are {_short(sides)}, expected two numbers of at least 1")
    return int(sides[0]), int(sides[1])


def _instance(
    where: str, entry: Mapping[str, Any], names: Mapping[Any, str], pictures: Mapping[Any, Picture]
) -> Instance:
    for key, known in (("category_id", names), ("image_id", pictures)):
        if not isinstance(entry.get(key), int | str) or entry[key] not in known:
            kind = key.removesuffix("_id")
            raise ValueError(f"{where}: {key} is {_short(entry.get(key))}, no {kind} of the file has this id")
    crowd, box, segmentation = bool(entry.get("iscrowd")), None, entry.get("segmentation")
    if entry.get("bbox"):
        if not isinstance(entry["bbox"], list) or len(entry["bbox"]) != 4 or not _finite(entry["bbox"]):
            raise ValueError(f"{where}: bbox is {_short(entry['bbox'])}, expected four numbers x, y, width, height")
        x, y, width, height = entry["bbox"]
        box = x, y, x + width, y + height
    if box and not crowd:
        fault = _fault(segmentation, pictures[entry["image_id"]].size)
        if fault:
            raise ValueError(f"{where}: segmentation {fault}")
    return Instance(where, entry["image_id"], names[entry["category_id"]], crowd, box, segmentation)


def _fault(shape: Any, size: Size) -> str | None:
    """What is wrong with a segmentation of an image of this size. pycocotools does not look: a coordinate that is no
    number, or far outside, makes it fill the memory."""
    width, height = size
    if isinstance(shape, list):
        for polygon in shape:
            if not isinstance(polygon, list) or len(polygon) % 2 or not _finite(polygon):
                return f"holds {_short(polygon)}, expected polygons [x, y, x, y, ...] of numbers"
            far = max(map(abs, polygon), default=0)
            if far > 2 * max(size):
                return f"has a coordinate of size {far:g}, far outside the {width} x {height} pixels of its image"
        return None
    if not isinstance(shape, Mapping) or shape.get("size") != [height, width]:
        return f"is {_short(shape)}, expected polygons, or run lengths with size [{height}, {width}]"
    counts = shape.get("counts")
    if isinstance(counts, str):
        return None
    if (
        not isinstance(counts, list)
        or not _finite(counts)
        or min(counts, default=0) < 0
        or sum(counts) != width * height
    ):
        return f"has counts {_short(counts)}, expected run lengths that add up to the {width * height} pixels"
    return None


def _finite(values: Any) -> bool:
    try:
        return all(map(math.isfinite, values))
    except (TypeError, OverflowError):
        return False


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
