"""What every data set yields: samples with their annotated objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from gamlib.boxes import Box
from gamlib.images import stored


class BrokenImage(Exception):
    """An image that cannot be read: `sample_id` says which, `reason` why. Evaluations skip, count and name it."""

    def __init__(self, sample_id: str, reason: str) -> None:
        # both as arguments: another process makes the error anew from these
        super().__init__(sample_id, reason)
        self.sample_id, self.reason = sample_id, reason

    def __str__(self) -> str:
        return f"image '{self.sample_id}' cannot be read: {self.reason}"


@dataclass(frozen=True, eq=False)
class Object:
    """One annotated object of an image.

    Parameters
    ----------
    label : str
        The data set's own class name; pairs are made within a label.
    box : Box, optional
        (x0, y0, x1, y1) in pixels of the image, half-open: x1 and y1 lie outside.
    mask : (H, W) bool array, optional
        In pixels of the image.
    """

    label: str
    box: Box | None = None
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        box = self.box
        if box is not None and not (len(box) == 4 and box[0] < box[2] and box[1] < box[3]):
            raise ValueError(f"object '{self.label}': got box {box}; give (x0, y0, x1, y1) with x0 < x1 and y0 < y1")
        if self.mask is not None:
            mask = np.asarray(self.mask)
            if mask.ndim != 2 or (mask.dtype != bool and not np.isin(mask, (0, 1, 255)).all()):
                raise ValueError(f"object '{self.label}': got a mask {mask.shape} of {mask.dtype}; give (H, W) bool")
            object.__setattr__(self, "mask", mask.astype(bool))


@dataclass(frozen=True, eq=False)
class Truth:
    """What is annotated of one label in one image, at the size at which a network sees the image.

    `boxes`: all boxes of the label. `mask` and `other`: (H, W) bool, union of the masks of the label and of all other
    labels, None where there is none.
    """

    boxes: tuple[Box, ...] = ()
    mask: np.ndarray | None = None
    other: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """An RGB image with its annotated objects, if any; `id` is unique in its data set.

    The image is decoded here, and boxes refer to its pixels as they are stored: a note of the camera's that they
    should be turned is dropped. BrokenImage where it cannot be decoded.
    """

    id: str
    image: Image.Image
    objects: tuple[Object, ...] = ()

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "image", stored(self.image))
        # Pillow has an error of another kind for each way in which a file can be damaged
        except Exception as error:
            raise BrokenImage(self.id, f"{type(error).__name__}: {error}") from error

    def truths(self, size: tuple[int, int]) -> dict[str, Truth]:
        """What is true of the image as a network sees it: squeezed as a whole, boxes and masks with it.

        Parameters
        ----------
        size : (int, int)
            Height and width in pixels, as in `Model.input_size`.

        Returns
        -------
        dict of str to Truth
            By label, sorted; empty where nothing is annotated. Masks take the nearest pixel.

        Examples
        --------
        >>> sample = Sample("wide", Image.new("RGB", (80, 20)), (Object("cat", (40, 0, 60, 10)),))
        >>> sample.truths((20, 20))["cat"].boxes
        ((10.0, 0.0, 15.0, 10.0),)
        """
        height, width = size
        across, down = width / self.image.width, height / self.image.height
        boxes: dict[str, list[Box]] = {label: [] for label in sorted({item.label for item in self.objects})}
        masks: dict[str, np.ndarray] = {}
        for item in self.objects:
            if item.box is not None:
                x0, y0, x1, y1 = item.box
                boxes[item.label].append((x0 * across, y0 * down, x1 * across, y1 * down))
            if item.mask is not None:
                if item.mask.shape != self.image.size[::-1]:
                    raise ValueError(
                        f"sample '{self.id}': the mask of '{item.label}' has {item.mask.shape} pixels (height, width), "
                        f"its image {self.image.size[::-1]}"
                    )
                squeezed = Image.fromarray(item.mask).resize((width, height), Image.Resampling.NEAREST)
                masks[item.label] = masks.get(item.label, False) | np.asarray(squeezed)
        others = {label: [mask for name, mask in masks.items() if name != label] for label in boxes}
        return {
            label: Truth(tuple(own), masks.get(label), np.any(others[label], axis=0) if others[label] else None)
            for label, own in boxes.items()
        }


class Dataset(ABC):
    """A sequence of samples whose annotations are known without decoding an image.

    Attributes
    ----------
    name : str
        What results call it: the name by which `load_dataset` knows it, and "scenes_two" and the like.
    classes : dict of str to int, str or None
        Label -> ImageNet-1k index, or a name in `Model.categories`, or None where no class fits.
    cluster : {"pair", "label"}
        What an interval counts once: the "pair", or all images of a "label" (a class, a video, a source object).
    percentile : int, optional
        Stratum of object sizes (100, 25, 10) where it is so by construction, else an evaluation cuts it out.
    pairs : tuple of (int, int), optional
        Pairs of indices fixed by construction; None where `make_pairs` draws them.
    folds : tuple of int, optional
        Fold of each sample fixed by construction; None where an evaluation draws them.
    """

    name: str
    classes: dict[str, int | str | None]
    cluster: str = "pair"
    percentile: int | None = None
    pairs: tuple[tuple[int, int], ...] | None = None
    folds: tuple[int, ...] | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Sample `index`, decoded; IndexError past the end."""

    @abstractmethod
    def labels(self, index: int) -> tuple[str, ...]:
        """Labels of the objects of sample `index`, one an object."""

    def areas(self, index: int) -> tuple[float, ...]:
        """Box areas relative to the image, in [0, 1], one a boxed object; none here."""
        return ()

    def fingerprint(self, index: int) -> Any:
        """What tells sample `index` from another version of it; JSON must hold it."""
        return self.labels(index), self.areas(index)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))
