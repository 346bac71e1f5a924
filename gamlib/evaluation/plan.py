"""What an evaluation will do, checked before it begins, and how the data set is cut into shards."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from gamlib.boxes import THRESHOLDS
from gamlib.controls import CONTROLS
from gamlib.data import Dataset, Subset, make_pairs, smallest_objects
from gamlib.data.classes import class_index
from gamlib.evaluation.identity import dataset_digest, digest, factory_digest, model_digest, sources_digest
from gamlib.methods import METHODS, VARIANTS
from gamlib.metrics import FILLS
from gamlib.models import Model, load_model
from gamlib.statistics import split
from gamlib.traces import layer_names

TASKS = ("class", "cosine", "dot")
SIDES = ("both", "one")
# Images a shard. A shard is also one batch of the network: what a number is does not depend on who computes it.
ROWS = 16
FORMAT = 1


class Unit(NamedTuple):
    """A pair of images, or one image alone: what a fold and a shard never divide.

    number: of the pair, -1 for an image alone. images: one or two indices. fold: 0 or 1.
    """

    number: int
    images: tuple[int, ...]
    fold: int


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything a shard's content depends on. classes: label -> index in the model's output, or None."""

    model_name: str
    weights: str | None
    device: str
    dataset: Dataset
    percentile: int
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    controls: tuple[str, ...]
    depths: tuple[int, ...]
    fills: tuple[str, ...]
    sides: tuple[str, ...]
    seed: int
    least_probability: float
    classes: dict[str, int | None]
    model_digest: str
    shards: tuple[tuple[Unit, ...], ...]

    @functools.cached_property
    def key(self) -> str:
        model = [self.model_name, self.model_digest, factory_digest(self.model_name), self.device]
        how = [self.tasks, self.methods, self.controls, self.depths, self.fills, self.sides, self.seed]
        what = [dataset_digest(self.dataset), self.percentile, self.classes, self.least_probability, self.shards]
        return digest([FORMAT, model, how, what, THRESHOLDS, sources_digest()])

    @property
    def name(self) -> str:
        """The data set's name in the results: "scenes_two" and the like for images of two objects."""
        kind = self.dataset.kind
        return self.dataset.name if kind == "single" else f"{self.dataset.name}_{kind}"


def make_plan(
    model_name: str,
    dataset: Dataset,
    tasks: Sequence[str],
    methods: Sequence[str],
    n: int | Sequence[int],
    fill: str | Sequence[str] | None,
    mask_side: str | Sequence[str],
    seed: int,
    weights: str | None,
    device: str,
    percentile: int | None,
    least_probability: float,
) -> Plan:
    """Check the arguments of `evaluate`, draw pairs and folds, and cut shards; see there for the errors."""
    tasks = _known("tasks", tasks, TASKS)
    names = _known("methods", methods, (*METHODS, *VARIANTS, *CONTROLS))
    fills = () if fill is None else _known("fill", fill, FILLS)
    sides = _known("mask_side", mask_side, SIDES)
    depths = _depths(n)
    model = cached_model(model_name, weights, device, seed)
    for depth in depths:
        layer_names(model, depth)
    if percentile is None:
        percentile = dataset.percentile or 100
    if dataset.percentile not in (None, percentile):
        raise ValueError(
            f"percentile: {percentile}, but the data set '{dataset.name}' was made with {dataset.percentile}; give the "
            "same, or make the data set anew"
        )
    if percentile != 100 and dataset.percentile is None:
        dataset = Subset(dataset, smallest_objects(dataset, percentile))
    shards = _shards(_units(dataset, tasks, seed))
    return Plan(
        model_name, None if weights is None else str(weights), device, dataset,
        percentile, tasks,
        tuple(name for name in names if name not in CONTROLS), tuple(name for name in names if name in CONTROLS),
        depths, fills, sides, seed, least_probability,
        _classes(dataset, model) if "class" in tasks else {}, model_digest(model), shards,
    )  # fmt: skip


@functools.lru_cache(maxsize=1)
def cached_model(name: str, weights: str | None, device: str, seed: int) -> Model:
    """The network, loaded once a process. Random weights (weights=None) are drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return load_model(name, weights, device)


def _depths(n: int | Sequence[int]) -> tuple[int, ...]:
    depths = (n,) if isinstance(n, int | float | str) else tuple(n)
    if not depths or any(type(depth) is not int for depth in depths) or len(set(depths)) < len(depths):
        raise ValueError(f"n: got {n!r}; give a depth such as 2, or several, none twice, such as (1, 2)")
    return depths


def _known(argument: str, given: str | Sequence[str], accepted: Sequence[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    wrong = [name for name in names if name not in accepted]
    if wrong or not names or len(set(names)) < len(names):
        what = f"unknown '{wrong[0]}'" if wrong else f"got {list(names)}, expected at least one, none twice"
        raise ValueError(f"{argument}: {what}; accepted: {', '.join(accepted)}")
    return names


def _classes(dataset: Dataset, model: Model) -> dict[str, int | None]:
    labels = sorted({label for index in range(len(dataset)) for label in dataset.labels(index)})
    classes = {label: class_index(dataset.classes.get(label), model.categories) for label in labels}
    count = len(model.categories) if model.categories is not None else None
    for label, index in classes.items():
        if index is not None and count is not None and not 0 <= index < count:
            raise out_of_range(f"{index} of label '{label}'", model.name, count)
    return classes


def out_of_range(index: object, model_name: str, count: int) -> ValueError:
    return ValueError(f"class {index} is out of range; {model_name} knows classes 0 to {count - 1}")


def _units(dataset: Dataset, tasks: Sequence[str], seed: int) -> list[Unit]:
    pairs: Sequence[tuple[int, int]] = ()
    if set(tasks) - {"class"}:
        pairs = dataset.pairs if dataset.pairs is not None else make_pairs(dataset, None, seed)
        for a, b in pairs:
            if not set(dataset.labels(a)) & set(dataset.labels(b)):
                raise ValueError(f"pairs: images {a} and {b} of '{dataset.name}' share no label, so they are no pair")
    paired = [index for pair in pairs for index in pair]
    if len(set(paired)) < len(paired):
        raise ValueError(f"pairs: an image of '{dataset.name}' is in two pairs; they would not be independent")
    alone = sorted(set(range(len(dataset))) - set(paired)) if "class" in tasks else []
    groups = [*pairs, *((index,) for index in alone)]
    folds = _drawn_folds(dataset, groups, seed) if dataset.folds is None else _fixed_folds(dataset, groups)
    numbers = [*range(len(pairs)), *itertools.repeat(-1, len(alone))]
    return [Unit(i, tuple(map(int, g)), int(f)) for i, g, f in zip(numbers, groups, folds, strict=True)]


def _drawn_folds(dataset: Dataset, groups: Sequence[tuple[int, ...]], seed: int) -> Sequence[int]:
    if dataset.cluster != "label":
        return split(len(groups), 2, seed)
    # a source object whose images a threshold was tuned on has none in the part that is reported
    shared = [set.intersection(*(set(dataset.labels(index)) for index in images)) for images in groups]
    return split([min(labels, default="") for labels in shared], 2, seed)


def _fixed_folds(dataset: Dataset, groups: Sequence[tuple[int, ...]]) -> list[int]:
    for images in groups:
        if len({dataset.folds[index] for index in images}) > 1:
            raise ValueError(f"folds: images {images[0]} and {images[1]} of '{dataset.name}' are a pair in two folds")
    folds = [dataset.folds[images[0]] for images in groups]
    if len(set(folds)) < 2:
        raise ValueError(
            f"folds: the {len(groups)} pairs or images of '{dataset.name}' are all in one fold, so no part is left "
            "to tune a threshold on; take more of them"
        )
    return folds


def _shards(units: Sequence[Unit]) -> tuple[tuple[Unit, ...], ...]:
    shards, rows = [[]], 0
    for unit in units:
        if rows + len(unit.images) > ROWS:
            shards.append([])
            rows = 0
        shards[-1].append(unit)
        rows += len(unit.images)
    return tuple(tuple(shard) for shard in shards)
