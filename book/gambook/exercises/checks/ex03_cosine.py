"""Exercise 3: Equation 5, the gradient of the cosine, and the signs of its entries."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gambook.exercises.checks.answers import Answer
from gambook.exercises.checks.scoring import Function, Miss, Parts, check


@check
def ex03(cosine_gradient: Function, is_negative: Function, seed: int = 0) -> Parts:
    """Check Eq. 5 and the rule for the sign of its entries: both (h (B, D), g (B, D)) -> (B, D)."""
    generator = torch.Generator().manual_seed(1000 * seed + 3)
    cases = [_pairs(3, generator) for _ in range(2)]
    # so many that no wrong rule is right by chance, and none so close to 0 that rounding decides its sign
    h, g = _pairs(200, generator)
    clear = _gradient(h, g).abs().amin(dim=1) > 1e-4
    yield "cosine_gradient", 3, COSINE_GRADIENT.test(_without_autograd(cosine_gradient), cases)
    yield "is_negative", 2, NEGATIVE.test(_without_autograd(is_negative), [(h[clear], g[clear])])


def _pairs(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.rand(count, 6, generator=generator) + 0.05, 4 * torch.rand(count, 6, generator=generator)


def _without_autograd(function: Function) -> Function:
    """The reader's function, called where nothing is recorded for a gradient."""

    def formula(h: Tensor, g: Tensor) -> Any:
        try:
            with torch.inference_mode():
                return function(h.clone(), g.clone())
        except RuntimeError as error:
            if "does not require grad" in str(error):
                raise Miss("autograd is switched off here: derive the formula on paper, and write that down") from error
            raise

    return formula


def _length(v: Tensor) -> Tensor:
    return v.norm(dim=1, keepdim=True)


def _cosine(h: Tensor, g: Tensor) -> Tensor:
    return torch.cosine_similarity(h, g, dim=1)[:, None]


def _first(h: Tensor, g: Tensor) -> Tensor:
    """First term of Eq. 5."""
    return g / (_length(h) * _length(g))


def _gradient(h: Tensor, g: Tensor) -> Tensor:
    """Eq. 5."""
    return _first(h, g) - _cosine(h, g) * h / _length(h) ** 2


COSINE_GRADIENT = Answer(
    "the gradient (B, D)",
    right=_gradient,
    mistakes={
        "this is the gradient of the dot product; the cosine also divides by two lengths": lambda h, g: g,
        "the second term of Eq. 5 is missing: the length of h depends on h, too": _first,
        "check the sign between the two terms: a longer h makes the quotient smaller":
            lambda h, g: _first(h, g) + _cosine(h, g) * h / _length(h) ** 2,
        "the second term lacks a factor that is 1 only for equal directions":
            lambda h, g: _first(h, g) - h / _length(h) ** 2,
        "the second term is off by a length: compare the units of both terms when h doubles":
            lambda h, g: _first(h, g) - _cosine(h, g) * h / _length(h),
        "the second term divides by the wrong embedding's length":
            lambda h, g: _first(h, g) - _cosine(h, g) * h / _length(g) ** 2,
        "the second term holds the dot product where Eq. 5 has the cosine s":
            lambda h, g: _first(h, g) - (h * g).sum(1, keepdim=True) * h / _length(h) ** 2,
        "this is the gradient in g; asked for is the one in h": lambda h, g: _gradient(g, h),
        "the lengths are taken over the whole batch; each row is a pair of its own":
            lambda h, g: _gradient(h.reshape(1, -1), g.reshape(1, -1)).reshape(h.shape),
        "the first term of Eq. 5 is missing: the numerator depends on h, too":
            lambda h, g: _gradient(h, g) - _first(h, g),
        "the lengths in the first term are squared; each stands there once":
            lambda h, g: _gradient(h, g) - _first(h, g) + g / (_length(h) * _length(g)) ** 2,
        "the first term lacks the length of g": lambda h, g: _gradient(h, g) + _first(h, g) * (_length(g) - 1),
        "the lengths are sums of entries; asked for are Euclidean ones":
            lambda h, g: g / (h.sum(1) * g.sum(1))[:, None] - _cosine(h, g) * h / _length(h) ** 2,
        "the lengths are taken over dim 0, the batch; an embedding is a row": lambda h, g: _gradient(h.T, g.T).T,
        "negative entries are clipped; they are what this chapter is about": lambda h, g: _gradient(h, g).relu(),
    },
)  # fmt: skip
NEGATIVE = Answer(
    "the table of signs",
    right=lambda h, g: _gradient(h, g) < 0,
    mistakes={
        "this marks the positive entries; turn the comparison round": lambda h, g: _gradient(h, g) > 0,
        "this compares bare entries: neither length nor cosine comes in, yet Eq. 5 holds both": lambda h, g: g < h,
        "this compares directions but leaves s out; for s below 1 the bar is lower":
            lambda h, g: g / _length(g) < h / _length(h),
        "the two embeddings have different lengths; put both entries on one scale first":
            lambda h, g: g < _cosine(h, g) * h,
        "the roles of h and g are exchanged: the gradient is the one in h":
            lambda h, g: h / _length(h) < _cosine(h, g) * g / _length(g),
        "no entry is marked; that holds for the dot product, not for the cosine": lambda h, g: h < 0,
    },
)  # fmt: skip
