"""What is left of a score when images are masked, on images of a few pixels and a network that passes them on."""

import math

import pytest
import torch
from torch import nn

import gamlib
from gamlib.evaluation.batch import Explained
from gamlib.evaluation.measure import ROWS_AT_ONCE, masked_embeddings, scores_after


class Passed(gamlib.Model):
    """Its embedding is the image, its logits are the embedding; `batches` lists how many images went through."""

    def __init__(self, **options):
        self.batches = []
        net = nn.Linear(1, 1)
        super().__init__(net, [], self.note, lambda h: h, gamlib.Preprocess((1, 2), (0.25,), (0.5,)), **options)

    def note(self, x):
        self.batches.append(len(x))
        return x.flatten(1)


# Pixels 1/2 and 1; pixels 3/4 and 0. Normalised: (p - 1/4) / (1/2).
X = torch.tensor([[[[0.5, 1.5]]], [[[1.0, -0.5]]]])
# The first keeps half of the left pixel and nothing of the right one; the second keeps all and a quarter.
MAPS = torch.tensor([[[0.5, 0.0]], [[1.0, 0.25]]])


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        # pixels 1/4, 0 and 3/4, 0, then normalised: black is -1/2
        ("black", [[0, -0.5], [1, -0.5]]),
        # the normalised image times the map: the fill is 0, the colour 1/4
        ("mean", [[0.25, 0], [1, -0.125]]),
    ],
)
def test_fills(fill, expected):
    model = Passed()
    assert masked_embeddings(model, X, {"a": MAPS}, fill)["a"].tolist() == expected
    assert model.batches == [2]


@pytest.mark.parametrize(("fill", "expected"), [("black", [-0.5, -0.5]), ("mean", [0, 0])])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_map_that_is_not_finite_leaves_the_fill_of_its_own_image(fill, expected, value):
    maps = MAPS.clone()
    maps[0, 0, 1] = value
    made = masked_embeddings(Passed(), X, {"a": maps}, fill)["a"]
    assert made[0].tolist() == expected
    assert torch.equal(made[1], masked_embeddings(Passed(), X, {"a": MAPS}, fill)["a"][1])


def test_maps_that_mask_alike_share_a_forward_and_others_do_not():
    model = Passed()
    near, far = MAPS + 5e-6, MAPS.clone()
    far[1] += 2e-5
    made = masked_embeddings(model, X, {"a": MAPS, "near": near, "far": far}, "mean")
    assert model.batches == [3]  # image 0 once, image 1 twice
    assert torch.equal(made["near"], made["a"])
    assert torch.equal(made["far"][0], made["a"][0]) and not torch.equal(made["far"][1], made["a"][1])
    # two images under one map are two masked images
    assert masked_embeddings(model, X, {"a": MAPS[:1].repeat(2, 1, 1)}, "mean")["a"].tolist() == [[0.25, 0], [0.5, 0]]


def test_many_maps_are_cut_into_batches_and_come_back_in_order():
    model = Passed()
    maps = {(name, n): torch.full((2, 1, 2), (5 * i + n) / 64) for i, name in enumerate("abc") for n in range(3)}
    made = masked_embeddings(model, X, maps, "mean")
    assert model.batches == [ROWS_AT_ONCE, 2 * 9 - ROWS_AT_ONCE]
    for key, saliency in maps.items():
        assert torch.equal(made[key], (X * saliency[:, None]).flatten(1))


def test_no_map_needs_no_forward():
    model = Passed()
    assert masked_embeddings(model, X, {}, "black") == {} and model.batches == []


# --- scores ---


def explained(task, before, embedding=None, target=None):
    trace = gamlib.Trace(before, (), (1, 2), target=target, embedding=embedding)
    return Explained(task, [], [], PARTNER, before, trace, {})


# Four images: rows 0 and 1 are a pair, rows 3 and 2 another.
PARTNER = [1, 0, 3, 2]
PLAIN = torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 2]])
MASKED = torch.tensor([[3.0, 4], [2, 0], [0, 1], [4, 3]])


@pytest.mark.parametrize(
    ("task", "side", "expected"),
    [
        ("dot", "both", [6, 6, 3, 3]),
        ("dot", "one", [4, 2, 2, 4]),  # (3, 4).(0, 1), (2, 0).(1, 0), (0, 1).(0, 2), (4, 3).(1, 0)
        ("cosine", "both", [0.6, 0.6, 0.6, 0.6]),
        ("cosine", "one", [0.8, 1, 1, 0.8]),
    ],
)
def test_sides_of_a_pair(task, side, expected):
    after = scores_after(Passed(), explained(task, torch.full((4,), 9.0), PLAIN), MASKED, side)
    torch.testing.assert_close(after, torch.tensor(expected, dtype=torch.float32), rtol=0, atol=1e-6)


LN2, LN3 = math.log(2), math.log(3)


@pytest.mark.parametrize(
    ("multilabel", "logits"),
    [
        (False, [[0, LN3], [LN2, 2 * LN2], [1, 1]]),  # softmax: 3/(1 + 3), 2/(2 + 4), 1/2
        (True, [[0, LN3], [-LN2, 5], [1, 0]]),  # sigmoid: 1/(1 + 1/3), 1/(1 + 2), 1/2, whatever the other class
    ],
)
@pytest.mark.parametrize("side", ["both", "one"])
def test_a_class_keeps_its_own_target(multilabel, logits, side):
    asked = explained("class", torch.full((3,), 9.0), target=torch.tensor([1, 0, 1]))
    after = scores_after(Passed(multilabel=multilabel), asked, torch.tensor(logits), side)
    torch.testing.assert_close(after, torch.tensor([0.75, 1 / 3, 0.5]), rtol=0, atol=1e-6)


def test_a_change_as_small_as_rounding_is_none():
    # one side masked: 4, 2, -2 and 4
    before = torch.tensor([4 * (1 + 5e-6), 2 * (1 - 2e-5), -2.0 * (1 - 5e-6), 4.0])
    masked = MASKED * torch.tensor([[1.0], [1], [-1], [1]])
    after = scores_after(Passed(), explained("dot", before, PLAIN), masked, "one")
    assert after[0] == before[0] and after[2] == before[2]  # half the noise off, above 0 and below
    assert after[1] == 2 and after[3] == 4
