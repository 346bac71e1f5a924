"""From a batch of images to the maps that explain them, one forward for every task."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gamlib.evaluation.loading import Item
from gamlib.evaluation.plan import Plan, Unit, out_of_range
from gamlib.methods import saliency_maps
from gamlib.models import Model
from gamlib.scores import SIMILARITIES, Score
from gamlib.traces import Trace, trace

Maps = dict[tuple[str, int], Tensor]


@dataclass(frozen=True, eq=False)
class Batch:
    """Images that go through the network together.

    units: (B,) the unit of each. partner: (B,) the row of each image's partner, None for images alone.
    """

    items: list[Item]
    units: list[Unit]
    partner: list[int] | None

    @property
    def ids(self) -> list[str]:
        return [item.id for item in self.items]


@dataclass(frozen=True, eq=False)
class TrueClass:
    """The logit of each image's true class where its probability is at least `least`, else of its top-1 class.

    targets: (B,) class indices, -1 where the network has no such class. A class that the network does not see
    at all is no explanation's subject, and its relative drop is noise.
    """

    targets: Tensor
    least: float

    def check(self, model: Model, batch: int) -> None:
        """Nothing is left to check: the plan did."""

    def __call__(self, model: Model, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = model.head(embedding)
        targets = self.targets.to(logits.device)
        if int(targets.max()) >= logits.shape[1]:
            raise out_of_range(int(targets.max()), model.name, logits.shape[1])
        probability = model.activate(logits.detach()).gather(1, targets.clamp(min=0)[:, None])[:, 0]
        seen = (targets >= 0) & (probability >= self.least)
        chosen = torch.where(seen, targets, logits.detach().argmax(dim=1))
        value = logits.gather(1, chosen[:, None])[:, 0]
        return value.sum(), value.detach(), chosen


@dataclass(frozen=True, eq=False)
class Explained:
    """One score of a batch and its maps.

    labels: (B,) the labels whose annotations each image's map is compared with; an empty tuple drops the row.
    targets: (B,) "label", "top-1" or "pair". classes: (B,) the explained class, None for a pair. before: (B,) Y.
    """

    task: str
    labels: list[tuple[str, ...]]
    targets: list[str]
    classes: Tensor | None
    before: Tensor
    maps: Maps


def explain(plan: Plan, model: Model, batch: Batch) -> tuple[Tensor, list[Explained]]:
    """Embeddings (B, D) of the unmasked images, and one Explained for every score, from one forward."""
    embedding, traced = trace_batch(plan, model, batch)
    maps = [saliency_maps(found, plan.methods, plan.depths) if plan.methods else {} for _, found in traced]
    return embedding, [replace(score, maps=own) for (score, _), own in zip(traced, maps, strict=True)]


def trace_batch(plan: Plan, model: Model, batch: Batch) -> tuple[Tensor, list[tuple[Explained, Trace]]]:
    """`explain` before any map is made: each score, without maps yet, and its trace."""
    x = torch.stack([item.x for item in batch.items])
    names = [list(item.truths) for item in batch.items]
    scores: list[tuple[str, list[tuple[str, ...]], Score]] = []
    if "class" in plan.tasks:
        for k in range(max(map(len, names))):
            wanted = [plan.classes.get(own[min(k, len(own) - 1)]) for own in names]
            targets = torch.tensor([-1 if index is None else index for index in wanted])
            labels = [(own[k],) if k < len(own) else () for own in names]
            scores.append(("class", labels, TrueClass(targets, plan.least_probability)))
    if batch.partner is not None:
        pairs = [(row, other) for row, other in enumerate(batch.partner) if row < other]
        common = [tuple(sorted(set(names[row]) & set(names[other]))) for row, other in enumerate(batch.partner)]
        scores += [(task, common, SIMILARITIES[task](pairs)) for task in plan.tasks if task != "class"]
    embedding, traces = _trace_and_embed(model, x, [score for _, _, score in scores], max(plan.depths))
    probabilities = model.activate(model.head(embedding).detach())
    traced = []
    for (task, labels, score), found in zip(scores, traces, strict=True):
        if found.target is None:
            traced.append((Explained(task, labels, ["pair"] * len(x), None, found.score, {}), found))
        else:
            true = (found.target == score.targets.to(found.target.device)).tolist()
            before = probabilities.gather(1, found.target[:, None])[:, 0]
            targets = ["label" if same else "top-1" for same in true]
            traced.append((Explained(task, labels, targets, found.target, before, {}), found))
    return embedding, traced


def _trace_and_embed(model: Model, x: Tensor, scores: Sequence[Score], depth: int) -> tuple[Tensor, list[Trace]]:
    kept: list[Tensor] = []

    def features(batch: Tensor) -> Tensor:
        embedding = model.features(batch)
        kept.append(embedding.detach())
        return embedding

    # The embedding passes by on its way to the scores; keeping it saves a second forward of the same images.
    tapped = copy.copy(model)
    tapped.features = features
    traces = trace(tapped, x, scores, depth)
    return kept[0], traces
