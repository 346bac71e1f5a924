"""From a shard's images to the maps that explain them, one forward for every task."""

from __future__ import annotations

import functools
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gamlib.data.samples import BrokenImage, Truth
from gamlib.data.subset import read_sample
from gamlib.evaluation.plan import Plan, Unit
from gamlib.methods import saliency_maps
from gamlib.models import Model
from gamlib.scores import SIMILARITIES, ClassScore, Score
from gamlib.traces import Trace, trace

Maps = dict[tuple[str, int], Tensor]


@dataclass(frozen=True, eq=False)
class Item:
    """An image ready for the network. truths: label -> Truth, in order of the labels; "" where there is no label."""

    id: str
    x: Tensor
    truths: dict[str, Truth]


@dataclass(frozen=True, eq=False)
class Batch:
    """Images that go through the network together.

    units: (B,) the unit of each. rounds: pairs of rows; in a round no row is in two pairs.
    """

    items: list[Item]
    units: list[Unit]
    rounds: list[list[tuple[int, int]]]

    @property
    def ids(self) -> list[str]:
        return [item.id for item in self.items]

    @property
    def x(self) -> Tensor:
        """(B, C, H, W)."""
        return torch.stack([item.x for item in self.items])


@dataclass(frozen=True, eq=False)
class Explained:
    """One score of a batch, its trace and its maps.

    labels: (B,) the labels whose annotations each image's map is compared with; an empty tuple drops the row.
    targets: (B,) "label", "top-1" or "pair". partner: (B,) the row that each is paired with, -1 for none; None for
    classes. before: (B,) Y.
    """

    task: str
    labels: list[tuple[str, ...]]
    targets: list[str]
    partner: list[int] | None
    before: Tensor
    trace: Trace
    maps: Maps


def load_shard(plan: Plan, model: Model, index: int) -> tuple[Batch, list[dict[str, Any]]]:
    """The images of a shard, and what was skipped: the partners of a broken image still have a class."""
    units = plan.shards[index]
    images = [image for unit in units for image in unit.images]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        loaded = dict(zip(images, pool.map(functools.partial(_load, plan, model), images), strict=True))
    kept = {image: item for image, item in loaded.items() if isinstance(item, Item)}
    broken = [(image, item) for image, item in loaded.items() if isinstance(item, BrokenImage)]
    skipped = [dict(sample=item.sample_id, reason=item.reason, index=image) for image, item in broken]
    row_of = {image: row for row, image in enumerate(kept)}
    rounds = [
        [(row_of[a], row_of[b]) for a, b in itertools.chain(*pairs) if a in row_of and b in row_of]
        for pairs in itertools.zip_longest(*(unit.rounds() for unit in units), fillvalue=())
    ]
    batch = Batch([*kept.values()], [unit for unit in units for image in unit.images if image in kept], rounds)
    if len(set(batch.ids)) < len(kept):
        raise ValueError(same_id(plan, next(each for each in batch.ids if batch.ids.count(each) > 1)))
    return batch, skipped


def same_id(plan: Plan, sample: str) -> str:
    """What is said where two samples have one id."""
    return f"data set '{plan.dataset.name}': two samples have the id '{sample}'; give each its own, to tell rows apart"


def _load(plan: Plan, model: Model, index: int) -> Item | BrokenImage:
    try:
        sample = read_sample(plan.dataset, index)
    except BrokenImage as broken:
        return broken
    labels = {item.label for item in sample.objects}
    if labels != set(plan.dataset.labels(index)):
        raise ValueError(
            f"data set '{plan.dataset.name}': '{sample.id}' has objects {sorted(labels)}, where labels({index}) says "
            f"{sorted(set(plan.dataset.labels(index)))}; pairs and classes are chosen by these, so let them agree"
        )
    return Item(sample.id, model.transform(sample.image), sample.truths(model.input_size) or {"": Truth()})


def explain(plan: Plan, model: Model, batch: Batch) -> list[Explained]:
    """One Explained for every score of a batch, from one forward."""
    methods, depths = plan.settings.maps, plan.settings.n
    scored = trace_batch(plan, model, batch)
    return [replace(one, maps=saliency_maps(one.trace, methods, depths)) for one in scored] if methods else scored


def trace_batch(plan: Plan, model: Model, batch: Batch) -> list[Explained]:
    """`explain` before any map is made."""
    names = [list(item.truths) for item in batch.items]
    scores: list[tuple[str, list[tuple[str, ...]], list[int] | None, Score]] = []
    if "class" in plan.settings.tasks:
        for k in range(max(map(len, names))):
            wanted = [plan.classes.get(own[min(k, len(own) - 1)]) for own in names]
            targets = torch.tensor([-1 if index is None else index for index in wanted])
            labels: list[tuple[str, ...]] = [tuple(own[k : k + 1]) for own in names]
            # what has no class is explained by the network's first
            scores.append(("class", labels, None, ClassScore(targets, least=0)))
    for pairs in filter(None, batch.rounds):
        partner = [-1] * len(names)
        for a, b in pairs:
            partner[a], partner[b] = b, a
        alone = [row for row, other in enumerate(partner) if other < 0]
        common = [tuple(sorted(set(own) & set(names[other]))) if other >= 0 else ()
                  for own, other in zip(names, partner, strict=True)]  # fmt: skip
        scores += [(t, common, partner, SIMILARITIES[t](pairs, alone)) for t in plan.settings.tasks if t != "class"]
    traces = trace(model, batch.x, [score for *_, score in scores], max(plan.settings.n))
    return [_explained(model, *asked, found) for asked, found in zip(scores, traces, strict=True)]


def _explained(
    model: Model, task: str, labels: list[tuple[str, ...]], partner: list[int] | None, score: Score, found: Trace
) -> Explained:
    if not isinstance(score, ClassScore) or found.logits is None or found.target is None:
        return Explained(task, labels, ["pair"] * len(labels), partner, found.score, found, {})
    before = model.activate(found.logits).gather(1, found.target[:, None])[:, 0]
    true = found.target == torch.as_tensor(score.target, device=found.target.device)
    targets = ["label" if same else "top-1" for same in true.tolist()]
    return Explained(task, labels, targets, None, before, found, {})
