"""RSZ, NRM and aggregation."""

import math

import pytest
import torch
from torch.nn.functional import interpolate

from gamlib import aggregate, min_max, resize
from gamlib.maps import _interpolation

SIZES = [((7, 7), (224, 224)), ((14, 9), (240, 33)), ((8, 8), (5, 8)), ((1, 1), (4, 6))]


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_resize_is_interpolate(mode, shape, size):
    maps = torch.rand(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = interpolate(maps[:, None], size=size, mode=mode, align_corners=False)[:, 0]
    torch.testing.assert_close(resize(maps, size, mode), expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(resize(maps.float(), size, mode), expected.float(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_resize_works_the_same_after_inference_mode(dtype):
    # The matrices are cached: one made under inference_mode must still carry gradients later.
    _interpolation.cache_clear()
    with torch.inference_mode():
        resize(torch.ones(1, 3, 3), (11, 13))
    maps = torch.ones(1, 3, 3, dtype=dtype, requires_grad=True)
    resize(maps, (11, 13)).sum().backward()
    assert maps.grad.sum().item() == pytest.approx(11 * 13, rel=1e-5)


def delta() -> torch.Tensor:
    maps = torch.zeros(1, 7, 7)
    maps[0, 3, 3] = 1
    return maps


def test_bicubic_overshoots_and_normalising_lifts_the_background():
    # Between 1 and 2 cells from the sample the kernel is a(x^3 - 5x^2 + 8x - 4) with a = -3/4. It is lowest at
    # x = 4/3: -3/4 * 4/27 = -1/9. The peak is nearly 1, so NRM lifts the flat 0 to (1/9) / (1 + 1/9) = 1/10.
    upsampled = resize(delta(), (224, 224))
    assert upsampled.min().item() == pytest.approx(-1 / 9, abs=5e-4)
    normalised = min_max(upsampled)
    assert normalised[0, 0, 0].item() == pytest.approx(0.1, abs=5e-4)
    assert (normalised > 0.05).float().mean().item() == pytest.approx(0.96, abs=0.01)


def test_bilinear_keeps_the_range():
    upsampled = resize(delta(), (224, 224), mode="bilinear")
    assert upsampled.min().item() == 0
    assert min_max(upsampled)[0, 0, 0].item() == 0


def test_resize_unknown_mode():
    with pytest.raises(ValueError, match="mode: unknown 'nearest'; accepted: bicubic, bilinear"):
        resize(torch.ones(1, 2, 2), (4, 4), mode="nearest")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.3, -123.456, 1e-5])
def test_a_constant_map_stays_empty_when_it_is_enlarged(value, dtype):
    enlarged = resize(torch.full((1, 7, 7), value, dtype=dtype), (224, 224))
    assert not min_max(enlarged).any()
    # a thousandth of its height is no rounding
    assert min_max(torch.tensor([[[value, value * 1.001]]], dtype=dtype)).max() == 1


def test_min_max_by_hand():
    maps = torch.tensor([[[-1.0, 0], [1, 3]], [[2, 2], [2, 2]], [[0, 0], [0, 1e-30]]])
    expected = torch.tensor([[[0.0, 0.25], [0.5, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 1]]])
    assert torch.equal(min_max(maps), expected)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_min_max_keeps_a_non_finite_value_in_its_own_map(value):
    maps = torch.tensor([[[0.0, value], [1, 2]], [[0, 1], [2, 4]]])
    normalised = min_max(maps)
    assert not normalised[0].isfinite().all()
    assert torch.equal(normalised[1], torch.tensor([[0, 0.25], [0.5, 1]]))


LAYERS = [torch.tensor([[[0.0, 0.5], [1, 0.25]]]), torch.tensor([[[1.0, 0.5], [0, 0.75]]])]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [[0.5, 0.5], [0.5, 0.5]]),
        ("max", [[1, 0.5], [1, 0.75]]),
        ("product", [[0, 0.25], [0, 0.1875]]),
        ((3, 1), [[0.25, 0.5], [0.75, 0.375]]),
        ((0, 2), [[1, 0.5], [0, 0.75]]),
    ],
)
def test_aggregate_by_hand(how, expected):
    assert torch.equal(aggregate(LAYERS, how), torch.tensor([expected]))


@pytest.mark.parametrize("weights", [(1,), (1, 1, 1), (1, -1), (0, 0), (1, math.nan)])
def test_aggregate_weights_that_do_not_fit(weights):
    with pytest.raises(ValueError, match="how: 2 layers want 2 weights >= 0, not all 0"):
        aggregate(LAYERS, weights)


def test_aggregate_unknown_name():
    with pytest.raises(ValueError, match="how: unknown 'sum'; accepted: mean, max, product, or one weight a layer"):
        aggregate(LAYERS, "sum")
