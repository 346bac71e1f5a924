"""From a saliency map to a box or a mask, and how well it fits the true one.

Boxes are (x0, y0, x1, y1) in pixels of the map, half-open: x1 and y1 lie outside, so a box of one pixel has
x1 = x0 + 1. A map is binarised with `>=`. A map with a non-finite value has neither box nor mask: its IoU is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

Box = tuple[float, float, float, float]

# The candidates for "one fixed threshold per test and method" (section 4.5): far enough down and up that those that
# are tuned seldom lie at an end. 0.15 is Grad-CAM's own.
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.07, *(number / 20 for number in range(2, 20)))


def largest_component_box(saliency: ArrayLike, threshold: float) -> tuple[int, int, int, int] | None:
    """Box of the largest 8-connected component of `saliency >= threshold`, by pixel count.

    Of equal components the one that a reader of the rows meets first is taken.

    Parameters
    ----------
    saliency : array_like or Tensor
        (H, W).
    threshold : float

    Returns
    -------
    (int, int, int, int) or None
        (x0, y0, x1, y1), half-open; None where no pixel reaches the threshold or the map has a non-finite value.

    Examples
    --------
    >>> largest_component_box([[0, 1, 1], [0, 1, 0], [0, 0, 0]], 0.5)
    (1, 0, 3, 2)
    """
    return largest_component_boxes(saliency, (threshold,))[0]


def largest_component_boxes(saliency: ArrayLike, grid: Sequence[float]) -> list[tuple[int, int, int, int] | None]:
    """`largest_component_box` at each threshold of `grid`, in one pass.

    All binarised copies are cut into horizontal runs, and the runs are joined as one graph: some hundred runs
    instead of fifty thousand pixels a threshold.
    """
    above = binarise(saliency, grid)
    planes, height, width = above.shape
    # an empty column and row after each copy keep rows and copies apart in the flat array
    padded = np.zeros((planes, height + 1, width + 1), bool)
    padded[:, :height, :width] = above
    stride = width + 1
    flat = padded.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        edges = np.concatenate(([0], edges))
    starts, ends = edges[::2], edges[1::2]
    boxes: list[tuple[int, int, int, int] | None] = [None] * planes
    if len(starts) == 0:
        return boxes
    # runs of the next row that touch [start, end), also by a corner
    first = np.searchsorted(ends, starts + stride, side="left")
    count = np.maximum(np.searchsorted(starts, ends + stride, side="right") - first, 0)
    above_run = np.repeat(np.arange(len(starts)), count)
    below_run = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - first, count)
    links = coo_array((np.ones(len(above_run), bool), (above_run, below_run)), shape=(len(starts),) * 2)
    components, label = connected_components(links, directed=False)
    plane, rest = np.divmod(starts, stride * (height + 1))
    row, left = np.divmod(rest, stride)
    area = np.bincount(label, weights=ends - starts)
    first = np.full((5, components), len(flat))
    for corner, values in zip(first, (np.arange(len(starts)), left, row, -left - (ends - starts), -row), strict=True):
        np.minimum.at(corner, label, values)
    # largest first within each copy, then the one that begins first
    order = np.lexsort((first[0], -area, plane[first[0]]))
    found, position = np.unique(plane[first[0]][order], return_index=True)
    for index, (x0, y0, x1, y1) in zip(found, first[1:, order[position]].T.tolist(), strict=True):
        boxes[index] = (x0, y0, -x1, 1 - y1)
    return boxes


def binarise(saliency: ArrayLike, grid: Sequence[float]) -> np.ndarray:
    """`saliency >= t` for each t of the grid: (T, H, W) bool; all False where the map has a non-finite value."""
    saliency = _map(saliency)
    if np.isnan(grid).any():
        raise ValueError(f"threshold: got {list(grid)}; give numbers")
    if not np.isfinite(saliency).all():
        return np.zeros((len(grid), *saliency.shape), bool)
    return saliency >= np.asarray(grid, saliency.dtype)[:, None, None]


def box_iou(a: Box | None, b: Box | None) -> float:
    """Intersection over union of two boxes, in [0, 1]. 0 where a box is None or empty (x1 <= x0 or y1 <= y0).

    Examples
    --------
    >>> round(box_iou((0, 0, 2, 2), (1, 0, 3, 2)), 4)
    0.3333
    """
    if a is None or b is None:
        return 0.0
    for box in (a, b):
        if len(box) != 4 or not all(map(math.isfinite, box)):
            raise ValueError(f"box: got {box}; give four numbers (x0, y0, x1, y1)")
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(a) + _area(b) - width * height)


def best_iou(box: Box | None, truths: Sequence[Box]) -> float:
    """IoU with the true box that fits best: the maximum over the boxes of one label, 0 where there is none."""
    return max((box_iou(box, truth) for truth in truths), default=0.0)


def mask_iou(a: ArrayLike, b: ArrayLike) -> float:
    """Intersection over union of two (H, W) masks of True and False, or 1 and 0, in [0, 1]; 0 where both are empty.

    Examples
    --------
    >>> mask_iou([[True, True]], [[False, True]])
    0.5
    """
    a, b = _array(a), _array(b)
    for mask in (a, b):
        if mask.dtype.kind == "f" and not np.isin(mask, (0, 1)).all():
            raise ValueError("masks: got a map with values between 0 and 1; binarise it first, map >= threshold")
    a, b = a.astype(bool), b.astype(bool)
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"masks: got {a.shape} and {b.shape}; expected one (H, W) shape for both")
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 0.0


def box_ious(saliency: ArrayLike, truths: Sequence[Box], grid: Sequence[float] = THRESHOLDS) -> np.ndarray:
    """IoU of the largest component's box with the best true box, at each threshold: (T,) float64 in [0, 1]."""
    return np.array([best_iou(box, truths) for box in largest_component_boxes(saliency, grid)])


def mask_ious(saliency: ArrayLike, mask: ArrayLike, grid: Sequence[float] = THRESHOLDS) -> np.ndarray:
    """IoU of the binarised map with the true mask (H, W), at each threshold: (T,) float64 in [0, 1]."""
    saliency, mask = _map(saliency), _array(mask).astype(bool)
    if mask.shape != saliency.shape:
        raise ValueError(f"masks: got {saliency.shape} and {mask.shape}; expected one (H, W) shape for both")
    if not np.isfinite(saliency).all():
        return np.zeros(len(grid))
    common = _reached(saliency[mask], grid)
    union = _reached(saliency, grid) + np.count_nonzero(mask) - common
    return common / np.maximum(union, 1)


def areas(saliency: ArrayLike, grid: Sequence[float] = THRESHOLDS) -> np.ndarray:
    """Share of the map at or above each threshold: (T,) float64 in [0, 1]; 0 for a non-finite map."""
    saliency = _map(saliency)
    return _reached(saliency, grid) / saliency.size if np.isfinite(saliency).all() else np.zeros(len(grid))


def _reached(values: np.ndarray, grid: Sequence[float]) -> np.ndarray:
    """How many values lie at or above each threshold: (T,) int."""
    # compared in the map's own precision, as in `binarise`; an eighth of the time of sorting the values
    return np.array([np.count_nonzero(values >= threshold) for threshold in np.asarray(grid, values.dtype)])


def mass_in_mask(saliency: ArrayLike, mask: ArrayLike) -> float:
    """Share of the map's sum inside a (H, W) bool mask, in [0, 1]; 0 for an all-zero or a non-finite map.

    Examples
    --------
    >>> mass_in_mask([[1.0, 3.0]], [[False, True]])
    0.75
    """
    saliency, mask = _map(saliency), _array(mask).astype(bool)
    if mask.shape != saliency.shape:
        raise ValueError(f"masks: got {saliency.shape} and {mask.shape}; expected one (H, W) shape for both")
    total = saliency.sum(dtype=float)
    return float(saliency[mask].sum(dtype=float) / total) if np.isfinite(total) and total > 0 else 0.0


def mass_in_boxes(saliency: ArrayLike, truths: Sequence[Box]) -> float:
    """`mass_in_mask` of the union of the true boxes."""
    return mass_in_mask(saliency, in_boxes(_map(saliency).shape, truths))


def in_boxes(shape: tuple[int, ...], truths: Sequence[Box]) -> np.ndarray:
    """Pixels of an image of `shape` (H, W) whose centre lies in one of the boxes: (H, W) bool.

    >>> in_boxes((1, 3), [(0.4, 0, 1.6, 1)]).tolist()
    [[True, True, False]]
    """
    inside = np.zeros(shape, bool)
    for x0, y0, x1, y1 in truths:
        columns, rows = (np.arange(length) + 0.5 for length in inside.shape[::-1])
        inside |= ((rows >= y0) & (rows < y1))[:, None] & ((columns >= x0) & (columns < x1))
    return inside


def _area(box: Box) -> float:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def _array(values: ArrayLike) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _map(saliency: ArrayLike) -> np.ndarray:
    saliency = _array(saliency)
    if saliency.ndim != 2:
        raise ValueError(f"saliency: got shape {saliency.shape}; expected one map (H, W)")
    return saliency if saliency.dtype.kind == "f" else saliency.astype(float)
