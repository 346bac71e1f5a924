"""Part of a data set, and how a sample is read where some cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gamlib.data.samples import BrokenImage, Dataset, Sample


class Subset(Dataset):
    """Part of a data set, in the order of `indices`, with those of its fixed pairs that lie wholly in it.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
        From 0 to len(dataset) - 1, none twice; ValueError else.

    Examples
    --------
    >>> from gamlib.data import load_dataset
    >>> part = Subset(load_dataset("photos"), [0, 3, 4])
    >>> len(part), part.pairs
    (3, ((1, 2),))
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        outside = [i for i in indices if not 0 <= i < len(dataset)]
        if outside or len(set(indices)) < len(indices):
            raise ValueError(f"indices: expected different numbers from 0 to {len(dataset) - 1}, got {list(indices)}")
        self.dataset = dataset
        self.indices = tuple(indices)
        for attribute in ("name", "classes", "cluster", "percentile"):
            setattr(self, attribute, getattr(dataset, attribute))
        place = {index: position for position, index in enumerate(self.indices)}
        if dataset.pairs is not None:
            self.pairs = tuple((place[a], place[b]) for a, b in dataset.pairs if a in place and b in place)
        if dataset.folds is not None:
            self.folds = tuple(dataset.folds[index] for index in self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]

    def labels(self, index: int) -> tuple[str, ...]:
        return self.dataset.labels(self.indices[index])

    def areas(self, index: int) -> tuple[float, ...]:
        return self.dataset.areas(self.indices[index])

    def fingerprint(self, index: int) -> Any:
        return self.indices[index], self.dataset.fingerprint(self.indices[index])


def read_sample(dataset: Dataset, index: int) -> Sample:
    """Sample `index`; BrokenImage, whatever the data set raises for an image that it cannot read."""
    try:
        return dataset[index]
    except BrokenImage:
        raise
    except Exception as error:
        # its id is not known: its number in the whole, of which this may be a part
        while isinstance(dataset, Subset):
            dataset, index = dataset.dataset, dataset.indices[index]
        raise BrokenImage(f"{dataset.name}[{index}]", f"{type(error).__name__}: {error}") from error
