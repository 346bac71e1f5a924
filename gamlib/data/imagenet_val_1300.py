"""1,300 ILSVRC 2012 validation photographs, the paper's own data, with the official boxes of the localisation task."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile, clip_box, reading
from gamlib.data.classes import imagenet_indices
from gamlib.data.fetch import fetch

SQUEEZED = 227  # pixels: each photograph was squeezed as a whole
BOX_TABLE = Path(__file__).with_name("imagenet_val_1300.csv")
BOX_COLUMNS = ["image", "class_index", "width", "height", "x_min", "y_min", "x_max", "y_max"]


class ImagenetVal1300(AnnotatedImages):
    """Photographs of 725 classes (Russakovsky et al., IJCV 2015; for research and education), 227 pixels a side.

    Boxes are given in pixels of the whole photograph, with both ends in the box, and are squeezed as it was; their
    table is derived from a list by NAVER (MIT licence). Labels are WordNet ids; every image has a box of its class.

    Parameters
    ----------
    root : path, optional
        Folder that holds, or will hold, imagenet-val-1300; by default `data_folder()`.
    """

    name = "imagenet_val_1300"
    cluster = "label"

    def __init__(self, root: str | Path | None = None) -> None:
        wnids = {index: wnid for wnid, index in imagenet_indices().items()}
        files = {path.name: path for path in fetch("imagenet-val-1300", root) if path.suffix == ".JPEG"}
        records, dropped = [], Counter[str]()
        for name, rows in read_boxes(BOX_TABLE).groupby("image", sort=True):
            wnid = wnids[rows["class_index"].iloc[0]]
            annotations = []
            for row in rows.to_dict("records"):
                across, down = SQUEEZED / row["width"], SQUEEZED / row["height"]
                x0, y0, x1, y1 = row["x_min"], row["y_min"], row["x_max"] + 1, row["y_max"] + 1
                box = (x0 * across, y0 * down, x1 * across, y1 * down)
                annotations.append(Annotation(wnid, clip_box(box, (SQUEEZED, SQUEEZED), dropped)))
            records.append(
                ImageFile(str(name).removesuffix(".JPEG"), files[str(name)], (SQUEEZED, SQUEEZED), tuple(annotations))
            )
        self.classes = {
            record.annotations[0].label: imagenet_indices()[record.annotations[0].label] for record in records
        }
        super().__init__(records, dropped)


def read_boxes(path: Path) -> pd.DataFrame:
    """The table of boxes; ValueError naming the column, or the image whose box or class cannot be.

    Columns: image, class_index (0 to 999), width, height (of the whole photograph), x_min, y_min, x_max, y_max.
    """
    with reading(path):
        boxes = pd.read_csv(path)
        missing = [column for column in BOX_COLUMNS if column not in boxes]
        if missing:
            raise ValueError(f"no column '{missing[0]}'; expected {', '.join(BOX_COLUMNS)}")
        outside = boxes[(boxes["x_min"] < 0) | (boxes["y_min"] < 0) | (boxes["x_max"] >= boxes["width"] + 1)
                        | (boxes["y_max"] >= boxes["height"] + 1) | (boxes["x_max"] < boxes["x_min"])
                        | (boxes["y_max"] < boxes["y_min"])]  # fmt: skip
        if len(outside):
            raise ValueError(f"a box of '{outside['image'].iloc[0]}' does not lie in its image")
        unknown = boxes[~boxes["class_index"].isin(range(1000))]
        if len(unknown):
            first = unknown.iloc[0]
            raise ValueError(f"class {first['class_index']} of '{first['image']}' is out of range, 0 to 999")
    return boxes
