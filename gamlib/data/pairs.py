"""Pairs of images of one class, and the images with small objects."""

from __future__ import annotations

import numpy as np

from gamlib.data.samples import Dataset


def make_pairs(dataset: Dataset, per_class: int | None, seed: int) -> list[tuple[int, int]]:
    """Index pairs (i, j) of images that share a label, drawn at random.

    per_class: pairs a label, None for as many as there are. No image is in two pairs, so that pairs are
    independent: a label with m images left gives at most m // 2 pairs, fewer than per_class if need be. Labels
    are served in sorted order; an image of several labels is used for the first that draws it.
    The same seed gives the same pairs. ValueError if no label has two images.

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
    """Indices of the images whose object is small: box area over image area at or below the percentile.

    percentile: in (0, 100], taken over the images that have a box (the others are left out); the paper uses 25
    and 10. An image with several boxes counts with its largest one.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile: {percentile}, expected a number in (0, 100]")
    largest = {index: max(dataset.areas(index)) for index in range(len(dataset)) if dataset.areas(index)}
    if not largest:
        raise ValueError(f"data set '{dataset.name}' has no boxes, so the size of its objects is unknown")
    limit = np.percentile(list(largest.values()), percentile)
    return [index for index, area in largest.items() if area <= limit]
