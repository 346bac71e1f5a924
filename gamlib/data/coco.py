"""MS COCO instances: several labels an image, boxes and masks."""

from __future__ import annotations

import importlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from gamlib.data.annotated import AnnotatedImages, Annotation, Record, check_root, clip_box, wrong_layout
from gamlib.data.coco_json import Instance, read_instances
from gamlib.data.samples import BrokenImage

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
        names, images, instances = read_instances(table)
        dropped = Counter[str]()
        sizes = {image.id: image.size for image in images}
        found: dict[int | str, list[Annotation]] = defaultdict(list)
        for item in instances:
            inside = clip_box(item.box, sizes[item.image]) if item.box is not None else None
            if item.crowd:
                dropped["crowd"] += 1
            elif item.box is None:
                dropped["object without a box"] += 1
            elif inside is None:
                dropped["box outside the image"] += 1
            else:
                found[item.image].append(Annotation(item.label, inside, item))
        records = [
            Record(Path(image.file_name).stem, root / split / image.file_name, image.size, tuple(found[image.id]))
            for image in images
        ]
        self.classes = {name: name for name in names}
        super().__init__(sorted(records, key=lambda record: record.id), dropped)

    def masks(self, record: Record) -> list[np.ndarray | None]:
        masks: list[np.ndarray | None] = []
        for annotation in record.annotations:
            instance: Instance = annotation.shape
            try:
                masks.append(self._decode(instance.segmentation, record.size))
            # run lengths packed into a text show their faults only here
            except ValueError as error:
                raise BrokenImage(record.id, f"{instance.name}: segmentation: {error}") from error
        return masks

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
