"""A folder of the user's own photographs as a data set, with boxes in one CSV or in XML files, or with masks."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from gamlib.data.annotated import AnnotatedImages, Annotation, ImageFile, OwnCopy, read_mask, read_voc_xml
from gamlib.data.photos import tight_box
from gamlib.names import check_name

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
CORNERS = ("x_min", "y_min", "x_max", "y_max")
HEAD = ("image", "label", *CORNERS)


class Folder(AnnotatedImages):
    """Photographs of one's own, each with at least one object.

    Found in this order: `boxes.csv` with the columns image (its path from the folder), label, x_min, y_min, x_max,
    y_max (pixels from 0; the right and lower edge lie outside) and perhaps class, one line a box; XML files of labelImg
    or VOC in `annotations`, named as their image; black and white masks in `masks`, named as their image, where the
    label is the folder that the photograph lies in, "object" for one in the folder itself; XML files beside the
    photographs. Where several photographs have one name, `annotations` and `masks` have the same folders as they.

    Parameters
    ----------
    root : path
        The folder.
    classes : mapping, optional
        Label -> ImageNet index or name in `Model.categories`, before what the table's column class says; a label
        without one is explained by the network's first.

    Raises
    ------
    FileNotFoundError, ValueError
        For a folder without any of these, or with one that is wrong; names the file.
    """

    name = "folder"
    layout = """  boxes.csv          image,label,x_min,y_min,x_max,y_max, one line a box, or
  annotations/*.xml  as labelImg and PASCAL VOC write them (or beside the photographs), or
  masks/*.png        white where the object is
  and the photographs, named alike"""

    def __init__(self, root: str | Path | None = None, classes: Mapping[str, int | str] | None = None) -> None:
        copy = OwnCopy(self.name, root, self.layout)
        folder, told = copy.root, {}
        path = folder / "boxes.csv"
        if path.exists():
            table = _read_table(path)
            told, records = _classes(table, path), _from_table(table, path)
        else:
            records = (
                _noted(folder, "annotations", "xml") or _noted(folder, "masks", "png") or _noted(folder, ".", "xml")
            )
            if not records:
                raise copy.missing("boxes.csv, annotations or masks")
        super().__init__(records)
        labels = sorted({each.label for one in self.records for each in one.annotations})
        for label in classes or ():
            check_name("classes", label, labels)
        self.classes = dict.fromkeys(labels) | told | dict(classes or {})


def _read_table(path: Path) -> pd.DataFrame:
    """Boxes as numbers, all else as text; ValueError naming the column or the line that is wrong."""
    try:
        # as text, since a label may be "NA" or "001"
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True, index_col=False).fillna("")
    except (ValueError, OSError) as error:
        raise ValueError(f"'{path}' is no table ({error}); expected a first line {','.join(HEAD)}") from error
    for column in HEAD:
        if column not in table:
            near = "".join(f"; rename '{near}'" for near in difflib.get_close_matches(column, table.columns, n=1))
            raise ValueError(f"'{path}': no column '{column}'{near}; expected {', '.join(HEAD)}")
    if table.empty:
        raise ValueError(f"'{path}': nothing below its first line; expected one line a box")
    corners = table[[*CORNERS]].apply(pd.to_numeric, errors="coerce")
    given = table[["image", "label"]].ne("").join(np.isfinite(corners))
    if not given.all(axis=None):
        row, place = np.argwhere(~given.to_numpy())[0]
        column, value = HEAD[place], table.at[row, HEAD[place]]
        fault = f"{column} is '{value}', expected a number of pixels" if column in CORNERS else f"no {column}"
        raise ValueError(f"'{path}', line {row + 2}: {fault}")
    return table.assign(**corners)


def _classes(table: pd.DataFrame, path: Path) -> dict[str, int | str]:
    """Label -> what the column class says, a number or a name; ValueError where it says two of one label."""
    found: dict[str, int | str] = {}
    for row in table.to_dict("records"):
        # a column with gaps is often written as 281.0
        text = re.sub(r"^(\d+)\.0$", r"\1", row.get("class", ""))
        if text:
            given = int(text) if text.isdecimal() else text
            if found.setdefault(row["label"], given) != given:
                raise ValueError(f"'{path}': label '{row['label']}' has classes {found[row['label']]} and {given}")
    return found


def _from_table(table: pd.DataFrame, path: Path) -> Iterator[ImageFile]:
    for name, rows in table.groupby("image", sort=True):
        image = path.parent / str(name)
        size = _size(image)
        boxes: list[Any] = list(zip(*(rows[column] for column in CORNERS), strict=True))
        for box in boxes:
            if size and not (0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1]):
                raise ValueError(f"'{path}': box {box} of '{name}' does not lie in its {size} pixels (width, height)")
        yield ImageFile(str(name), image, size, tuple(map(Annotation, rows["label"], boxes)))


def _noted(root: Path, folder: str, suffix: str) -> list[ImageFile]:
    """Photographs with what the XML files or masks in `folder` say; the path it should have where one is missing."""
    named = defaultdict(list)
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not path.is_relative_to(root / "masks"):
            named[path.stem].append(path.relative_to(root))
    records = []
    for note in sorted((root / folder).rglob(f"*.{suffix}")):
        inner = note.relative_to(root / folder).with_suffix("")
        ends = [path for path in named[note.stem] if path.with_suffix("").parts[-len(inner.parts) :] == inner.parts]
        found = [path for path in ends if path.with_suffix("") == inner] or ends
        if len(found) > 1:
            raise ValueError(
                f"'{note}': of '{found[0]}' or of '{found[1]}'? Rename one, or put it in a folder named as theirs"
            )
        # beside photographs other programs have XML files, too
        if found or folder != ".":
            image = root / (found[0] if found else inner.with_name(f"{inner.name}.jpg"))
            size, objects = read_voc_xml(note, 1) if suffix == "xml" else _masked(note, image, root)
            records.append(ImageFile(inner.as_posix(), image, size, objects))
    return records


def _masked(mask: Path, image: Path, root: Path) -> tuple[tuple[int, int] | None, tuple[Annotation, ...]]:
    """(width, height) and the object of a photograph that has a mask."""
    size = _size(image)
    box = tight_box(read_mask(mask, size)) if size else None
    return size, (Annotation(image.parent.name if image.parent != root else "object", box, mask=mask),)


def _size(path: Path) -> tuple[int, int] | None:
    """(width, height) of a photograph, None where it is missing or damaged: it is skipped and named later."""
    try:
        with Image.open(path) as file:
            return file.size
    except OSError:
        return None
