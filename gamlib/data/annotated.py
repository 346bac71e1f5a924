"""Images in files with annotations read beforehand: what the file-based data sets have in common."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from gamlib.boxes import Box
from gamlib.data.samples import BrokenImage, Dataset, Object, Sample
from gamlib.sources import file_state


@dataclass(frozen=True)
class Annotation:
    """An object before its image is read; `mask` is the file of its mask, `shape` what else a mask is drawn from."""

    label: str
    box: Box | None = None
    shape: Any = None
    difficult: bool = False
    mask: Path | None = None


@dataclass(frozen=True)
class ImageFile:
    """An image file and its annotations; `size` is (width, height) in pixels, None where nothing states it."""

    id: str
    path: Path
    size: tuple[int, int] | None
    annotations: tuple[Annotation, ...]


class AnnotatedImages(Dataset):
    """Base of the data sets that lie in files; `dropped` counts what was left out of the annotations, by reason.

    Records have ids of their own, and at least one image that is there and one object. Where the size of an image is
    stated, its boxes are cut at its border, and what has no box inside is left out.
    """

    def __init__(self, records: Iterable[ImageFile], dropped: Counter[str] | None = None) -> None:
        count = Counter(dropped)
        self.records = [_clipped(record, count) for record in records]
        self.dropped = dict(+count)
        twice = [id for id, times in Counter(record.id for record in self.records).items() if times > 1]
        if twice:
            raise ValueError(f"data set '{self.name}': image '{twice[0]}' is there twice; give each a name of its own")
        if not any(record.annotations for record in self.records):
            left_out = ", ".join(f"{reason}: {count}" for reason, count in self.dropped.items()) or "nothing"
            raise ValueError(
                f"data set '{self.name}' is empty: none of its {len(self)} images has an object (left out: {left_out})"
            )
        if not any(record.path.is_file() for record in self.records):
            raise FileNotFoundError(
                f"data set '{self.name}': none of its {len(self)} annotated images is there; looked for "
                f"'{self.records[0].path}' and so on"
            )

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        record = self.records[index]
        try:
            with Image.open(record.path) as file:
                if file.mode == "F" or file.mode.startswith("I"):
                    # Pillow would cut them at 255
                    raise ValueError(
                        f"its pixels have more than 8 bits (mode {file.mode}); save it with 8 bits a channel"
                    )
                # EXIF rotation is not applied: boxes refer to the stored pixels
                image = file.convert("RGB")
            if record.size not in (None, image.size):
                raise ValueError(f"it has {image.size} pixels (width, height), its annotation says {record.size}")
            masks = self.masks(record, (image.height, image.width))
        # Pillow and pycocotools have an error of another kind for each way in which a file can be damaged
        except Exception as error:
            raise BrokenImage(record.id, str(error)) from error
        objects = (Object(a.label, a.box, mask) for a, mask in zip(record.annotations, masks, strict=True))
        return Sample(record.id, image, tuple(objects))

    def labels(self, index: int) -> tuple[str, ...]:
        return tuple(annotation.label for annotation in self.records[index].annotations)

    def areas(self, index: int) -> tuple[float, ...]:
        record = self.records[index]
        if record.size is None:
            return ()
        pixels = record.size[0] * record.size[1]
        boxes = (annotation.box for annotation in record.annotations if annotation.box is not None)
        return tuple((x1 - x0) * (y1 - y0) / pixels for x0, y0, x1, y1 in boxes)

    def fingerprint(self, index: int) -> Any:
        """Annotations, and size and time of change of the files of the image and its masks."""
        record = self.records[index]
        annotations = [(a.label, a.box, a.shape) for a in record.annotations]
        files = [record.path, *(a.mask for a in record.annotations if a.mask)]
        return record.id, record.size, annotations, [file_state(file) for file in files if file.is_file()]

    def masks(self, record: ImageFile, shape: tuple[int, int]) -> Sequence[np.ndarray | None]:
        """One bool mask of `shape` (H, W), or None, an annotation."""
        size = shape[::-1]
        return [read_mask(a.mask, size) if a.mask else None for a in record.annotations]


class OwnCopy:
    """The folder of a user's own copy of a data set; the error of what is missing in it shows the layout looked for."""

    def __init__(self, name: str, root: str | Path | None, layout: str) -> None:
        if root is None:
            raise ValueError(f"data set '{name}' is read from your own copy: give root, the folder with\n{layout}")
        self.name, self.root, self.layout = name, Path(root).expanduser(), layout
        if not self.root.is_dir():
            raise FileNotFoundError(f"data set '{name}': no folder '{root}'; give the folder with\n{layout}")

    def find(self, *candidates: str) -> Path:
        """The first of the paths below root that is there."""
        for path in map(self.root.joinpath, candidates):
            if path.exists():
                return path
        raise self.missing(" or ".join(candidates))

    def missing(self, what: str) -> FileNotFoundError:
        return FileNotFoundError(
            f"data set '{self.name}': {what} not found in '{self.root}'; looked for this layout:\n{self.layout}"
        )


@contextlib.contextmanager
def reading(path: Path) -> Generator[None, None, None]:
    """Whatever fails in the block becomes an error that names the file and says what to do."""
    if not path.is_file():
        raise FileNotFoundError(f"no file '{path}'; unpack or fetch it anew")
    try:
        yield
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
        raise ValueError(f"'{path}' is damaged or not as published ({fault}); unpack or fetch it anew") from error


def _clipped(record: ImageFile, dropped: Counter[str]) -> ImageFile:
    """The record with those annotations that have a box inside the image, cut at its border; counts the others."""
    if record.size is None:
        return record
    kept = []
    for annotation in record.annotations:
        x0, y0, x1, y1 = annotation.box or (0, 0, 0, 0)
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, record.size[0]), min(y1, record.size[1])
        # not so for a corner that is no number, either
        if x0 < x1 and y0 < y1:
            kept.append(replace(annotation, box=(x0, y0, x1, y1)))
        else:
            dropped["box outside the image" if annotation.box else "object without a box"] += 1
    return replace(record, annotations=tuple(kept))


def read_voc_xml(path: Path, first_pixel: int) -> tuple[tuple[int, int], tuple[Annotation, ...]]:
    """(width, height) and the objects of an annotation of PASCAL VOC, ImageNet or labelImg.

    `first_pixel` is the number that the file's convention gives the first pixel; both ends of a box lie in it. Only
    an object's own <bndbox> counts, not those of its parts; that of a truncated object holds what is seen of it.
    """
    with reading(path):
        root = ElementTree.parse(path).getroot()
        objects = []
        for element in root.findall("object"):
            box = None
            if element.find("bndbox") is not None:
                corners = (element.findtext(f"bndbox/{tag}", "") for tag in ("xmin", "ymin", "xmax", "ymax"))
                x0, y0, x1, y1 = (float(corner) - first_pixel for corner in corners)
                box = x0, y0, x1 + 1, y1 + 1
            difficult = bool(int(element.findtext("difficult", "0")))
            objects.append(Annotation(element.findtext("name", "").strip(), box, difficult=difficult))
        return (int(root.findtext("size/width", "")), int(root.findtext("size/height", ""))), tuple(objects)


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A mask, (H, W) bool: True where its file is neither black nor transparent.

    size: (width, height) of its image. ValueError, with the path, for a file that cannot be read, has another size or
    no object.
    """
    try:
        with Image.open(path) as file:
            if file.has_transparency_data:
                colours = file.convert("RGBA")
                file = Image.alpha_composite(Image.new("RGBA", file.size, "black"), colours)
            # as colours: grey is too coarse for a dark blue, and pixels of more than 8 bits would be cut
            values = np.asarray(file if file.mode.startswith("I") else file.convert("RGB"))
    # Pillow has an error of another kind for each way in which a file can be damaged
    except Exception as error:
        raise ValueError(f"mask '{path}': it is missing or damaged ({error}); save it again as PNG") from error
    mask = np.asarray(np.atleast_3d(values).any(axis=2))
    if mask.shape != size[::-1]:
        raise ValueError(f"mask '{path}': it has {mask.shape[::-1]} pixels (width, height), its image {size}")
    if not mask.any():
        raise ValueError(f"mask '{path}': it is black; an object has at least one pixel")
    return mask
