"""The images of a shard as a batch, with what is true of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from torch import Tensor

from gamlib.data.samples import BrokenImage, Truth
from gamlib.evaluation.plan import Plan
from gamlib.models import Model


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
            sample = plan.dataset.read(index)
        except BrokenImage as broken:
            return broken
        truths = sample.truths(model.input_size) or {"": Truth()}
        return Item(index, sample.id, model.transform(sample.image), truths)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(load, indices))
