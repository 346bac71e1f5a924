"""Part of a data set, e.g. its first images or those with small objects."""

from __future__ import annotations

from collections.abc import Sequence

from gamlib.data.samples import Dataset, Sample


class Subset(Dataset):
    """The samples `indices` of a data set, in that order; of its fixed pairs those with both sides in it.

    >>> from gamlib.data import load_dataset
    >>> len(Subset(load_dataset("photos"), [0, 3, 4])), Subset(load_dataset("photos"), [0, 3, 4]).pairs
    (3, ((1, 2),))
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int]):
        outside = [i for i in indices if not 0 <= i < len(dataset)]
        if outside or len(set(indices)) < len(indices):
            raise ValueError(f"indices: expected different numbers from 0 to {len(dataset) - 1}, got {list(indices)}")
        self.dataset = dataset
        self.indices = tuple(indices)
        for attribute in ("name", "classes", "cluster", "kind", "percentile"):
            setattr(self, attribute, getattr(dataset, attribute))
        place = {index: position for position, index in enumerate(self.indices)}
        if dataset.pairs is not None:
            inside = ((place[a], place[b]) for a, b in dataset.pairs if a in place and b in place)
            self.pairs = tuple(inside)
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
