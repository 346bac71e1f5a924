"""PASCAL VOC 2007 and 2012: boxes, and masks of the segmentation task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from gamlib.data.annotated import AnnotatedImages, ImageFile, OwnCopy, read_voc_xml, reading
from gamlib.names import check_name

# in the order of the palette: class n of SegmentationClass is VOC_CLASSES[n - 1]; 0 is background, 255 void
VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
# in the list of a class: 1 for its images, -1 for all others, 0 where all its objects are marked difficult
FLAGS = {"1": None, "-1": "image of another class", "0": "image of difficult objects only"}
YEARS = ("VOC2007", "VOC2012")
PALETTES = ("SegmentationObject", "SegmentationClass")


class Voc(AnnotatedImages):
    """The user's own copy of PASCAL VOC (Everingham et al., IJCV 2010), as torchvision unpacks it.

    Truncated objects are kept. What is left out is counted in `dropped`.

    Parameters
    ----------
    year : {"VOC2007", "VOC2012"}
    root : path
        The folder of the copy.
    split : str
        A list of images, "val", "trainval", ...; of the list of a class, "cat_val", the images of that class.
    masks : bool
        False: images of ImageSets/Main with boxes, without the objects marked difficult, as in the challenge.
        True: images of ImageSets/Segmentation, each object with box and mask, difficult ones too (their pixels are
        labelled); void pixels (255) belong to no mask.
    """

    classes = {name: name for name in VOC_CLASSES}
    layout = """  VOCdevkit/{year}/ (or {year}/, or its content) with
  JPEGImages/2007_000033.jpg ...   Annotations/2007_000033.xml ...   ImageSets/{task}/{split}.txt
  and for masks SegmentationObject/2007_000033.png ...   SegmentationClass/2007_000033.png ..."""

    def __init__(self, year: str, root: str | Path | None = None, split: str = "val", masks: bool = False) -> None:
        self.name = year.lower()
        task = "Segmentation" if masks else "Main"
        copy = OwnCopy(self.name, root, self.layout.format(year=year, task=task, split=split))
        listing = copy.find(*(f"{at}/ImageSets/{task}/{split}.txt" for at in (f"VOCdevkit/{year}", year, ".")))
        self._folder, self._masks = listing.parents[2], masks
        if self._folder.name in YEARS and self._folder.name != year:
            raise copy.missing(year)
        with reading(listing):
            lines = [line.split() for line in listing.read_text("utf-8").splitlines() if line.strip()]
            # without a flag: an image of the list
            reasons = [(sample_id, FLAGS[flag]) for sample_id, flag, *_ in ((*words, "1") for words in lines)]
        dropped = Counter(reason for _, reason in reasons if reason)
        records = [self._record(sample_id, dropped) for sample_id, reason in reasons if not reason]
        for palette in PALETTES if masks else ():
            if not any((self._folder / palette / f"{record.id}.png").is_file() for record in records):
                raise copy.missing(f"{palette}/ with a mask of a listed image")
        super().__init__(records, dropped)

    def _record(self, sample_id: str, dropped: Counter[str]) -> ImageFile:
        path = self._folder / "Annotations" / f"{sample_id}.xml"
        # the development kit counts pixels from 1
        size, objects = read_voc_xml(path, first_pixel=1)
        annotations = []
        # SegmentationObject numbers the objects of the annotation from 1, in their order
        for number, item in enumerate(objects, start=1):
            check_name(f"'{path}', class", item.label, self.classes)
            if item.difficult and not self._masks:
                dropped["difficult"] += 1
            else:
                annotations.append(replace(item, shape=number))
        return ImageFile(sample_id, self._folder / "JPEGImages" / f"{sample_id}.jpg", size, tuple(annotations))

    def masks(self, record: ImageFile, shape: tuple[int, int]) -> Sequence[np.ndarray | None]:
        if not self._masks:
            return [None] * len(record.annotations)
        # palette indices, which converting to RGB would lose
        palettes = []
        for palette in PALETTES:
            path = self._folder / palette / f"{record.id}.png"
            with Image.open(path) as image:
                palettes.append(np.array(image))
            if palettes[-1].shape != shape:
                raise ValueError(f"'{path}' is not a palette image of the photograph's size")
        objects, classes = palettes
        masks = [objects == annotation.shape for annotation in record.annotations]
        for annotation, mask in zip(record.annotations, masks, strict=True):
            if (classes[mask] != VOC_CLASSES.index(annotation.label) + 1).any():
                where = f"object {annotation.shape} of SegmentationObject"
                raise ValueError(f"{where} is no {annotation.label} in SegmentationClass")
        return masks


Voc2007, Voc2012 = (partial(Voc, year) for year in YEARS)
