"""The raccoon detection set: photographs with boxes, open to all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gamlib.data.annotated import AnnotatedImages, Annotation, Record, clip_box
from gamlib.data.fetch import REGISTRY, fetch
from gamlib.data.voc_xml import read_voc_xml

# labelImg numbers pixels from 1, as VOC does; the coordinates here run from 1 to the image's width
FIRST_PIXEL = 1


class Raccoon(AnnotatedImages):
    """200 photographs with 217 raccoons in boxes (Dat Tran, MIT licence). ImageNet-1k has no raccoon.

    root: the folder that holds (or will hold) raccoon/; default data_folder().
    """

    name = "raccoon"

    def __init__(self, root: str | Path | None = None, registry: Path = REGISTRY):
        annotated = [path for path in fetch("raccoon", root, registry) if path.suffix == ".xml"]
        records, dropped = [], Counter[str]()
        for path in sorted(annotated, key=lambda p: int(p.stem.rpartition("-")[2])):
            size, objects = read_voc_xml(path)
            annotations = []
            for item in objects:
                box = clip_box(item.box(FIRST_PIXEL), size)
                if box is None:
                    dropped["box outside the image"] += 1
                else:
                    annotations.append(Annotation(item.name, box))
            image = path.parents[1] / "images" / f"{path.stem}.jpg"
            records.append(Record(path.stem, image, size, tuple(annotations)))
        super().__init__(records, dropped)
        self.classes = {"raccoon": None}
