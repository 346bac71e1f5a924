"""The raccoon detection set: photographs with boxes, open to all."""

from __future__ import annotations

from pathlib import Path

from gamlib.data.annotated import AnnotatedImages, ImageFile, read_voc_xml
from gamlib.data.fetch import fetch


class Raccoon(AnnotatedImages):
    """200 photographs with 217 raccoons in boxes (Dat Tran, MIT licence). ImageNet-1k has no raccoon."""

    name = "raccoon"
    classes = {"raccoon": None}

    def __init__(self, root: str | Path | None = None) -> None:
        annotated = [path for path in fetch("raccoon", root) if path.suffix == ".xml"]
        records = []
        for path in sorted(annotated, key=lambda p: int(p.stem.rpartition("-")[2])):
            # labelImg counts pixels from 1, as VOC does: coordinates here run from 1 to the image's width
            size, objects = read_voc_xml(path, first_pixel=1)
            image = path.parents[1] / "images" / f"{path.stem}.jpg"
            records.append(ImageFile(path.stem, image, size, objects))
        super().__init__(records)
