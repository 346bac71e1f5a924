"""The images of a shard as a batch, with what is true of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from gamlib.boxes import Box
from gamlib.data.samples import BrokenImage, Object, Sample
from gamlib.evaluation.plan import Plan
from gamlib.models import Model


@dataclass(frozen=True, eq=False)
class Truth:
    """What is annotated of one label in one image, in pixels of the network's input.

    boxes: all boxes of the label. mask: (H, W) bool, the union of its objects, or None. other: the union of the
    other labels' masks, or None where there is none.
    """

    boxes: tuple[Box, ...]
    mask: np.ndarray | None
    other: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Item:
    """An image ready for the network. truths: label -> Truth, in order of the labels; "" where there is no label."""

    index: int
    id: str
    x: Tensor
    truths: dict[str, Truth]


def load_items(plan: Plan, model: Model, indices: Sequence[int]) -> list[Item | BrokenImage]:
    """The images in order, decoded by several threads; a BrokenImage in the place of one that cannot be read."""

    def load(index: int) -> Item | BrokenImage:
        try:
            sample = plan.dataset[index]
        except BrokenImage as broken:
            return broken
        return Item(index, sample.id, model.transform(sample.image), _truths(sample, model.input_size))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(load, indices))


def _truths(sample: Sample, size: tuple[int, int]) -> dict[str, Truth]:
    # The whole image is squeezed to the input size, boxes and masks with it; the squeeze leaves IoUs as they are.
    scale = size[1] / sample.image.width, size[0] / sample.image.height
    by_label: dict[str, list[Object]] = {}
    for item in sample.objects:
        by_label.setdefault(item.label, []).append(item)
    masks = {label: _union(items, size) for label, items in by_label.items()}
    truths = {}
    for label in sorted(by_label):
        boxes = tuple(_scaled(item.box, scale) for item in by_label[label] if item.box is not None)
        others = [mask for name, mask in masks.items() if name != label and mask is not None]
        truths[label] = Truth(boxes, masks[label], np.any(others, axis=0) if others else None)
    return truths or {"": Truth((), None, None)}


def _scaled(box: Box, scale: tuple[float, float]) -> Box:
    return box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]


def _union(objects: Sequence[Object], size: tuple[int, int]) -> np.ndarray | None:
    masks = [item.mask for item in objects if item.mask is not None]
    if not masks:
        return None
    image = Image.fromarray(np.any(masks, axis=0))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.NEAREST))
