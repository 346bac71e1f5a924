"""What an evaluation will do: a data set's pairs, folds and shards, checked against the network before it begins."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from scipy.cluster.hierarchy import DisjointSet

from gamlib.capture import layer_names
from gamlib.data import Dataset
from gamlib.data.classes import class_index
from gamlib.data.pairs import make_groups, rounds
from gamlib.evaluation.settings import Settings
from gamlib.evaluation.store import (
    dataset_digest,
    digest,
    factory_digest,
    formula_digest,
    model_digest,
    sources_digest,
)
from gamlib.models import Model, load_model
from gamlib.sources import file_state
from gamlib.statistics import split

# Images a shard. A shard is also one batch of the network: what a number is does not depend on who computes it.
ROWS = 16


class Unit(NamedTuple):
    """A group of images that are paired with each other, or one image alone: what a fold and a shard never divide.

    images: indices. fold: 0 or 1.
    """

    images: tuple[int, ...]
    fold: int

    def rounds(self) -> list[list[tuple[int, int]]]:
        """Every two of its images, in rounds in which none is in two pairs."""
        return [[(self.images[a], self.images[b]) for a, b in pairs] for pairs in rounds(len(self.images))]


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything a shard's content depends on.

    classes: label -> index in the model's output, or None. loaded: tells this loading of the network from others. key:
    a digest of all that decides a row.
    """

    model_name: str
    dataset: Dataset
    settings: Settings
    classes: dict[str, int | None]
    model_digest: str
    shards: tuple[tuple[Unit, ...], ...]
    loaded: str
    key: str

    def model(self) -> Model:
        """The network; ValueError where its weights are others than when the plan was made."""
        wanted = self.settings
        model = cached_model(self.model_name, wanted.weights, wanted.device, wanted.seed, self.loaded)
        if model_digest(model) != self.model_digest:
            raise ValueError(f"model: '{self.model_name}' has other weights here than where the evaluation was started")
        return model


def make_plan(model_name: str, dataset: Dataset, settings: Settings) -> Plan:
    """Check settings against the data and the network, draw pairs and folds, cut shards; errors as in `evaluate`."""
    # first of all: own code that has been edited since it was imported is refused here
    made_of = [factory_digest(model_name), dataset_digest(dataset), formula_digest(settings.maps), sources_digest()]
    loaded = _loading(model_name, settings.weights)
    model = cached_model(model_name, settings.weights, settings.device, settings.seed, loaded)
    for depth in settings.n:
        layer_names(model, depth)
    if "class" in settings.tasks:
        model.needed_head()
    shards = _shards(_units(dataset, settings))
    classes = _classes(dataset, model) if "class" in settings.tasks else {}
    weights = model_digest(model)
    key = digest([model_name, weights, asdict(settings), classes, shards, made_of])
    return Plan(model_name, dataset, settings, classes, weights, shards, loaded, key)


def _loading(name: str, weights: str | None) -> str:
    """What tells a loading from others: of your own network each is another, since its cell may have been run again."""
    file = Path(weights or "")
    return uuid.uuid4().hex if ":" in name else str(file_state(file)) if file.is_file() else ""


def cached_model(name: str, weights: str | None, device: str, seed: int, loaded: str | None = None) -> Model:
    """The network, of `loaded` or else as it is now. Random weights (weights=None) are drawn from the seed."""
    return _cached(name, weights, device, seed, _loading(name, weights) if loaded is None else loaded)


@functools.lru_cache(maxsize=1)
def _cached(name: str, weights: str | None, device: str, seed: int, loaded: str) -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return load_model(name, weights, device)


def _classes(dataset: Dataset, model: Model) -> dict[str, int | None]:
    labels = sorted({label for index in range(len(dataset)) for label in dataset.labels(index)})
    classes = {label: class_index(dataset.classes.get(label), model.categories) for label in labels}
    if model.categories is not None:
        for label, index in classes.items():
            if index is not None and not 0 <= index < len(model.categories):
                raise ValueError(
                    f"class {index} of label '{label}' is out of range; {model.name} knows classes 0 to "
                    f"{len(model.categories) - 1}"
                )
    return classes


def _units(dataset: Dataset, settings: Settings) -> list[Unit]:
    groups: list[tuple[int, ...]] = []
    if set(settings.tasks) - {"class"}:
        if dataset.pairs is None:
            groups = make_groups(dataset, settings.partners + 1, settings.seed)
        for pair in dataset.pairs or ():
            if not set.intersection(*(set(dataset.labels(index)) for index in pair)):
                raise ValueError(f"pairs: images {pair} of '{dataset.name}' share no label, so they are no pair")
            groups.append(tuple(map(int, pair)))
    grouped = [index for group in groups for index in group]
    if len(set(grouped)) < len(grouped):
        raise ValueError(f"pairs: an image of '{dataset.name}' is in two pairs; they would not be independent")
    if "class" in settings.tasks:
        groups += [(index,) for index in sorted(set(range(len(dataset))) - set(grouped))]
    return [Unit(*each) for each in zip(groups, _folds(dataset, groups, settings.seed), strict=True)]


def _folds(dataset: Dataset, groups: Sequence[tuple[int, ...]], seed: int) -> list[int]:
    """The fold of each group: the data set's own, else drawn."""
    fixed = dataset.folds
    if fixed is None:
        return split(_clusters(dataset, groups), 2, seed).tolist()
    for images in groups:
        if len({fixed[index] for index in images}) > 1:
            raise ValueError(f"folds: images {images[0]} and {images[1]} of '{dataset.name}' are a pair in two folds")
    folds = [fixed[images[0]] for images in groups]
    if len(set(folds)) < 2:
        raise ValueError(
            f"folds: the {len(groups)} pairs or images of '{dataset.name}' are all in one fold, so no part is left "
            "to tune a threshold on; take more of them"
        )
    return folds


def _clusters(dataset: Dataset, groups: Sequence[tuple[int, ...]]) -> Sequence[int | str]:
    """What has one fold: each group by itself, or all groups whose labels meet in an image, one with the next."""
    if dataset.cluster != "label":
        return range(len(groups))
    # a source object whose images a threshold was tuned on has none in the part that is reported
    shown = [{label for index in images for label in dataset.labels(index)} or {""} for images in groups]
    met = DisjointSet(label for labels in shown for label in labels)
    for labels in shown:
        for label in labels:
            met.merge(label, min(labels))
    first = {label: min(cluster) for cluster in met.subsets() for label in cluster}
    clusters = [first[min(labels)] for labels in shown]
    if len(met) > 1 and met.n_subsets == 1:
        raise ValueError(
            f"folds: all {len(met)} labels of '{dataset.name}' meet in its images, one with the next, so no part is "
            'left to tune a threshold on; give it folds of its own, or cluster = "pair"'
        )
    return clusters


def _shards(units: Sequence[Unit]) -> tuple[tuple[Unit, ...], ...]:
    shards, rows = [[]], 0
    for unit in units:
        if rows and rows + len(unit.images) > ROWS:
            shards.append([])
            rows = 0
        shards[-1].append(unit)
        rows += len(unit.images)
    return tuple(tuple(shard) for shard in shards)
