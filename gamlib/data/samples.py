"""What every data set yields: samples with their annotated objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image


class BrokenImage(Exception):
    """An image that cannot be decoded. Evaluations skip it, count it and name it."""

    def __init__(self, sample_id: str, reason: str):
        super().__init__(f"image '{sample_id}' cannot be read: {reason}")
        self.sample_id = sample_id
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Object:
    """One annotated object of an image.

    label: the data set's own class name; pairs are made within a label.
    box: (x0, y0, x1, y1) in pixels of the image, half-open (x1 and y1 lie outside), or None.
    mask: (H, W) bool array in pixels of the image, or None.
    """

    label: str
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its objects. `image` is an RGB PIL image, `id` unique in its data set."""

    id: str
    image: Image.Image
    objects: tuple[Object, ...] = ()


class Dataset(ABC):
    """A sequence of samples whose annotations can be read without decoding an image.

    name: the name `load_dataset` knows it by.
    classes: label -> the class a model knows it by: an int (ImageNet-1k index), a str (looked up in
        `model.categories`) or None (no such class).
    cluster: the unit that the bootstrap resamples, "label" (few source objects, many images of each)
        or "pair" (independent photographs).
    kind: which of several sets of this name, e.g. "two" for scenes of two objects; "single" is not said in results.
    percentile: stratum of object sizes by construction (100, 25, 10), None where an evaluation cuts it out.
    pairs: index pairs fixed by construction, or None where `make_pairs` draws them.
    folds: the fold of each sample fixed by construction, or None where an evaluation draws folds at random.
    """

    name: str
    classes: dict[str, int | str | None]
    cluster: str = "pair"
    kind: str = "single"
    percentile: int | None = None
    pairs: tuple[tuple[int, int], ...] | None = None
    folds: tuple[int, ...] | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Sample `index`; raises BrokenImage if it cannot be decoded, IndexError past the end."""

    @abstractmethod
    def labels(self, index: int) -> tuple[str, ...]:
        """Labels of the objects of sample `index`, one an object, without decoding the image."""

    @abstractmethod
    def areas(self, index: int) -> tuple[float, ...]:
        """Box areas relative to the image in [0, 1], one a boxed object, without decoding the image."""

    def fingerprint(self, index: int) -> Any:
        """What tells sample `index` from another version of it, without decoding the image; JSON must hold it."""
        return self.labels(index), self.areas(index)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))
