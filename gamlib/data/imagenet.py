"""ImageNet: thirty open samples, 1,300 validation images with official boxes, and the user's own copy of them all."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from timm.data import ImageNetInfo

from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile, OwnCopy, read_voc_xml, reading
from gamlib.data.fetch import fetch

# WordNet id -> class index: the indices number the ids in sorted order
INDICES = {wnid: index for index, wnid in enumerate(ImageNetInfo("imagenet-1k").label_names())}
SQUEEZED = 227  # pixels: each of the 1,300 was squeezed as a whole
BOX_TABLE = Path(__file__).with_name("imagenet_val_1300.csv")
BOX_COLUMNS = ("image", "class_index", "width", "height", "x_min", "y_min", "x_max", "y_max")
IMAGES = ("val", "ILSVRC2012_img_val", "Data/CLS-LOC/val", "ILSVRC/Data/CLS-LOC/val")
XMLS = ("Annotations/CLS-LOC/val", "ILSVRC/Annotations/CLS-LOC/val", "ILSVRC2012_bbox_val_v3/val", "bbox/val")
DEVKITS = ("ILSVRC2012_devkit_t12/data", "devkit/data")


class ImagenetSamples(AnnotatedImages):
    """30 photographs, one a class, without boxes; the label is the WordNet id that begins the file name."""

    name = "imagenet_samples"

    def __init__(self, root: str | Path | None = None) -> None:
        wnids = {file: file.stem.partition("_")[0] for file in fetch("imagenet-samples", root)}
        self.classes = {wnid: INDICES[wnid] for wnid in wnids.values()}
        super().__init__([ImageFile(file.stem, file, None, (Annotation(wnid),)) for file, wnid in wnids.items()])


class ImagenetVal1300(AnnotatedImages):
    """Photographs of 725 classes (Russakovsky et al., IJCV 2015; for research and education), 227 pixels a side.

    Boxes are given in pixels of the whole photograph, with both ends in the box, and are squeezed as it was; their
    table is derived from a list by NAVER (MIT licence). Labels are WordNet ids; every image has a box of its class.
    """

    name = "imagenet_val_1300"
    cluster = "label"

    def __init__(self, root: str | Path | None = None) -> None:
        wnids, boxed = list(INDICES), defaultdict(list)
        rows: Any = read_boxes(BOX_TABLE).itertuples()
        for row in rows:
            across, down = SQUEEZED / row.width, SQUEEZED / row.height
            box = (row.x_min * across, row.y_min * down, (row.x_max + 1) * across, (row.y_max + 1) * down)
            boxed[row.image].append(Annotation(wnids[row.class_index], box))
        photographs = [path for path in fetch("imagenet-val-1300", root) if path.suffix == ".JPEG"]
        super().__init__([ImageFile(p.stem, p, (SQUEEZED, SQUEEZED), tuple(boxed[p.name])) for p in photographs])
        self.classes = {each.label: INDICES[each.label] for one in self.records for each in one.annotations}


def read_boxes(path: Path) -> pd.DataFrame:
    """The table of boxes, BOX_COLUMNS; ValueError naming the column, or the image whose box or class cannot be."""
    with reading(path):
        boxes = pd.read_csv(path)
        missing = [column for column in BOX_COLUMNS if column not in boxes]
        if missing:
            raise ValueError(f"no column '{missing[0]}'; expected {', '.join(BOX_COLUMNS)}")
        # ends lie in the box, and some of the official ones a pixel beyond the image
        inside = (boxes[["x_min", "y_min"]] >= 0).all(axis=1)
        for low, high, side in (("x_min", "x_max", "width"), ("y_min", "y_max", "height")):
            inside &= (boxes[low] <= boxes[high]) & (boxes[high] < boxes[side] + 1)
        if not inside.all():
            raise ValueError(f"a box of '{boxes['image'][~inside].iloc[0]}' does not lie in its image")
        known = boxes["class_index"].isin(range(1000))
        if not known.all():
            first = boxes[~known].iloc[0]
            raise ValueError(f"class {first['class_index']} of '{first['image']}' is out of range, 0 to 999")
    return boxes


class ImagenetVal(AnnotatedImages):
    """The user's own copy of the 50,000 validation images (Russakovsky et al., IJCV 2015), or any part of them.

    Labels are WordNet ids. An image without a box keeps its label; boxes of another class than the image's, or
    wholly outside the image, are left out and counted in `dropped`.
    Where all images lie in one folder, the development kit says which class each has.
    """

    name = "imagenet_val"
    layout = f"""  images  {" or ".join(IMAGES)}
          n01440764/ILSVRC2012_val_00000293.JPEG ... (a folder a class), or all images in it and
  labels  {" or ".join(DEVKITS)}: ILSVRC2012_validation_ground_truth.txt and meta.mat
  boxes   {" or ".join(XMLS)}
          ILSVRC2012_val_00000293.xml ..."""

    def __init__(self, root: str | Path | None = None) -> None:
        copy = OwnCopy(self.name, root, self.layout)
        images, xmls = copy.find(*IMAGES), copy.find(*XMLS)
        wnids = {file: file.parent.name for file in images.glob("n*/ILSVRC2012_val_*.JPEG")}
        if not wnids:
            wnids = _devkit_labels(images, copy.find(*DEVKITS))
        labels = sorted(set(wnids.values()))
        if unknown := set(labels) - INDICES.keys():
            raise ValueError(f"'{images}': '{min(unknown)}' is not one of the 1000 WordNet ids of ImageNet-1k")
        self.classes = {wnid: INDICES[wnid] for wnid in labels}
        records, dropped = [], Counter[str]()
        for file, wnid in sorted(wnids.items(), key=lambda item: item[0].name):
            xml, size, own = xmls / f"{file.stem}.xml", None, []
            if xml.is_file():
                # pixels count from 0 here: boxes run from 0 to the image's width - 1
                size, objects = read_voc_xml(xml, first_pixel=0)
                own = [item for item in objects if item.label == wnid]
                dropped["box of another class"] += len(objects) - len(own)
            else:
                dropped["image without boxes"] += 1
            records.append(ImageFile(file.stem, file, size, tuple(own)))
        super().__init__(records, dropped)
        # an image without a box keeps its label
        for number, record in enumerate(self.records):
            if not record.annotations:
                self.records[number] = replace(record, annotations=(Annotation(wnids[record.path]),))


def _devkit_labels(images: Path, devkit: Path) -> dict[Path, str]:
    """WordNet id of each image of a flat folder.

    Line n of the ground truth belongs to image n and holds an ILSVRC2012_ID, which meta.mat maps to the WordNet id:
    the ids are not in the order of the class indices.
    """
    from scipy.io import loadmat

    truth, meta = devkit / "ILSVRC2012_validation_ground_truth.txt", devkit / "meta.mat"
    with reading(meta):
        synsets = loadmat(meta, squeeze_me=True)["synsets"]
        wnid_of = {int(s["ILSVRC2012_ID"]): str(s["WNID"]) for s in synsets if s["WNID"] in INDICES}
    with reading(truth):
        # a blank line would move all labels below it, and is no number
        labels = [wnid_of[int(line)] for line in truth.read_text("utf-8").rstrip().splitlines()]
        return {file: labels[int(file.stem[-8:]) - 1] for file in images.glob("ILSVRC2012_val_*.JPEG")}
