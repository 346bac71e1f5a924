"""The variants of GAM that some claims compare it with, by hand."""

import pytest
import torch

import gamlib
from gamlib.methods import METHODS, VARIANTS, saliency_maps

# Two channels of 2x2 in three layers, last first; the second channel never counts where its gradient is negative.
# Last: 1*1 [1, 1; 0, 1] + [0, 0; 3/2, 1] = [1, 1; 3/2, 2], normalised [0, 0; 1/2, 1].
# Before: [0, 1; 2, 3] alone, normalised to thirds. First: 2 [2, 1; 0, 1/2] alone, normalised [1, 1/2; 0, 1/4].
LAYERS = [
    ([[[1, 1], [0, 1]], [[5, 7], [3, 2]]], [[[1, 1], [1, 1]], [[-1, 0], [0.5, 0.5]]]),
    ([[[0, 1], [2, 3]], [[9, 9], [9, 9]]], [[[1, 1], [1, 1]], [[-1, -1], [-1, -1]]]),
    ([[[2, 1], [0, 0.5]], [[1, 8], [8, 1]]], [[[2, 2], [2, 2]], [[-1, 0], [0, -2]]]),
]
LAST = [[0, 0], [1 / 2, 1]]
EXPECTED = {
    ("gam_layer", 1): LAST,
    ("gam_layer", 2): [[0, 1 / 3], [2 / 3, 1]],
    ("gam_layer", 3): [[1, 1 / 2], [0, 1 / 4]],
    ("gam_max", 1): LAST,
    ("gam_max", 2): [[0, 1 / 3], [2 / 3, 1]],
    ("gam_max", 3): [[1, 1 / 2], [2 / 3, 1]],
    ("gam_product", 1): LAST,
    ("gam_product", 2): [[0, 0], [1 / 3, 1]],
    ("gam_product", 3): [[0, 0], [0, 1 / 4]],
    # (3 a + b) / 4 and (3 a + b + c) / 5
    ("gam_last_3", 1): LAST,
    ("gam_last_3", 2): [[0, 1 / 12], [13 / 24, 1]],
    ("gam_last_3", 3): [[1 / 5, 1 / 6], [13 / 30, 17 / 20]],
    # (a + 3 b) / 4 and (a + b + 3 c) / 5
    ("gam_first_3", 1): LAST,
    ("gam_first_3", 2): [[0, 1 / 4], [5 / 8, 1]],
    ("gam_first_3", 3): [[3 / 5, 11 / 30], [7 / 30, 11 / 20]],
    # here all layers are as coarse as the last
    ("gam_pooled", 1): LAST,
    ("gam_pooled", 2): [[0, 1 / 3], [2 / 3, 1]],
    ("gam_pooled", 3): [[1, 1 / 2], [0, 1 / 4]],
}


@pytest.fixture(scope="module")
def trace():
    layers = [gamlib.Layer(str(i), *(torch.tensor([part]).double() for part in pair)) for i, pair in enumerate(LAYERS)]
    return gamlib.Trace(torch.zeros(1).double(), tuple(layers), (2, 2))


def test_every_variant_has_its_numbers():
    assert {name for name, _ in EXPECTED} == set(VARIANTS)


@pytest.mark.parametrize(("key", "expected"), EXPECTED.items())
def test_variants_by_hand(trace, key, expected):
    name, n = key
    made = saliency_maps(trace, [name], [n])
    assert list(made) == [key] and made[key].dtype == torch.float32
    torch.testing.assert_close(made[key], torch.tensor([expected]).float(), rtol=0, atol=1e-6)


def test_a_finer_layer_is_pooled_to_the_grid_of_the_last():
    one = torch.ones(1, 1, 4, 4)
    fine = torch.tensor([[1.0, 1, 0, 2], [3, 3, 2, 4], [0, 0, 8, 8], [0, 0, 8, 8]])[None, None]
    layers = (gamlib.Layer("last", one[..., :2, :2], one[..., :2, :2]), gamlib.Layer("before", fine, one))
    trace = gamlib.Trace(torch.zeros(1), layers, (2, 2))
    # means of the quarters: 2, 2, 0 and 8
    made = saliency_maps(trace, ["gam_pooled"], [2])["gam_pooled", 2]
    torch.testing.assert_close(made, torch.tensor([[[1 / 4, 1 / 4], [0, 1]]]), rtol=0, atol=1e-6)


def test_methods_and_variants_at_several_depths_together(trace):
    names, depths = ["gam_max", "gam", "gam_layer", "layer_cam"], [3, 1]
    made = saliency_maps(trace, names, depths)
    assert set(made) == {(name, n) for name in names for n in depths}
    for (name, n), maps in made.items():
        alone = METHODS[name](trace, n) if name in METHODS else saliency_maps(trace, [name], [n])[name, n]
        assert torch.equal(maps, alone)


def test_layers_are_drawn_as_gam_s_are_before_they_are_joined(trace):
    wide = gamlib.Trace(trace.score, trace.layers, (5, 7))
    made = saliency_maps(wide, list(VARIANTS), [1])
    for name in VARIANTS:
        torch.testing.assert_close(made[name, 1], gamlib.gam(wide, n=1), rtol=0, atol=1e-6)
