"""Boxes, masses and scores where rounding, borders and overflow decide."""

import numpy as np
import pytest
import torch

import gamlib
from gamlib.boxes import THRESHOLDS, areas, largest_component_box, mass_in_boxes, mass_in_mask
from gamlib.metrics import drops, explanation_map, increases


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_pixel_at_the_threshold_counts_in_the_map_s_own_precision(threshold, dtype):
    # 0.7 is less in float32 than in float64
    saliency = torch.tensor([[0.0, threshold]], dtype=dtype)
    assert largest_component_box(saliency, threshold) == (1, 0, 2, 1)
    assert areas(saliency, (threshold,)).tolist() == [0.5]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_has_no_mass_inside_or_outside(value):
    saliency = np.array([[value, 1.0]])
    for mask in ([[True, False]], [[False, True]], [[True, True]]):
        assert mass_in_mask(saliency, mask) == 0


def test_the_sum_of_a_half_precision_map_does_not_overflow():
    # 90,000 ones; float16 ends at 65,504
    saliency = np.ones((300, 300), np.float16)
    assert mass_in_boxes(saliency, [(0, 0, 300, 150)]) == 0.5


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0.5, 0, 3, 3), 9),  # the first column's centre lies on the border: inside at x0
        ((0, 0.5, 3, 3), 9),
        ((0, 0, 2.5, 3), 6),  # the last one's lies on x1: outside
        ((0, 0, 3, 2.5), 6),
        ((0.51, 0.51, 2.51, 2.51), 4),
        ((-5, -5, 50, 50), 9),
    ],
)
def test_a_pixel_belongs_to_a_box_that_holds_its_centre(box, expected):
    assert mass_in_boxes(np.ones((3, 3)), [box]) == pytest.approx(expected / 9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("after", [-1.0, 0.0, 1.0])
def test_a_score_of_nothing_is_left_out_whatever_follows(after):
    assert np.isnan(drops([0.0, -0.0], [after, after])).all()
    assert np.isnan(increases([0.0, -0.0], [after, after])).all()


def test_any_rise_is_an_increase_and_any_fall_a_drop():
    before = np.array([0.5, 1e-9])
    assert increases(before, before * (1 + 1e-12)).tolist() == [100, 100]
    assert drops(before, before * (1 + 1e-12)).tolist() == [0, 0]
    assert increases(before, before).tolist() == [0, 0]
    assert drops(before, before / 2).tolist() == [50, 50]


def test_scores_are_one_number_an_image():
    with pytest.raises(ValueError, match=r"before is \(1, 2\) and after is \(1, 2\); expected one \(N,\) shape"):
        drops([[0.5, 0.5]], [[0.5, 0.5]])


@pytest.mark.parametrize("fill", ["black", "mean"])
def test_a_masked_image_has_the_precision_of_the_image(fill):
    net = torch.nn.Linear(1, 1)
    model = gamlib.Model(net, [], net, net, gamlib.Preprocess((1, 2), (0.25,), (0.5,)))
    # pixels 1/2 and 1; a quarter of the second is left
    x = torch.tensor([[[[0.5, 1.5]]]])
    masked = explanation_map(model, x, torch.tensor([[[1, 0.25]]], dtype=torch.float64), fill)
    assert masked.dtype == torch.float32
    assert masked.tolist() == [[[[0.5, 0.0 if fill == "black" else 0.375]]]]
