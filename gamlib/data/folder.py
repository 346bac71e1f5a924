"""A folder of the user's own photographs as a data set, with boxes in one CSV or in XML files, or with masks."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from gamlib.boxes import Box
from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile, OwnCopy, clip_box, read_voc_xml, reading
from gamlib.data.photos import tight_box

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
COLUMNS = ("image", "label", "x_min", "y_min", "x_max", "y_max")


class Folder(AnnotatedImages):
    """Photographs of one's own, each with at least one object.

    Found in this order: `boxes.csv` with the columns image (its path from the folder), label, x_min, y_min, x_max,
    y_max (pixels from 0; the right and lower edge lie outside), one line a box; XML files of labelImg or VOC in
    `annotations`, named as their image; black and white masks in `masks`, named as their image, where the label is the
    folder that the photograph lies in.

    Parameters
    ----------
    root : path
        The folder.
    classes : mapping, optional
        Label -> ImageNet index or name in `Model.categories`; a label without one is explained by the network's first.

    Raises
    ------
    FileNotFoundError, ValueError
        For a folder without any of these, a column that is missing, a box outside its image, and what the file-based
        data sets refuse.
    """

    name = "folder"
    layout = """  boxes.csv          image,label,x_min,y_min,x_max,y_max, one line a box, or
  annotations/*.xml  as labelImg and PASCAL VOC write them, or
  masks/*.png        white where the object is
  and the photographs, named alike"""

    def __init__(self, root: str | Path | None, classes: Mapping[str, int | str] | None = None) -> None:
        copy = OwnCopy(self.name, root, self.layout)
        dropped = Counter[str]()
        for file, read in (("boxes.csv", _from_csv), ("annotations", _from_xml), ("masks", _from_masks)):
            if (copy.root / file).exists():
                records = list(read(copy.root, dropped))
                break
        else:
            raise copy.missing("boxes.csv, annotations or masks")
        labels = {annotation.label for record in records for annotation in record.annotations}
        unknown = sorted(set(classes or {}) - labels)
        if unknown:
            near = difflib.get_close_matches(unknown[0], labels, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(sorted(labels)[:5])}"
            raise ValueError(f"classes: no object has the label '{unknown[0]}'; {hint}")
        self.classes = {label: (classes or {}).get(label) for label in labels}
        super().__init__(records, dropped)

    def masks(self, record: ImageFile, shape: tuple[int, int]) -> Sequence[np.ndarray | None]:
        return [each.shape and _mask(Path(each.shape), shape[::-1]) for each in record.annotations]


def _from_csv(root: Path, dropped: Counter[str]) -> Iterator[ImageFile]:
    path = root / "boxes.csv"
    with reading(path):
        boxes = pd.read_csv(path, dtype={"image": str, "label": str})
        for column in COLUMNS:
            if column not in boxes:
                near = difflib.get_close_matches(column, boxes.columns, n=1)
                hint = f"; rename '{near[0]}'" if near else ""
                raise ValueError(f"no column '{column}'{hint}; expected {', '.join(COLUMNS)}")
    for name, rows in boxes.groupby("image", sort=True):
        image = root / str(name)
        size = _size(image)
        found = []
        for row in rows.to_dict("records"):
            box: Box = (row["x_min"], row["y_min"], row["x_max"], row["y_max"])
            inside = size is None or (0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1])
            if not inside:
                raise ValueError(f"'{path}': box {box} of '{name}' does not lie in its {size} pixels (width, height)")
            found.append(Annotation(row["label"], box))
        yield ImageFile(str(name), image, size, tuple(found))


def _from_xml(root: Path, dropped: Counter[str]) -> Iterator[ImageFile]:
    for path in sorted((root / "annotations").glob("*.xml")):
        image = _beside(root, path.stem)
        size, objects = read_voc_xml(path, first_pixel=1)
        boxes = [(item.name, clip_box(item.box, size, dropped)) for item in objects]
        yield ImageFile(path.stem, image, size, tuple(Annotation(name, box) for name, box in boxes if box))


def _from_masks(root: Path, dropped: Counter[str]) -> Iterator[ImageFile]:
    for path in sorted((root / "masks").glob("**/*.png")):
        image = _beside(root, path.stem)
        size = _size(image)
        label = image.parent.name if image.parent != root else "object"
        box = tight_box(_mask(path, size)) if size else None
        yield ImageFile(path.stem, image, size, (Annotation(label, box, str(path)),))


def _mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool, True where the file is not black; ValueError where it has another size or nothing."""
    with reading(path), Image.open(path) as file:
        pixels = np.asarray(file.convert("L")) > 0
    if pixels.shape != size[::-1]:
        raise ValueError(f"mask '{path}': it has {pixels.shape[::-1]} pixels (width, height), its image {size}")
    if not pixels.any():
        raise ValueError(f"mask '{path}': it is black; an object has at least one pixel")
    return pixels


def _beside(root: Path, stem: str) -> Path:
    """The photograph of a name anywhere in the folder; where there is none, the path that it should have."""
    found = sorted(
        path for path in root.glob(f"**/{stem}.*")
        if path.suffix.lower() in SUFFIXES and path.parent not in (root / "masks", root / "annotations")
    )  # fmt: skip
    return found[0] if found else root / f"{stem}.jpg"


def _size(path: Path) -> tuple[int, int] | None:
    """(width, height) of a photograph, None where it is missing or damaged: it is skipped and named later."""
    try:
        with Image.open(path) as file:
            return file.size
    except OSError:
        return None
