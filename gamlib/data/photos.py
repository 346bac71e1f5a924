"""Twenty photographs that scikit-image, scikit-learn and foolbox carry, with outlines of their main objects.

All of them lie inside the packages' wheels, so nothing is downloaded. `photos.csv` names the class, the author, the
licence and the file of each; `outlines.json` holds the outlines, drawn for this book: by hand and then fitted to the
edges by a graph-cut segmentation (the rocket and the left motorcycle by hand alone; the right motorcycle's is carried
over by the disparity map of the stereo pair), each checked by eye.
"""

from __future__ import annotations

import csv
import json
from functools import cache
from importlib.resources import files

import numpy as np
from PIL import Image
from skimage.draw import polygon2mask

from gamlib.data.samples import Dataset, Object, Sample
from gamlib.packaged import packaged


@cache
def _table() -> tuple[dict[str, str], ...]:
    """The rows of `photos.csv`; those without a label are textures, which only backgrounds of scenes are made of."""
    return tuple(csv.DictReader((files("gamlib.data") / "photos.csv").read_text("utf-8").splitlines()))


def photo_table() -> list[dict[str, str]]:
    """The rows of the photographs, in their order: photo, label, imagenet, width, height, licence, ..."""
    return [row for row in _table() if row["label"]]


@cache
def outlines() -> dict[str, tuple[np.ndarray, ...]]:
    """Outlines by name: closed polygons, (N, 2) float arrays of x and y in pixels of the photograph.

    Pixel (column i, row j) covers [i, i + 1) x [j, j + 1). The first polygon is the border of the object,
    the others are holes in it. Besides the photographs there is "cat_head": the part of the cat that scenes cut out,
    rounded where the photograph itself ends.
    """
    raw = json.loads((files("gamlib.data") / "outlines.json").read_text("utf-8"))
    return {name: tuple(np.array(polygon, dtype=float) for polygon in polygons) for name, polygons in raw.items()}


@cache
def photograph(name: str) -> np.ndarray:
    """A photograph, (H, W, 3) uint8, or a texture, which may be grey, (H, W); read only once."""
    (row,) = (row for row in _table() if row["photo"] == name)
    with Image.open(packaged(row["package"], row["file"], row["sha256"])) as file:
        pixels = np.array(file)
    pixels.setflags(write=False)
    return pixels


def class_indices() -> dict[str, int | str | None]:
    """Label -> ImageNet-1k index, None where ImageNet has no such class (rocket, temple)."""
    return {row["label"]: int(row["imagenet"]) if row["imagenet"] else None for row in photo_table()}


@cache
def outline_mask(name: str, height: int, width: int) -> np.ndarray:
    """(H, W) bool: the pixels of the photograph whose centre lies inside the outline and in none of its holes."""
    inside = np.zeros((height, width), dtype=bool)
    for polygon in outlines()[name]:
        inside ^= polygon2mask((height, width), polygon[:, ::-1] - 0.5)
    inside.setflags(write=False)
    return inside


def tight_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Smallest (x0, y0, x1, y1), half-open, around the true pixels of a (H, W) mask that has at least one."""
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


class Photos(Dataset):
    """Twenty photographs, one annotated object each, as the packages deliver them.

    Among the labels: cat, coffee (cup with saucer and spoon), rocket (without its tower), temple, flower (the large
    blossom only), goose (the one in front). Boxes and masks follow the outlines. Two pairs are fixed: the motorcycle
    (two views of a stereo pair) and the jeep (two cars).

    Examples
    --------
    >>> photos = Photos()
    >>> [(photos[a].id, photos[b].id) for a, b in photos.pairs]
    [('motorcycle_left', 'motorcycle_right'), ('jeep_front', 'jeep_side')]
    """

    name = "photos"
    cluster = "label"
    pairs = ((3, 4), (10, 11))

    def __init__(self) -> None:
        self._rows = photo_table()
        self.classes = class_indices()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        name = self._rows[index]["photo"]
        mask = self._mask(index)
        return Sample(name, Image.fromarray(photograph(name)), (Object(*self.labels(index), tight_box(mask), mask),))

    def labels(self, index: int) -> tuple[str, ...]:
        return (self._rows[index]["label"],)

    def areas(self, index: int) -> tuple[float, ...]:
        mask = self._mask(index)
        x0, y0, x1, y1 = tight_box(mask)
        return ((x1 - x0) * (y1 - y0) / mask.size,)

    def _mask(self, index: int) -> np.ndarray:
        row = self._rows[index]
        return outline_mask(row["photo"], int(row["height"]), int(row["width"]))
