"""Pairs of images of one class, and the images with small objects."""

from __future__ import annotations

import numpy as np

from gamlib.data.samples import Dataset


def make_pairs(dataset: Dataset, per_class: int | None, seed: int) -> list[tuple[int, int]]:
    """Pairs of images that share a label, drawn at random.

    No image is in two pairs, so that pairs are independent. Labels are served in sorted order; an image of several
    labels is used for the first that draws it.

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
    >>> len(make_pairs(load_dataset("digits"), per_class=2, seed=0))
    20
    """
    if per_class is not None and per_class < 1:
        raise ValueError(f"per_class: {per_class}, expected at least 1 pair a class, or None for all")
    images: dict[str, list[int]] = {}
    for index in range(len(dataset)):
        for label in set(dataset.labels(index)):
            images.setdefault(label, []).append(index)
    generator = np.random.default_rng(seed)
    used: set[int] = set()
    pairs: list[tuple[int, int]] = []
    for label in sorted(images):
        free = [index for index in images[label] if index not in used]
        drawn = generator.permutation(free).tolist()
        chosen = list(zip(drawn[0::2], drawn[1::2], strict=False))[:per_class]
        used.update(index for pair in chosen for index in pair)
        pairs.extend(chosen)
    if not pairs:
        raise ValueError(f"data set '{dataset.name}': no class has two images, so no pair can be made")
    return pairs


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
    [2, 6]
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile: {percentile}, expected a number in (0, 100]")
    largest = {index: max(dataset.areas(index)) for index in range(len(dataset)) if dataset.areas(index)}
    if not largest:
        raise ValueError(f"data set '{dataset.name}' has no boxes, so the size of its objects is unknown")
    limit = np.percentile(list(largest.values()), percentile)
    return [index for index, area in largest.items() if area <= limit]
