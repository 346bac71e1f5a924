import numpy as np
import pytest
import torch
from scipy import ndimage

from gamlib.boxes import (
    THRESHOLDS,
    areas,
    best_iou,
    box_iou,
    box_ious,
    largest_component_box,
    largest_component_boxes,
    mask_iou,
    mask_ious,
    mass_in_boxes,
    mass_in_mask,
)


def blob(*boxes, size=(6, 8), value=1.0):
    saliency = np.zeros(size)
    for x0, y0, x1, y1 in boxes:
        saliency[y0:y1, x0:x1] = value
    return saliency


@pytest.mark.parametrize(
    ("saliency", "expected"),
    [
        (blob(), None),  # flat at 0: nothing reaches the threshold
        (np.ones((6, 8)), (0, 0, 8, 6)),  # flat at 1: the whole image
        (np.full((6, 8), np.nan), None),
        (np.where(blob((0, 0, 1, 1)) > 0, np.inf, blob((4, 4, 6, 6))), None),  # one non-finite value spoils the map
        (blob((1, 1, 3, 3), (5, 3, 7, 5)), (1, 1, 3, 3)),  # equal blobs: the one met first, row by row
        (blob((5, 1, 7, 3), (1, 3, 3, 5)), (5, 1, 7, 3)),
        (blob((0, 0, 1, 1), (4, 2, 8, 6)), (4, 2, 8, 6)),  # the larger one, which touches the border
        (blob((0, 0, 2, 6)), (0, 0, 2, 6)),  # the other border
        (blob((2, 3, 7, 4)), (2, 3, 7, 4)),  # a line one pixel high
        (blob((3, 1, 4, 6)), (3, 1, 4, 6)),  # a line one pixel wide
        (blob((7, 5, 8, 6)), (7, 5, 8, 6)),  # the last pixel
        (np.eye(6), (0, 0, 6, 6)),  # diagonal neighbours hang together
        (np.eye(6)[::-1].copy(), (0, 0, 6, 6)),
        (blob((7, 0, 8, 1), (0, 1, 1, 2)), (7, 0, 8, 1)),  # the end of a row does not touch the start of the next
        (blob((1, 1, 3, 3), value=0.5), (1, 1, 3, 3)),  # >=: a value equal to the threshold counts
    ],
)
def test_largest_component_box(saliency, expected):
    assert largest_component_box(saliency, 0.5) == expected
    assert largest_component_box(torch.tensor(saliency, dtype=torch.float32), 0.5) == expected


def test_pixel_count_decides_not_extent():
    saliency = blob((0, 0, 8, 1), (3, 3, 7, 6))
    assert largest_component_box(saliency, 0.5) == (3, 3, 7, 6)  # 12 pixels against a longer line of 8


def test_boxes_on_a_grid_agree_with_scipy_labels():
    rng = np.random.default_rng(0)
    grid = (0.2, 0.5, 0.8, 0.95, 1.5)
    for _ in range(40):
        saliency = rng.random((rng.integers(1, 12), rng.integers(1, 12)))
        expected = []
        for threshold in grid:
            label, count = ndimage.label(saliency >= threshold, np.ones((3, 3)))
            sizes = np.bincount(label.ravel(), minlength=count + 1)[1:]
            rows, columns = ndimage.find_objects(label)[sizes.argmax()] if count else (None, None)
            expected.append((columns.start, rows.start, columns.stop, rows.stop) if count else None)
        assert largest_component_boxes(saliency, grid) == expected


def test_a_map_must_be_two_dimensional():
    with pytest.raises(ValueError, match=r"got shape \(1, 2, 2\); expected one map"):
        largest_component_box(np.zeros((1, 2, 2)), 0.5)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),  # 2 of 4 + 4 - 2
        ((0, 0, 2, 2), (2, 0, 4, 2), 0),  # half-open: touching is not overlapping
        ((0, 0, 4, 4), (1, 1, 2, 3), 2 / 16),  # inside
        ((0, 0, 1, 1), (0.5, 0, 1.5, 1), 1 / 3),  # true boxes may be fractional
        ((1, 1, 1, 5), (1, 1, 1, 5), 0),  # no area
        ((3, 0, 1, 2), (0, 0, 4, 4), 0),  # turned inside out
        (None, (0, 0, 2, 2), 0),
    ],
)
def test_box_iou(a, b, expected):
    assert box_iou(a, b) == pytest.approx(expected)
    assert box_iou(b, a) == pytest.approx(expected)


def test_best_iou_takes_the_best_true_box():
    assert best_iou((0, 0, 2, 2), [(5, 5, 6, 6), (1, 0, 3, 2)]) == pytest.approx(1 / 3)
    assert best_iou((0, 0, 2, 2), []) == 0
    assert best_iou(None, [(0, 0, 2, 2)]) == 0


def test_mask_iou():
    assert mask_iou([[1, 1, 0]], [[0, 1, 1]]) == pytest.approx(1 / 3)
    assert mask_iou([[0, 0, 0]], [[0, 0, 0]]) == 0  # nothing found, nothing to find
    assert mask_iou([[1, 0, 0]], [[0, 0, 0]]) == 0
    with pytest.raises(ValueError, match=r"got \(1, 3\) and \(1, 2\)"):
        mask_iou([[1, 1, 0]], [[0, 1]])


def test_measures_over_a_grid():
    saliency = np.array([[0.2, 0.4, 0.6, 0.8]])
    grid = (0.3, 0.5, 0.9)
    # boxes (1..4), (2..4), none against the true (2..4): 2/3, 1, 0
    assert box_ious(saliency, [(2, 0, 4, 1)], grid).tolist() == pytest.approx([2 / 3, 1, 0])
    assert mask_ious(saliency, np.array([[False, False, True, True]]), grid).tolist() == pytest.approx([2 / 3, 1, 0])
    assert areas(saliency, grid).tolist() == [0.75, 0.5, 0]
    assert box_ious(saliency, [], grid).tolist() == [0, 0, 0]  # no true box
    assert mask_ious(saliency, np.zeros((1, 4), bool), grid).tolist() == [0, 0, 0]


def test_a_non_finite_map_scores_nothing():
    saliency = np.array([[np.nan, 1.0]])
    mask = np.array([[False, True]])
    assert (
        box_ious(saliency, [(1, 0, 2, 1)], (0.5,)) == mask_ious(saliency, mask, (0.5,)) == areas(saliency, (0.5,)) == 0
    )
    assert mass_in_mask(saliency, mask) == 0
    assert mass_in_mask(np.array([[np.inf, 1.0]]), mask) == 0


def test_mass():
    saliency = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert mass_in_mask(saliency, np.array([[False, True], [False, True]])) == 0.6  # (2 + 4) / 10
    assert mass_in_boxes(saliency, [(1, 0, 2, 2)]) == 0.6
    assert mass_in_boxes(saliency, [(1, 0, 2, 2), (0, 0, 2, 1)]) == 0.7  # the shared pixel counts once: 1 + 2 + 4
    assert mass_in_boxes(saliency, [(0.4, 0, 1, 1)]) == 0.1  # the centre 0.5 lies inside
    assert mass_in_boxes(saliency, [(0.6, 0, 1, 1)]) == 0
    assert mass_in_mask(np.zeros((2, 2)), np.ones((2, 2), bool)) == 0


def test_the_grid_of_thresholds_leaves_every_map_a_pixel():
    assert [round(100 * threshold) for threshold in THRESHOLDS] == [1, 2, 3, 5, 7, *range(10, 96, 5)]


def test_a_map_within_the_mask_covers_a_share_of_it():
    assert mask_ious([[1.0, 0, 0, 0]], np.ones((1, 4), bool), (0.5,)).tolist() == [0.25]


def test_the_mass_in_a_box_of_a_wide_map():
    saliency = np.array([[1.0, 2, 4], [8, 16, 32]])
    assert mass_in_boxes(saliency, [(1, 0, 3, 1)]) == pytest.approx((2 + 4) / 63)
    assert mass_in_boxes(saliency, [(0, 1, 1, 2), (2, 0, 3, 1)]) == pytest.approx((8 + 4) / 63)


def test_what_is_no_mask_and_no_threshold_is_refused():
    with pytest.raises(ValueError, match="values between 0 and 1; binarise it first, map >= threshold"):
        mask_iou([[0.2, 0.9]], [[True, False]])
    assert mask_iou([[0.0, 1.0]], [[1, 1]]) == 0.5
    with pytest.raises(ValueError, match=r"threshold: got \[nan\]; give numbers"):
        largest_component_box([[0.2, 0.9]], float("nan"))
