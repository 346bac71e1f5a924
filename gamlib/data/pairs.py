"""Pairs of images of one class, and the images with small objects."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from gamlib.data.samples import Dataset


def make_pairs(dataset: Dataset, per_class: int | None, seed: int) -> list[tuple[int, int]]:
    """Pairs of images that share a label, drawn at random; no image is in two pairs.

    Parameters
    ----------
    dataset : Dataset
    per_class : int or None
        Pairs a label, at most m // 2 of the m images it has left; None for all.
    seed : int

    Returns
    -------
    list of (int, int)
        Indices; ValueError where no label has two images.

    Examples
    --------
    >>> from gamlib.data import load_dataset
    >>> len(make_pairs(load_dataset("mnist5k"), per_class=2, seed=0))
    20
    """
    if per_class is not None and (not isinstance(per_class, Integral) or per_class < 1):
        raise ValueError(f"per_class: {per_class}, expected at least 1 pair a class, or None for all")
    return [(a, b) for a, b in make_groups(dataset, 2, seed, per_class)]


def make_groups(dataset: Dataset, size: int, seed: int, per_class: int | None = None) -> list[tuple[int, ...]]:
    """Groups of 2 to `size` images that share a label, drawn at random; no image is in two groups.

    Labels are served in sorted order; an image of several labels is used for the first that draws it. Arguments and
    error as in `make_pairs`; per_class: groups a label.
    """
    images: dict[str, list[int]] = {}
    for index in range(len(dataset)):
        for label in set(dataset.labels(index)):
            images.setdefault(label, []).append(index)
    generator = np.random.default_rng(seed)
    used: set[int] = set()
    groups: list[tuple[int, ...]] = []
    for label in sorted(images):
        free = generator.permutation([index for index in images[label] if index not in used]).astype(int)
        # as equal as they can be, so that none is left with one image where there are enough
        parts = np.array_split(free, max(1, -(-len(free) // size)))
        chosen = [tuple(part.tolist()) for part in parts if len(part) > 1][:per_class]
        used.update(index for group in chosen for index in group)
        groups.extend(chosen)
    if not groups:
        raise ValueError(f"data set '{dataset.name}': no class has two images, so no pair can be made")
    return groups


def rounds(count: int) -> list[list[tuple[int, int]]]:
    """Every two of `count` items once, in rounds in which no item is in two pairs.

    >>> rounds(4)
    [[(0, 3), (1, 2)], [(0, 2), (3, 1)], [(0, 1), (2, 3)]]
    """
    ring = [*range(count), *[-1] * (count % 2)]
    found = []
    for _ in range(len(ring) - 1):
        half = len(ring) // 2
        facing = zip(ring[:half], ring[: half - 1 : -1], strict=True)
        found.append([pair for pair in facing if -1 not in pair])
        ring = [ring[0], ring[-1], *ring[1:-1]]
    return [pairs for pairs in found if pairs]


def smallest_objects(dataset: Dataset, percentile: float) -> list[int]:
    """Images whose object is small: its box area over the image's at or below a percentile of all.

    Parameters
    ----------
    dataset : Dataset
        An image with several boxes counts with its largest one; images without a box are left out.
    percentile : float
        In (0, 100]; the paper uses 25 and 10.

    Returns
    -------
    list of int
        Indices; ValueError where no image has a box.

    Examples
    --------
    >>> from gamlib.data import load_dataset
    >>> smallest_objects(load_dataset("photos"), 25)
    [2, 8, 9, 14, 15]
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile: {percentile}, expected a number in (0, 100]")
    largest = {index: max(dataset.areas(index)) for index in range(len(dataset)) if dataset.areas(index)}
    if not largest:
        raise ValueError(f"data set '{dataset.name}' has no boxes, so the size of its objects is unknown")
    limit = np.percentile(list(largest.values()), percentile)
    return [index for index, area in largest.items() if area <= limit]
