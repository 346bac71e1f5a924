import numpy as np
import pytest
import torch

import gamlib
from gamlib.boxes import largest_component_box
from gamlib.controls import CONTROLS
from gamlib.metrics import average_drop, drops, explanation_map, increase_in_confidence, increases


def test_average_drop_by_hand():
    # 0.8 -> 0.6 loses a quarter, 0.5 -> 0.9 loses nothing: (25 + 0) / 2
    assert average_drop([0.8, 0.5], [0.6, 0.9]) == pytest.approx(12.5)
    assert increase_in_confidence([0.8, 0.5], [0.6, 0.9]) == 50


def test_an_equal_score_is_no_increase():
    assert increase_in_confidence([0.5], [0.5]) == 0


@pytest.mark.parametrize("y", [0.0, -1.0])
def test_scores_that_are_not_above_zero_are_left_out(y):
    # only the second counts: 4 -> 1 loses three quarters
    assert average_drop([y, 4.0], [9.0, 1.0]) == 75
    assert increase_in_confidence([y, 4.0], [9.0, 1.0]) == 0
    assert np.isnan(drops([y, 4.0], [9.0, 1.0])).tolist() == [True, False]
    assert np.isnan(increases([y, 4.0], [9.0, 1.0])).tolist() == [True, False]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("mean", [average_drop, increase_in_confidence])
def test_a_score_that_is_not_finite_has_no_mean(mean, bad):
    with pytest.raises(ValueError, match="scores: 2 of the 3 before and 0 after are not finite"):
        mean([bad, bad, 4.0], [9.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="scores: 0 of the 2 before and 1 after are not finite"):
        mean(torch.tensor([1.0, 4.0]), torch.tensor([bad, 1.0]))


@pytest.mark.parametrize(("before", "after"), [(4.0, float("nan")), (float("nan"), 4.0)])
def test_one_by_one_a_nan_score_stays_nan(before, after):
    assert np.isnan(drops([before, 4.0], [after, 1.0])).tolist() == [True, False]
    assert np.isnan(increases([before, 4.0], [after, 5.0])).tolist() == [True, False]


def test_no_valid_score_has_no_mean():
    assert np.isnan(average_drop([0.0], [1.0])) and np.isnan(increase_in_confidence([0.0], [1.0]))


def test_a_drop_can_exceed_the_score():
    # a similarity of 1 that turns to -1 falls by 2, which is 200%
    assert average_drop(torch.tensor([1.0]), torch.tensor([-1.0])) == 200


def test_scores_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"before is \(2,\) and after is \(1,\)"):
        average_drop([1.0, 2.0], [1.0])


@pytest.fixture(scope="module")
def model():
    net = torch.nn.Linear(1, 1)  # never run: only the preprocessing counts here
    transform = gamlib.Preprocess((4, 6), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return gamlib.Model(net, [], net, net, transform)


def test_black_multiplies_the_pixels(model):
    pixels = torch.rand(1, 3, 4, 6)
    half = torch.full((1, 4, 6), 0.5)
    masked = explanation_map(model, model.normalize(pixels), half)
    torch.testing.assert_close(model.pixels(masked), pixels / 2)


def test_mean_fills_with_the_normalisation_mean(model):
    pixels = torch.rand(1, 3, 4, 6)
    saliency = torch.zeros(1, 4, 6)
    saliency[0, 0, 0] = 1
    masked = model.pixels(explanation_map(model, model.normalize(pixels), saliency, fill="mean"))
    torch.testing.assert_close(masked[0, :, 0, 0], pixels[0, :, 0, 0])
    torch.testing.assert_close(masked[0, :, 3, 5], torch.tensor([0.485, 0.456, 0.406]))  # ImageNet's mean colour


@pytest.mark.parametrize("fill", ["black", "mean"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_non_finite_map_counts_as_blank_and_spoils_no_other(model, fill, bad):
    x = torch.randn(2, 3, 4, 6)
    saliency = torch.ones(2, 4, 6)
    saliency[0, 1, 1] = bad
    masked = explanation_map(model, x, saliency, fill)
    torch.testing.assert_close(masked[0], explanation_map(model, x[:1], torch.zeros(1, 4, 6), fill)[0])
    torch.testing.assert_close(masked[1], x[1])


def test_explanation_map_refuses_what_does_not_fit(model):
    with pytest.raises(ValueError, match="unknown 'grey'; accepted: black, mean"):
        explanation_map(model, torch.zeros(1, 3, 4, 6), torch.zeros(1, 4, 6), fill="grey")
    with pytest.raises(ValueError, match=r"values from 9 to 9; expected \[0, 1\], as min_max brings them"):
        explanation_map(model, torch.zeros(1, 3, 4, 6), torch.full((1, 4, 6), 9.0))
    with pytest.raises(ValueError, match=r"got \(2, 4, 6\) for images \(1, 3, 4, 6\)"):
        explanation_map(model, torch.zeros(1, 3, 4, 6), torch.zeros(2, 4, 6))


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_are_maps_in_range_and_independent_of_the_batch(name):
    control = CONTROLS[name]
    maps = control(["a", "b", "c"], (12, 20))
    assert maps.shape == (3, 12, 20) and maps.dtype == torch.float32
    assert 0 <= maps.min() and maps.max() <= 1
    torch.testing.assert_close(control(["b"], (12, 20))[0], maps[1])
    assert control([], (12, 20)).shape == (0, 12, 20)


def test_random_control_differs_between_images():
    one, two = CONTROLS["random_7x7"](["a", "b"], (14, 14))
    assert (one - two).abs().mean() > 0.1


def test_constant_box_control_is_a_box_with_margins():
    pyramid = CONTROLS["constant_box"](["a"], (100, 200))[0]
    # threshold 0.2 leaves margins of 0.1: 10 rows and 20 columns on each side
    assert largest_component_box(pyramid, 0.2) == (20, 10, 180, 90)
