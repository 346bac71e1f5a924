"""1,300 ILSVRC 2012 validation photographs, the paper's own data, with the official boxes of the localisation task."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile
from gamlib.data.classes import imagenet_indices
from gamlib.data.fetch import fetch

SQUEEZED = 227  # pixels: each photograph was squeezed as a whole
BOX_TABLE = Path(__file__).with_name("imagenet_val_1300.csv")


class ImagenetVal1300(AnnotatedImages):
    """Photographs of 725 classes (Russakovsky et al., IJCV 2015; for research and education), 227 pixels a side.

    Boxes are given in pixels of the whole photograph, with both ends in the box, and are squeezed as it was; their
    table is derived from a list by NAVER (MIT licence). Labels are WordNet ids; every image has a box of its class.
    """

    name = "imagenet_val_1300"
    cluster = "label"

    def __init__(self, root: str | Path | None = None) -> None:
        wnids = list(imagenet_indices())
        table = pd.read_csv(BOX_TABLE)
        across, down = SQUEEZED / table["width"], SQUEEZED / table["height"]
        corners = (table["x_min"] * across, table["y_min"] * down,
                   (table["x_max"] + 1) * across, (table["y_max"] + 1) * down)  # fmt: skip
        boxes = zip(*(corner.clip(upper=SQUEEZED) for corner in corners), strict=True)
        boxed = [Annotation(wnids[index], box) for index, box in zip(table["class_index"], boxes, strict=True)]
        of_image = pd.Series(boxed).groupby(table["image"]).agg(tuple)
        photographs = [path for path in fetch("imagenet-val-1300", root) if path.suffix == ".JPEG"]
        self.classes = {wnids[index]: index for index in table["class_index"].tolist()}
        super().__init__([ImageFile(p.stem, p, (SQUEEZED, SQUEEZED), of_image[p.name]) for p in photographs])
