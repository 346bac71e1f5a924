"""ChestX-ray8: the radiographs whose findings a radiologist has boxed."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from gamlib.data.annotated import AnnotatedImages, Annotation, Box, Record, check_root, clip_box, existing, wrong_layout
from gamlib.data.text import read_csv

LAYOUT = """  BBox_List_2017.csv
  images/00013118_008.png ..., or images_001/images/ ... images_012/images/ as the parts unpack"""
# The PNG files of the release all have this size, and the boxes refer to it.
SIZE = (1024, 1024)
FIELDS = 6
HEADER = ("Image Index", "Finding Label")
# finding as the list spells it -> pathology as torchxrayvision does
CLASSES = {
    "Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Effusion": "Effusion",
    "Infiltrate": "Infiltration",
    "Mass": "Mass",
    "Nodule": "Nodule",
    "Pneumonia": "Pneumonia",
    "Pneumothorax": "Pneumothorax",
}


class ChestXray8(AnnotatedImages):
    """The user's own copy of ChestX-ray8 (Wang et al. 2017): the 880 images of BBox_List_2017.csv, 984 boxes.

    An image may have several findings, each an object with its own label. Boxes are x, y, width, height with
    x, y counted from 0. An image that is listed but not there counts as broken when it is asked for.
    """

    name = "chestx_ray8"
    classes = CLASSES

    def __init__(self, root: str | Path | None):
        root = check_root(self.name, root, LAYOUT)
        table = existing(root, ("BBox_List_2017.csv",))
        if table is None:
            raise wrong_layout(self.name, root, "BBox_List_2017.csv", LAYOUT)
        paths = {p.name: p for pattern in ("images/*.png", "images_*/images/*.png") for p in root.glob(pattern)}
        dropped = Counter[str]()
        findings: dict[str, list[Annotation]] = {}
        for image, label, box in _rows(table):
            inside = clip_box(box, SIZE)
            found = findings.setdefault(image, [])
            if inside is None:
                dropped["box outside the image"] += 1
            else:
                found.append(Annotation(label, inside))
        if not paths.keys() & findings.keys():
            raise wrong_layout(self.name, root, "any image of BBox_List_2017.csv", LAYOUT)
        records = [
            Record(Path(image).stem, paths.get(image, root / "images" / image), SIZE, tuple(annotations))
            for image, annotations in sorted(findings.items())
        ]
        super().__init__(records, dropped)


def _rows(table: Path) -> list[tuple[str, str, Box]]:
    """Image name, finding and half-open box of each line; the header names 3 columns and leaves 3 empty."""
    rows = []
    for where, fields in read_csv(table, HEADER):
        if len(fields) < FIELDS:
            raise ValueError(f"{where}: {len(fields)} fields, expected image, finding, x, y, width, height")
        image, label = fields[0].strip(), fields[1].strip()
        if label not in CLASSES:
            raise ValueError(f"{where}: unknown finding '{label}'; accepted: {', '.join(CLASSES)}")
        try:
            x, y, width, height = (float(field) for field in fields[2:FIELDS])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if not all(map(math.isfinite, (x, y, width, height))):
            raise ValueError(f"{where}: the box {fields[2:FIELDS]} is not finite")
        rows.append((image, label, (x, y, x + width, y + height)))
    return rows
