"""ChestX-ray8: the radiographs whose findings a radiologist has boxed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile, OwnCopy, reading

TABLE = "BBox_List_2017.csv"
# the header has one name for four columns, "Bbox [x,y,w,h]", and is cut at its commas, too
_COLUMNS = ["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"]
# The PNG files of the release all have this width and height, and the boxes refer to it.
RADIOGRAPH = (1024, 1024)


class ChestXray8(AnnotatedImages):
    """The user's own copy of ChestX-ray8 (Wang et al., CVPR 2017): the 880 images of its list of 984 boxes.

    An image may have several findings, each an object with its own label. Boxes are x, y, width, height with
    x, y counted from 0. An image that is listed but not there counts as broken when it is asked for.
    """

    name = "chestx_ray8"
    layout = f"""  {TABLE}
  images/00013118_008.png ..., or images_001/images/ ... images_012/images/ as the parts unpack"""
    # finding as the list spells it -> pathology as torchxrayvision does
    classes = {
        name: "Infiltration" if name == "Infiltrate" else name
        for name in "Atelectasis Cardiomegaly Effusion Infiltrate Mass Nodule Pneumonia Pneumothorax".split()
    }

    def __init__(self, root: str | Path | None = None) -> None:
        copy = OwnCopy(self.name, root, self.layout)
        path = copy.find(TABLE)
        with reading(path):
            table = pd.read_csv(path, usecols=_COLUMNS, dtype=str)[_COLUMNS]
            wrong = table[table.isna().any(axis=1) | ~table["Finding Label"].isin(self.classes)]
            if len(wrong):
                accepted = f"image, finding, x, y, width, height; findings: {', '.join(self.classes)}"
                raise ValueError(f"{wrong.iloc[0].tolist()}, expected {accepted}")
            table = table.astype(dict.fromkeys(_COLUMNS[2:], float))
        files = {p.name: p for pattern in ("images/*.png", "images_*/images/*.png") for p in copy.root.glob(pattern)}
        records = []
        for image, rows in table.groupby("Image Index"):
            findings = rows[_COLUMNS[1:]].itertuples(index=False)
            boxed = (Annotation(label, (x, y, x + width, y + height)) for label, x, y, width, height in findings)
            file = files.get(image, copy.root / "images" / image)
            records.append(ImageFile(file.stem, file, RADIOGRAPH, tuple(boxed)))
        super().__init__(records)
