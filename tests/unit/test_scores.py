"""Scores: their values, their gradients at the embedding, and what they refuse."""

import pytest
import torch

import gamlib
from gamlib import ClassScore, Cosine, Dot

# h_1 = (3, 4), h_2 = (0, 2): dot 8, norms 5 and 2, cosine 8/10. Rows 0 and 2 are one pair, 1 and 3 the other.
EMBEDDING = [[3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]]


def embedding() -> torch.Tensor:
    return torch.tensor(EMBEDDING, dtype=torch.float64, requires_grad=True)


def test_dot_by_hand(tiny):
    h = embedding()
    total, value, target = Dot([(0, 2), (1, 3)])(tiny(), h)
    assert target is None
    assert value.tolist() == [8, -1, 8, -1]
    # ds/dh(x) = h(y), in every row
    (gradient,) = torch.autograd.grad(total, h)
    assert gradient.tolist() == [[0, 2], [-1, 1], [3, 4], [1, 0]]


def test_cosine_by_hand(tiny):
    h = embedding()
    total, value, target = Cosine([(0, 2), (3, 1)])(tiny(), h)
    assert target is None
    torch.testing.assert_close(value, torch.tensor([0.8, -(0.5**0.5), 0.8, -(0.5**0.5)], dtype=torch.float64))
    # Eq. 5 at row 0: (0, 2)/10 - 0.8 (3, 4)/25 = (-0.096, 0.072): one entry negative though both h >= 0.
    (gradient,) = torch.autograd.grad(total, h)
    torch.testing.assert_close(gradient[0], torch.tensor([-0.096, 0.072], dtype=torch.float64))
    # at row 2: (3, 4)/10 - 0.8 (0, 2)/4 = (0.3, 0)
    torch.testing.assert_close(gradient[2], torch.tensor([0.3, 0.0], dtype=torch.float64))


def test_a_photograph_and_itself_have_no_gradient_under_the_cosine():
    h = torch.rand(2, 50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = Cosine.similarity(h, torch.stack([h[0].detach(), h[1].detach() * 2]))
    assert value.tolist() == pytest.approx([1, 1])
    (gradient,) = torch.autograd.grad(value.sum(), h)
    assert not gradient[0].any()


def test_no_pairs_at_all_are_scored_as_none(tiny):
    total, value, _ = Cosine([], alone=range(4))(tiny(), embedding())
    assert total.item() == 0 and bool(value.isnan().all())


def test_a_similarity_of_another_shape_is_refused(tiny):
    class Kept(Dot):
        @staticmethod
        def similarity(a, b):
            return (a * b).sum(dim=1, keepdim=True)

    with pytest.raises(ValueError, match=r"similarity: got \(2, 1\) for 2 pairs; give one number a pair"):
        Kept([(0, 2), (1, 3)])(tiny(), embedding())


def test_cosine_does_not_depend_on_length(tiny):
    # Euler: a function that scaling leaves alone has sum_k h_k ds/dh_k = 0.
    h = torch.rand(6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    total, _, _ = Cosine([(0, 1), (2, 3), (4, 5)])(tiny(), h)
    (gradient,) = torch.autograd.grad(total, h)
    torch.testing.assert_close((h * gradient).sum(dim=1), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-15)
    assert (gradient < 0).any(dim=1).all()


@pytest.mark.parametrize("target", [3, torch.tensor(3), [3, 0, 4, 3], torch.tensor([3, 0, 4, 3], dtype=torch.uint8)])
def test_class_score_is_the_logit(tiny, target):
    model = tiny()
    h = torch.rand(4, 6, dtype=torch.float64)
    score = ClassScore(target)
    score.check(model, 4)
    total, value, chosen = score(model, h)
    classes = [3, 0, 4, 3] if not isinstance(target, int) and torch.as_tensor(target).ndim else [3] * 4
    assert chosen.tolist() == classes
    weight, bias = model.module.head.weight, model.module.head.bias
    expected = torch.stack([h[row] @ weight[c] + bias[c] for row, c in enumerate(classes)])
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(total, expected.sum())


def test_class_score_defaults_to_the_top_class(tiny):
    model = tiny()
    h = torch.rand(7, 6, dtype=torch.float64)
    _, value, chosen = ClassScore()(model, h)
    logits = model.head(h)
    assert torch.equal(chosen, logits.argmax(dim=1))
    assert torch.equal(value, logits.detach().amax(dim=1))


@pytest.mark.parametrize("target", [1.0, torch.tensor([1.0, 2.0]), True, [0.5, 1]])
def test_target_that_is_no_integer(tiny, target):
    x = torch.zeros(2, 3, 8, 8)
    with pytest.raises(TypeError, match=r"target: expected class indices \(integers\), got torch\.(float|bool)"):
        gamlib.trace_class(tiny(), x, target)


@pytest.mark.parametrize("target", [[0, 1, 2], torch.tensor([0]), torch.zeros(2, 1, dtype=torch.long)])
def test_target_of_the_wrong_length(tiny, target):
    x = torch.zeros(2, 3, 8, 8)
    with pytest.raises(ValueError, match=r"target: got shape \(.*\) for a batch of 2; give one class, or one a row"):
        gamlib.trace_class(tiny(), x, target)


@pytest.mark.parametrize("categories", [None, list("abcde")])
@pytest.mark.parametrize(("target", "shown"), [(5, 5), (-1, -1), ([0, 7], 7)])
def test_target_out_of_range(tiny, categories, target, shown):
    x = torch.zeros(2, 3, 8, 8)
    with pytest.raises(ValueError, match=f"target: class {shown} is out of range; the model has classes 0 to 4"):
        gamlib.trace_class(tiny(categories=categories), x, target)


def test_target_out_of_range_is_found_before_the_forward(tiny):
    model = tiny(categories=list("abcde"))
    model.features = None
    with pytest.raises(ValueError, match="target: class 5"):
        gamlib.trace_class(model, torch.zeros(2, 3, 8, 8), 5)


@pytest.mark.parametrize("score", [Dot, Cosine])
@pytest.mark.parametrize("pairs", [[(0, 1)], [(0, 1), (1, 2)], [(0, 0), (1, 2)], [(0, 1), (2, 4)], []])
def test_rows_that_are_not_in_exactly_one_pair(tiny, score, pairs):
    with pytest.raises(ValueError, match=r"pairs: every row of the batch \(0 to 3\) belongs in exactly one pair"):
        gamlib.trace(tiny(), torch.zeros(4, 3, 8, 8), [score(pairs)])


def test_pair_of_three(tiny):
    with pytest.raises(ValueError, match=r"pairs: expected \(i, j\) row numbers, got \[\(0, 1, 2\), \(3,\)\]"):
        gamlib.trace(tiny(), torch.zeros(4, 3, 8, 8), [Dot([(0, 1, 2), (3,)])])
