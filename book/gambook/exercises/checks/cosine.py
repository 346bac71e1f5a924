"""Check of exercise 3: Equation 5, the gradient of the cosine, and the signs of its entries."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gambook.exercises.checks.compare import Mistake, compare
from gambook.exercises.checks.record import Record, assess


def ex03(
    cosine_gradient: Callable[[Tensor, Tensor], Tensor], is_negative: Callable[[Tensor, Tensor], Tensor], seed: int = 0
) -> Record:
    """Check Eq. 5 and the rule for the sign of its entries: both (h (B, D), g (B, D)) -> (B, D)."""
    generator = torch.Generator().manual_seed(1000 * seed + 3)
    cases = [
        (torch.rand(3, 6, generator=generator) + 0.05, 4 * torch.rand(3, 6, generator=generator)) for _ in range(2)
    ]
    signs = [(h[[0, 1]], g[[0, 1]]) for h, g in cases]

    def signs_right() -> None:
        compare(is_negative, signs, lambda h, g: _cosine_gradient(h, g) < 0, SIGN_MISTAKES, "the table of signs")

    def gradient_right() -> None:
        compare(cosine_gradient, cases, _cosine_gradient, COSINE_MISTAKES, "the gradient (B, D)")

    return assess("ex03", seed, [("cosine_gradient", 3, gradient_right), ("is_negative", 2, signs_right)])


def _cosine_gradient(h: Tensor, g: Tensor) -> Tensor:
    h = h.clone().requires_grad_()
    return torch.autograd.grad(torch.cosine_similarity(h, g, dim=1).sum(), h)[0]


def _length(v: Tensor) -> Tensor:
    return v.norm(dim=1, keepdim=True)


def _cosine(h: Tensor, g: Tensor) -> Tensor:
    return torch.cosine_similarity(h, g, dim=1)[:, None]


def _over_the_batch(h: Tensor, g: Tensor) -> Tensor:
    s = (h * g).sum() / (h.norm() * g.norm())
    return g / (h.norm() * g.norm()) - s * h / h.norm() ** 2


COSINE_MISTAKES = (
    Mistake(lambda h, g: g, "this is the gradient of the dot product; the cosine also divides by two lengths"),
    Mistake(
        lambda h, g: g / (_length(h) * _length(g)),
        "the second term of Eq. 5 is missing: the length of h depends on h, too",
    ),
    Mistake(
        lambda h, g: g / (_length(h) * _length(g)) + _cosine(h, g) * h / _length(h) ** 2,
        "check the sign between the two terms: a longer h makes the quotient smaller",
    ),
    Mistake(
        lambda h, g: g / (_length(h) * _length(g)) - h / _length(h) ** 2,
        "the second term lacks a factor that is 1 only for equal directions",
    ),
    Mistake(
        lambda h, g: g / (_length(h) * _length(g)) - _cosine(h, g) * h / _length(h),
        "the second term is off by a length: compare the units of both terms when h doubles",
    ),
    Mistake(
        lambda h, g: g / (_length(h) * _length(g)) - _cosine(h, g) * h / _length(g) ** 2,
        "the second term divides by the wrong embedding's length",
    ),
    Mistake(
        lambda h, g: g / (_length(h) * _length(g)) - (h * g).sum(1, keepdim=True) * h / _length(h) ** 2,
        "the second term holds the dot product where Eq. 5 has the cosine s",
    ),
    Mistake(lambda h, g: _cosine_gradient(g, h), "this is the gradient in g; asked for is the one in h"),
    Mistake(_over_the_batch, "the lengths are taken over the whole batch; each row is a pair of its own"),
    Mistake(
        lambda h, g: _cosine_gradient(h, g).relu(), "negative entries are clipped; they are what this chapter is about"
    ),
)

SIGN_MISTAKES = (
    Mistake(lambda h, g: _cosine_gradient(h, g) > 0, "this marks the positive entries; turn the comparison round"),
    Mistake(lambda h, g: g < h, "this compares bare entries: neither length nor cosine comes in, yet Eq. 5 holds both"),
    Mistake(
        lambda h, g: g / _length(g) < h / _length(h),
        "this compares directions but leaves s out; for s below 1 the bar is lower",
    ),
    Mistake(
        lambda h, g: g < _cosine(h, g) * h,
        "the two embeddings have different lengths; put both entries on one scale first",
    ),
    Mistake(
        lambda h, g: torch.zeros_like(h, dtype=torch.bool),
        "no entry is marked; that holds for the dot product, not for the cosine",
    ),
)
