"""MS COCO instances: several labels an image, boxes and masks."""

from __future__ import annotations

import importlib
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from gamlib.data.annotated import AnnotatedImages, Annotation, Record, check_root, clip_box, wrong_layout

LAYOUT = """  {split}/000000000139.jpg ...
  annotations/instances_{split}.json"""
# a polygon of two points has no area, and pycocotools would take four numbers for a box
POLYGON = 6


class Coco(AnnotatedImages):
    """The user's own copy of COCO (Lin et al. 2014); split is "val2017", "val2014", ...

    Labels are category names. Boxes are x, y, width, height with x, y counted from 0. Masks are drawn by
    pycocotools from polygons or run lengths when an image is asked for. Crowd regions (iscrowd) are left out
    and counted in `dropped`, as are boxes outside the image and annotations without a box.
    """

    name = "coco"

    def __init__(self, root: str | Path | None, split: str = "val2017"):
        layout = LAYOUT.format(split=split)
        root = check_root(self.name, root, layout)
        try:
            self._mask = importlib.import_module("pycocotools.mask")
        except ImportError as error:
            raise ImportError("data set 'coco' needs pycocotools: pip install \"gamlib[paper]\"") from error
        table = root / "annotations" / f"instances_{split}.json"
        if not table.is_file():
            raise wrong_layout(self.name, root, f"annotations/{table.name}", layout)
        if not (root / split).is_dir():
            raise wrong_layout(self.name, root, f"the folder {split}/ of images", layout)
        try:
            content = json.loads(table.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"'{table}', line {error.lineno}: not valid JSON ({error.msg})") from error
        dropped = Counter[str]()
        try:
            names = {category["id"]: category["name"] for category in content["categories"]}
            sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
            annotations = _annotations(content["annotations"], names, sizes, dropped)
            records = [
                Record(
                    Path(image["file_name"]).stem,
                    root / split / image["file_name"],
                    sizes[image["id"]],
                    tuple(annotations[image["id"]]),
                )
                for image in content["images"]
            ]
        except (KeyError, TypeError) as error:
            raise ValueError(f"'{table}' is not a COCO instances file: {type(error).__name__} {error}") from error
        self.classes = {name: name for name in names.values()}
        super().__init__(sorted(records, key=lambda record: record.id), dropped)

    def masks(self, record: Record) -> list[np.ndarray | None]:
        return [self._decode(annotation.shape, record.size) for annotation in record.annotations]

    def _decode(self, shape: Any, size: tuple[int, int]) -> np.ndarray:
        width, height = size
        if isinstance(shape, list):
            polygons = [polygon for polygon in shape if len(polygon) >= POLYGON]
            if not polygons:
                return np.zeros((height, width), dtype=bool)
            encoded = self._mask.merge(self._mask.frPyObjects(polygons, height, width))
        elif isinstance(shape["counts"], list):
            encoded = self._mask.frPyObjects(shape, height, width)
        else:
            encoded = shape
        return self._mask.decode(encoded).astype(bool)


def _annotations(
    items: list[dict[str, Any]], names: dict[int, str], sizes: dict[int, tuple[int, int]], dropped: Counter[str]
) -> dict[int, list[Annotation]]:
    found: dict[int, list[Annotation]] = defaultdict(list)
    for item in items:
        box = item.get("bbox")
        if item.get("iscrowd", 0):
            dropped["crowd"] += 1
        elif not box:
            dropped["object without a box"] += 1
        else:
            x, y, width, height = box
            inside = clip_box((x, y, x + width, y + height), sizes[item["image_id"]])
            if inside is None:
                dropped["box outside the image"] += 1
            else:
                found[item["image_id"]].append(Annotation(names[item["category_id"]], inside, item["segmentation"]))
    return found
