"""PASCAL VOC 2007 and 2012: boxes, and masks of the segmentation task."""

from __future__ import annotations

import difflib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from gamlib.data.annotated import (
    DAMAGE,
    AnnotatedImages,
    Annotation,
    Record,
    check_root,
    clip_box,
    existing,
    wrong_layout,
)
from gamlib.data.samples import BrokenImage
from gamlib.data.text import read_words
from gamlib.data.voc_xml import XmlObject, read_voc_xml

# in the order of the palette: class n of SegmentationClass is CLASSES[n - 1]; 0 is background, 255 void
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
LAYOUT = """  VOCdevkit/{year}/ (or {year}/, or its content) with
  JPEGImages/2007_000033.jpg ...   Annotations/2007_000033.xml ...   ImageSets/{task}/{split}.txt
  and for masks SegmentationObject/2007_000033.png ...   SegmentationClass/2007_000033.png ..."""
# the development kit numbers pixels from 1 and both ends of a box lie in it
FIRST_PIXEL = 1
# in the list of a class: 1 for its images, -1 for all others, 0 where all its objects are marked difficult
FLAGS = {"1": None, "-1": "image of another class", "0": "image of difficult objects only"}
MASKS = ("SegmentationObject", "SegmentationClass")


class _Voc(AnnotatedImages):
    """The user's own copy of PASCAL VOC (Everingham et al. 2010) as torchvision unpacks it.

    split: a list of images, "val", "trainval", ...; of the list of a class, "cat_val", the images of that class.
    masks=False: images of ImageSets/Main with boxes; objects marked difficult are left out, as in the
    challenge. masks=True: images of ImageSets/Segmentation, each object with its box and mask, difficult ones
    too (their pixels are labelled); void pixels (255) belong to no mask. Truncated objects are kept. What is
    left out is counted in `dropped`.
    """

    year: str

    def __init__(self, root: str | Path | None, split: str = "val", masks: bool = False):
        task = "Segmentation" if masks else "Main"
        layout = LAYOUT.format(year=self.year, task=task, split=split)
        root = check_root(self.name, root, layout)
        folder = next((f for f in (root / "VOCdevkit" / self.year, root / self.year) if f.is_dir()), root)
        if folder.name in {Voc2007.year, Voc2012.year} - {self.year}:
            raise wrong_layout(self.name, root, self.year, layout)
        for part in ("JPEGImages", "Annotations", f"ImageSets/{task}/{split}.txt"):
            if existing(folder, (part,)) is None:
                raise wrong_layout(self.name, root, part, layout)
        self._folder, self._masks = folder, masks
        dropped = Counter[str]()
        listing = folder / f"ImageSets/{task}/{split}.txt"
        records = [self._record(sample_id, listing, dropped) for sample_id in _listed(listing, dropped)]
        for part in MASKS if masks else ():
            if not any((folder / part / f"{record.id}.png").is_file() for record in records):
                raise wrong_layout(self.name, root, f"{part}/ with a mask of a listed image", layout)
        super().__init__(records, dropped)
        self.classes = {name: name for name in CLASSES}

    def _record(self, sample_id: str, listing: Path, dropped: Counter[str]) -> Record:
        path = self._folder / "Annotations" / f"{sample_id}.xml"
        if not path.is_file():
            raise FileNotFoundError(
                f"data set '{self.name}': no annotation '{path}' of image '{sample_id}', which '{listing}' names"
            )
        size, objects = read_voc_xml(path)
        annotations = []
        # SegmentationObject numbers the objects of the annotation from 1, in their order
        for number, item in enumerate(objects, start=1):
            _check_class(item, path)
            box = item.box(FIRST_PIXEL)
            inside = clip_box(box, size) if box is not None else None
            if item.difficult and not self._masks:
                dropped["difficult"] += 1
            elif box is None:
                dropped["object without a box"] += 1
            elif inside is None:
                dropped["box outside the image"] += 1
            else:
                annotations.append(Annotation(item.name, inside, number))
        return Record(sample_id, self._folder / "JPEGImages" / f"{sample_id}.jpg", size, tuple(annotations))

    def masks(self, record: Record) -> list[np.ndarray | None]:
        if not self._masks:
            return super().masks(record)
        objects, classes = (self._palette(part, record) for part in MASKS)
        masks: list[np.ndarray | None] = []
        for annotation in record.annotations:
            mask = objects == annotation.shape
            if (classes[mask] != CLASSES.index(annotation.label) + 1).any():
                reason = f"SegmentationObject {annotation.shape} is no {annotation.label} in SegmentationClass"
                raise BrokenImage(record.id, reason)
            masks.append(mask)
        return masks

    def _palette(self, part: str, record: Record) -> np.ndarray:
        """(H, W) uint8 palette indices; converting to RGB would lose them."""
        path = self._folder / part / f"{record.id}.png"
        try:
            with Image.open(path) as image:
                indices = np.array(image)
        except DAMAGE as error:
            raise BrokenImage(record.id, str(error)) from error
        if indices.shape != record.size[::-1]:
            raise BrokenImage(record.id, f"'{path}' is not a palette image of the photograph's size")
        return indices


class Voc2007(_Voc):
    name = "voc2007"
    year = "VOC2007"


class Voc2012(_Voc):
    name = "voc2012"
    year = "VOC2012"


def _listed(path: Path, dropped: Counter[str]) -> list[str]:
    """The images that a list names, in its order; those that the list of a class does not mean are counted."""
    ids = []
    for where, (sample_id, *flags) in read_words(path):
        if len(flags) > 1 or (flags and flags[0] not in FLAGS):
            raise ValueError(f"{where}: '{' '.join(flags)}' after the image, expected nothing, 1, -1 or 0")
        reason = FLAGS[flags[0]] if flags else None
        if reason is None:
            ids.append(sample_id)
        else:
            dropped[reason] += 1
    if not ids:
        raise ValueError(f"'{path}' names no image{' of its class' if dropped else ''}; expected one a line")
    return ids


def _check_class(item: XmlObject, path: Path) -> None:
    if item.name not in CLASSES:
        near = difflib.get_close_matches(item.name, CLASSES, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ValueError(f"annotation '{path}': unknown class '{item.name}'; {hint}accepted: {', '.join(CLASSES)}")
