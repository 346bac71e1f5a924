"""Every method's raw map against numbers worked out by hand, and the rules for batches, depths and odd values."""

import numpy as np
import pytest
import torch
from torch import Tensor

import gamlib
from gamlib import Layer, Trace


def make_trace(activation: list, gradient: list, score: list[float], dtype: torch.dtype = torch.float64) -> Trace:
    """A trace of one layer; its maps keep the layer's size."""
    a, g = torch.tensor(activation, dtype=dtype), torch.tensor(gradient, dtype=dtype)
    return Trace(torch.tensor(score, dtype=dtype), (Layer("last", a, g),), tuple(a.shape[-2:]))


def raw(trace: Trace, method: str) -> Tensor:
    return gamlib.layer_maps(trace, method, 1)[0]


# Two channels, 2x2. Sums of the activations: 4 and 3; means of the gradients: 1/2 and 1/4.
# Grad-CAM++, channel 1: alpha = 1/(2 + 4g) is 1/6 at g = 1 and 1/10 at g = 2; divided by their sum, 5/8 and 3/8;
#   w_1 = 5/8 * 1 + 3/8 * 2 = 11/8. Channel 2: alpha = 1/(2 + 3g) is 1/5 at g = 1 and 2/7 at the two g = 1/2; their
#   sum is 27/35; w_2 = (1/5 * 1 + 2 * 2/7 * 1/2) / (27/35) = (17/35) / (27/35) = 17/27.
SMALL_A = [[[1, 2], [0, 1]], [[0, 1], [3, -1]]]
SMALL_G = [[[1, 0], [-1, 2]], [[-1, 1], [0.5, 0.5]]]
SMALL = {
    "gam": [[1, 1], [1.5, 2]],
    "grad_cam": [[0.5, 1.25], [0.75, 0.25]],
    "layer_cam": [[1, 1], [1.5, 1.5]],
    "grad_cam_pp": [[11 / 8, 11 / 4 + 17 / 27], [17 / 9, 11 / 8 - 17 / 27]],
    "grad_cam_pp_stable": [[11 / 8, 11 / 4 + 17 / 27], [17 / 9, 11 / 8 - 17 / 27]],
}

# Three channels, 2x2, negative activations; sums 2, -4, 4; means of the gradients -1/8, 1/16, 1/2.
# Grad-CAM, before its ReLU: (0,0) -2/8 - 2/16 + 0 = -3/8; (0,1) 1/8 + 1/16 + 3/2 = 27/16;
#   (1,0) -1/8 - 1/16 - 1/2 = -11/16; (1,1) 0 - 2/16 + 1 = 7/8.
# GAM: (0,0) 2*1; (0,1) 1*1; (1,0) 1*1/2; (1,1) 2*1.
# LayerCAM: (0,0) 2 - 2/4 = 3/2; (0,1) 1; (1,0) 1/2 - 1/2 = 0; (1,1) 2.
# Grad-CAM++ as the original: channel 1: alpha 1/4 at g = 1, 1/3 at g = 1/2, normalised 3/7 and 4/7, w_1 = 5/7.
#   Channel 2, whose sum is negative: alpha = 1/(2 - 4g) is 1 at g = 1/4 and -1/2 at g = 1, normalised 2 and -1,
#   w_2 = 2/4 - 1 = -1/2. Channel 3: alpha 1/4, 1/4, 1/6 at g = 1/2, 1/2, 1, normalised 3/8, 3/8, 1/4, w_3 = 5/8.
#   (0,0) 10/7 + 1; (0,1) -5/7 - 1/2 + 15/8 = 37/56; (1,0) 5/7 + 1/2 - 5/8 = 33/56; (1,1) 1 + 5/4.
# Closed form: the sum of channel 2 is clamped at 0, both its alphas are 1/2, w_2 = (1/4 + 1)/2 = 5/8.
#   (0,0) 10/7 - 5/4 = 5/28; (0,1) -5/7 + 5/8 + 15/8 = 25/14; (1,0) 5/7 - 5/4 < 0; (1,1) -5/4 + 5/4 = 0.
SIGNED_A = [[[2, -1], [1, 0]], [[-2, 1], [-1, -2]], [[0, 3], [-1, 2]]]
SIGNED_G = [[[1, -2], [0.5, 0]], [[0.25, 1], [-1, 0]], [[0.5, 0], [0.5, 1]]]
SIGNED = {
    "gam": [[2, 1], [0.5, 2]],
    "grad_cam": [[0, 27 / 16], [0, 7 / 8]],
    "layer_cam": [[1.5, 1], [0, 2]],
    "grad_cam_pp": [[17 / 7, 37 / 56], [33 / 56, 9 / 4]],
    "grad_cam_pp_stable": [[5 / 28, 25 / 14], [0, 0]],
}

ZERO_CHANNEL = [[[0, 0], [0, 0]]]


@pytest.mark.parametrize("method", gamlib.METHODS)
def test_two_channels_by_hand(method):
    trace = make_trace([SMALL_A], [SMALL_G], [0.0])
    expected = torch.tensor(SMALL[method], dtype=torch.float64)
    torch.testing.assert_close(raw(trace, method)[0], expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", gamlib.METHODS)
def test_three_channels_with_negative_activations_by_hand(method):
    trace = make_trace([SIGNED_A], [SIGNED_G], [0.0])
    expected = torch.tensor(SIGNED[method], dtype=torch.float64)
    torch.testing.assert_close(raw(trace, method)[0], expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", gamlib.METHODS)
def test_batch_of_two(method):
    trace = make_trace([SMALL_A + ZERO_CHANNEL, SIGNED_A], [SMALL_G + ZERO_CHANNEL, SIGNED_G], [0.0, 0.0])
    expected = torch.tensor([SMALL[method], SIGNED[method]], dtype=torch.float64)
    torch.testing.assert_close(raw(trace, method), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", gamlib.METHODS)
def test_order_of_the_channels_does_not_matter(method):
    there = make_trace([SIGNED_A], [SIGNED_G], [0.0])
    back = make_trace([SIGNED_A[::-1]], [SIGNED_G[::-1]], [0.0])
    torch.testing.assert_close(raw(there, method), raw(back, method), rtol=0, atol=1e-15)


def test_layer_cam_is_cut_off_at_zero_after_the_sum():
    # (0, 0): 2 - 3 < 0; (0, 1): 1 - 1/2. GAM drops the negative activations before: 2 and 1.
    trace = make_trace([[[[2, 1]], [[-3, -0.5]]]], [[[[1, 1]], [[1, 1]]]], [0.0])
    assert raw(trace, "layer_cam").tolist() == [[[0, 0.5]]]
    assert raw(trace, "gam").tolist() == [[[2, 1]]]


def test_exponential_only_scales_the_original_map():
    zero = raw(make_trace([SIGNED_A], [SIGNED_G], [0.0]), "grad_cam_pp")
    three = raw(make_trace([SIGNED_A], [SIGNED_G], [3.0]), "grad_cam_pp")
    torch.testing.assert_close(three, torch.tensor(3.0, dtype=torch.float64).exp() * zero, rtol=1e-14, atol=0)


def test_zero_denominator_becomes_one():
    # Channel 1 sums to -4: at g = 1/2, 2 g^2 - 4 g^3 = 0, so alpha = g^2 / 1 = 1/4; at g = 1/4 it is 1/(2 - 1) = 1.
    # w_1 = (1/4 * 1/2 + 1 * 1/4) / (5/4) = 3/10. Channel 2: one positive gradient, w_2 = 1. Map: 1 - 2 * 3/10.
    trace = make_trace([[[[-2, -2]], [[1, 1]]]], [[[[0.5, 0.25]], [[1, 0]]]], [0.0])
    torch.testing.assert_close(raw(trace, "grad_cam_pp")[0, 0], torch.tensor([0.4, 0.4], dtype=torch.float64))


def test_closed_form_is_the_original_without_the_exponential():
    torch.manual_seed(0)
    a, g = torch.rand(2, 5, 3, 3, dtype=torch.float64), torch.randn(2, 5, 3, 3, dtype=torch.float64)
    layer = (Layer("last", a, g),)
    scaled = raw(Trace(torch.tensor([2.0, -1.0], dtype=torch.float64), layer, (3, 3)), "grad_cam_pp")
    closed = raw(Trace(torch.tensor([2.0, -1.0], dtype=torch.float64), layer, (3, 3)), "grad_cam_pp_stable")
    factor = torch.tensor([2.0, -1.0], dtype=torch.float64).exp()[:, None, None]
    torch.testing.assert_close(scaled, factor * closed, rtol=1e-12, atol=0)


@pytest.mark.parametrize("method", gamlib.METHODS)
def test_map_is_normalised_raw_map_of_its_own_size(method):
    made = gamlib.METHODS[method](make_trace([SMALL_A], [SMALL_G], [0.0]), n=1)
    expected = torch.tensor(SMALL[method])
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    assert made.dtype == torch.float32
    torch.testing.assert_close(made[0], expected, rtol=0, atol=1e-6)


def test_two_layers_are_the_mean_of_the_normalised_maps():
    # Last layer [[0, 0], [1/2, 1]] once normalised (from [[1, 1], [3/2, 2]]); the one before 0..3 -> thirds.
    a, g = torch.tensor([SMALL_A]).double(), torch.tensor([SMALL_G]).double()
    before = Layer("before", torch.tensor([[[[0.0, 1], [2, 3]]]]).double(), torch.ones(1, 1, 2, 2).double())
    trace = Trace(torch.zeros(1).double(), (Layer("last", a, g), before), (2, 2))
    expected = torch.tensor([[[0, 1 / 6], [0.25 + 1 / 3, 1]]])
    torch.testing.assert_close(gamlib.gam(trace, n=2), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(gamlib.saliency_maps(trace, ["gam"], [1, 2])["gam", 2], expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        gamlib.saliency_maps(trace, ["gam"], [2, 1])["gam", 1], torch.tensor([[[0, 0], [0.5, 1]]]), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("method", gamlib.METHODS)
def test_layers_are_counted_from_the_last(method):
    layers = [Layer(str(i), torch.full((1, 1, 1, 1), i), torch.ones(1, 1, 1, 1)) for i in (3.0, 2.0, 1.0)]
    trace = Trace(torch.zeros(1), tuple(layers), (1, 1))
    for n in (1, 2, 3):
        assert [made.item() for made in gamlib.layer_maps(trace, method, n)] == [3, 2, 1][:n]


@pytest.mark.parametrize("method", gamlib.METHODS)
def test_gam_takes_two_layers_and_the_others_one_unless_told(method):
    # normalised (0, 1) and (1, 0)
    layers = [Layer(str(a), torch.tensor([[[a]]]), torch.ones(1, 1, 1, 2)) for a in ([0.0, 2.0], [3.0, 1.0])]
    made = gamlib.METHODS[method](Trace(torch.zeros(1), tuple(layers), (1, 2)))
    assert made.tolist() == [[[0.5, 0.5] if method == "gam" else [0, 1]]]


@pytest.mark.parametrize("method", gamlib.METHODS)
def test_a_map_is_resized_bicubically_before_it_is_normalised(method):
    # A row (0, 8) drawn 4 wide, centres at -1/4, 1/4, 3/4, 5/4 of a cell: Keys' kernel with a = -3/4 gives the 8 the
    # weights -27, 58, 198, 283 of 256 (the border repeats it), which run from 0 to 1 once normalised.
    layer = Layer("last", torch.tensor([[[[0.0, 8.0]]]]), torch.ones(1, 1, 1, 2))
    made = gamlib.METHODS[method](Trace(torch.zeros(1), (layer,), (1, 4)), n=1)
    expected = torch.tensor([[[0, 85 / 310, 225 / 310, 1]]])
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)
    tall = Layer("last", layer.activation.transpose(2, 3), layer.gradient.transpose(2, 3))
    made = gamlib.METHODS[method](Trace(torch.zeros(1), (tall,), (4, 1)), n=1)
    torch.testing.assert_close(made, expected.transpose(1, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", gamlib.METHODS)
def test_zero_gradient_gives_a_zero_map(method):
    trace = make_trace([SMALL_A], [[[[0.0, 0], [0, 0]]] * 2], [1.0])
    assert torch.equal(gamlib.METHODS[method](trace, n=1), torch.zeros(1, 2, 2))


def test_overflow_spoils_the_original_in_its_own_row_only():
    # e^89 is infinite in float32 (limit 88.72) and 4.5e38 in float64.
    trace = make_trace([SMALL_A, SMALL_A], [SMALL_G, SMALL_G], [89.0, 1.0], torch.float32)
    maps = gamlib.grad_cam_pp(trace)
    assert not maps[0].isfinite().any()
    assert torch.equal(maps[1], gamlib.grad_cam_pp(trace[1:])[0])
    assert maps[1].isfinite().all()
    assert gamlib.grad_cam_pp(trace.to(torch.float64)).isfinite().all()
    assert gamlib.grad_cam_pp_stable(trace).isfinite().all()


def test_overflow_in_float64_comes_above_709():
    trace = make_trace([SMALL_A, SMALL_A], [SMALL_G, SMALL_G], [710.0, 700.0])
    finite = gamlib.grad_cam_pp(trace).isfinite()
    assert not finite[0].any()
    assert finite[1].all()


def test_vanishing_exponential_gives_a_zero_map():
    trace = make_trace([SMALL_A], [SMALL_G], [-120.0], torch.float32)
    assert torch.equal(gamlib.grad_cam_pp(trace), torch.zeros(1, 2, 2))


@pytest.mark.parametrize("method", gamlib.METHODS)
@pytest.mark.parametrize("n", [0, 2, -1])
def test_depth_out_of_range(method, n):
    trace = make_trace([SMALL_A], [SMALL_G], [0.0])
    with pytest.raises(ValueError, match=rf"n: {n} is out of range; the trace holds 1 to 1 layers"):
        gamlib.METHODS[method](trace, n=n)


def test_depths_out_of_range_are_found_before_any_map():
    trace = make_trace([SMALL_A], [SMALL_G], [0.0])
    with pytest.raises(ValueError, match="n: 0 is out of range"):
        gamlib.saliency_maps(trace, ["gam"], [1, 0])


def test_unknown_method():
    trace = make_trace([SMALL_A], [SMALL_G], [0.0])
    with pytest.raises(ValueError, match="method: unknown 'scorecam'; accepted: gam, grad_cam, grad_cam_pp"):
        gamlib.layer_maps(trace, "scorecam", 1)


def test_methods_hold_the_five_public_functions():
    assert list(gamlib.METHODS) == ["gam", "grad_cam", "grad_cam_pp", "grad_cam_pp_stable", "layer_cam"]
    assert all(gamlib.METHODS[name] is getattr(gamlib, name) for name in gamlib.METHODS)


def test_a_depth_may_be_a_number_of_numpy_s():
    layers = tuple(gamlib.Layer(name, *torch.rand(2, 1, 3, 4, 4)) for name in "ab")
    trace = gamlib.Trace(torch.ones(1), layers, (8, 8))
    assert torch.equal(gamlib.gam(trace, n=np.int64(2)), gamlib.gam(trace, n=2))
    assert list(gamlib.saliency_maps(trace, "gam", np.int64(1))) == [("gam", 1)]


def test_one_row_of_a_trace_is_asked_for_by_a_slice():
    trace = gamlib.Trace(torch.ones(2), (gamlib.Layer("a", *torch.rand(2, 2, 3, 4, 4)),), (8, 8))
    assert len(trace[:1].score) == 1
    with pytest.raises(TypeError, match=r"trace: got 0; give a slice, such as trace\[:1\]"):
        trace[0]
