"""MS COCO instances, read by pycocotools: several labels an image, boxes and masks."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile, OwnCopy, reading


class Coco(AnnotatedImages):
    """The user's own copy of COCO (Lin et al., ECCV 2014).

    Labels are category names. Boxes are x, y, width, height with x, y counted from 0. Masks are drawn from polygons
    or run lengths when an image is asked for. Crowd regions (iscrowd), boxes outside the image and annotations
    without a box are left out and counted in `dropped`.

    Parameters
    ----------
    root : path
        The folder of the copy.
    split : str
        "val2017", "val2014", ...: the folder of images, and the end of the name of the annotations.
    """

    name = "coco"
    layout = """  {split}/000000000139.jpg ...
  annotations/instances_{split}.json"""

    def __init__(self, root: str | Path | None = None, split: str = "val2017") -> None:
        copy = OwnCopy(self.name, root, self.layout.format(split=split))
        try:
            from pycocotools.coco import COCO
        except ImportError as error:
            raise ImportError("data set 'coco' needs pycocotools: pip install \"gamlib[paper]\"") from error
        table, images = copy.find(f"annotations/instances_{split}.json"), copy.find(split)
        records, dropped = [], Counter[str]()
        with reading(table), contextlib.redirect_stdout(io.StringIO()):
            self._coco = COCO(table)
            names = {key: category["name"] for key, category in self._coco.cats.items()}
            for key, image in self._coco.imgs.items():
                found, size = [], (image["width"], image["height"])
                for one in self._coco.imgToAnns[key]:
                    if one.get("iscrowd"):
                        dropped["crowd"] += 1
                        continue
                    x, y, width, height = one.get("bbox") or [0] * 4
                    box = (x, y, x + width, y + height) if one.get("bbox") else None
                    found.append(Annotation(names[one["category_id"]], box, one))
                file = images / image["file_name"]
                records.append(ImageFile(file.stem, file, size, tuple(found)))
        self.classes = {name: name for name in names.values()}
        super().__init__(sorted(records, key=lambda record: record.id), dropped)

    def masks(self, record: ImageFile, shape: tuple[int, int]) -> Sequence[np.ndarray]:
        return [self._mask(annotation.shape, shape) for annotation in record.annotations]

    def _mask(self, one: dict[str, Any], shape: tuple[int, int]) -> np.ndarray:
        """(H, W) bool, of polygons or run lengths."""
        parts = one["segmentation"]
        if isinstance(parts, list):
            # a polygon of two points has no area, and pycocotools would take four numbers for a box
            parts = [polygon for polygon in parts if len(polygon) >= 6]
            if not parts:
                return np.zeros(shape, dtype=bool)
        # where run lengths are too short, pycocotools makes up the rest
        elif isinstance(parts["counts"], list) and sum(parts["counts"]) != shape[0] * shape[1]:
            raise ValueError(f"annotation {one['id']}: its run lengths do not add up to the {shape} pixels")
        return self._coco.annToMask(one | {"segmentation": parts}).astype(bool)
