"""The maps that know nothing of the image, pixel by pixel."""

import binascii
import math

import pytest
import torch
from torch.nn.functional import interpolate

from gamlib.boxes import THRESHOLDS, box_ious
from gamlib.controls import CONTROLS, centre_gaussian, constant_box, random_7x7


def test_blank_and_ones():
    assert torch.equal(CONTROLS["blank"](["a"], (2, 3)), torch.zeros(1, 2, 3))
    assert torch.equal(CONTROLS["all_ones"](["a"], (2, 3)), torch.ones(1, 2, 3))


@pytest.mark.parametrize(
    ("size", "row", "column", "expected"),
    [
        ((5, 5), 2, 2, 1),  # the middle
        ((2, 2), 0, 1, math.exp(-1)),  # a quarter of the side off, both ways: one sigma each
        # of 4 rows the centres lie 1/8 and 3/8 of the side off: 1/2 and 3/2 sigma; of 8 columns 1/4 to 7/4 sigma
        ((4, 8), 1, 3, math.exp(-(1 / 4 + 1 / 16) / 2)),
        ((4, 8), 0, 3, math.exp(-(9 / 4 + 1 / 16) / 2)),
        ((4, 8), 2, 7, math.exp(-(1 / 4 + 49 / 16) / 2)),
        ((4, 8), 3, 0, math.exp(-(9 / 4 + 49 / 16) / 2)),
    ],
)
def test_the_gaussian_has_its_centre_and_a_quarter_of_each_side_as_sigma(size, row, column, expected):
    maps = centre_gaussian(["a", "b"], size)
    assert maps[:, row, column].tolist() == pytest.approx([expected] * 2, abs=1e-6)


def noise(name: str, seed: int = 0) -> torch.Tensor:
    return torch.rand(7, 7, generator=torch.Generator().manual_seed(binascii.crc32(f"{seed}:{name}".encode())))


def scaled(maps: torch.Tensor) -> torch.Tensor:
    return (maps - maps.min()) / (maps.max() - maps.min())


def test_the_random_map_is_its_name_s_noise_resized_and_normalised():
    small, large = random_7x7(["scene 3"], (7, 7))[0], random_7x7(["scene 3"], (20, 33))[0]
    torch.testing.assert_close(small, scaled(noise("scene 3")), rtol=0, atol=1e-6)
    wide = interpolate(noise("scene 3")[None, None], size=(20, 33), mode="bicubic")[0, 0]
    torch.testing.assert_close(large, scaled(wide), rtol=0, atol=1e-5)
    assert large.min() == 0 and large.max() == 1


def test_the_random_map_repeats_with_name_and_seed_only():
    there, back = random_7x7(["a", "b"], (9, 9), seed=3), random_7x7(["b", "a"], (9, 9), seed=3)
    # a product of matrices rounds a row by its place in the batch; at 7 x 7 nothing is multiplied
    torch.testing.assert_close(there, back.flip(0), rtol=0, atol=1e-6)
    noise = random_7x7(["a", "b"], (7, 7), seed=3)
    assert torch.equal(noise, random_7x7(["b", "a"], (7, 7), seed=3).flip(0))
    assert not torch.equal(there[0], there[1])
    assert not torch.equal(there, random_7x7(["a", "b"], (9, 9), seed=4))
    state = torch.get_rng_state()
    random_7x7(["a"], (9, 9))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_pyramid_of_the_constant_box():
    assert constant_box(["a"], (4, 4))[0].tolist() == [
        [0.25, 0.25, 0.25, 0.25], [0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25], [0.25, 0.25, 0.25, 0.25],
    ]  # fmt: skip
    assert constant_box(["a", "b"], (2, 4)).tolist() == [[[0.25, 0.5, 0.5, 0.25]] * 2] * 2


def test_the_best_constant_box_of_literal_boxes():
    # At t the box has sides of 100 (1 - t). A box of 80: t = 0.2 is perfect; one of 40: t = 0.6.
    large, small = (10, 10, 90, 90), (30, 30, 70, 70)
    pyramid = constant_box(["a"], (100, 100))[0]
    of_large, of_small = (box_ious(pyramid, [box]) for box in (large, small))
    assert THRESHOLDS[of_large.argmax()] == 0.2 and THRESHOLDS[of_small.argmax()] == 0.6
    # two large and a small one: at 0.2 (1 + 1 + 1/4) / 3, at 0.3 (2 * 49/64 + 16/49) / 3, at 0.6 (1/4 + 1/4 + 1) / 3
    assert THRESHOLDS[(of_large * 2 + of_small).argmax()] == 0.2
    assert THRESHOLDS[(of_large + of_small * 2).argmax()] == 0.6
    ious = dict(zip(THRESHOLDS, of_small.tolist(), strict=True))
    assert [ious[t] for t in (0.2, 0.3, 0.6)] == pytest.approx([1 / 4, 16 / 49, 1])
