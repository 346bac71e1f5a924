"""Check of exercise 4: when Grad-CAM equals GAM."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gambook.exercises.checks.compare import Mistake, call, close, compare, tensor
from gambook.exercises.checks.record import Miss, Record, assess
from gamlib.maps import min_max


def ex04(
    grad_cam_map: Callable[[Tensor, Tensor], Tensor],
    equal_for_sure: Callable[[Tensor, Tensor], Tensor],
    counterexample: Callable[[], tuple[Tensor, Tensor]],
    seed: int = 0,
) -> Record:
    """Check Eq. 3, the condition under which it is GAM, and a case where it is not.

    grad_cam_map (a, g) -> (B, h, w); equal_for_sure (a, g) -> (B,) bool; counterexample () -> (a, g).
    """
    generator = torch.Generator().manual_seed(1000 * seed + 4)
    cases = [tuple(torch.randn(2, 2, 5, 4, 4, generator=generator)) for _ in range(2)]

    def equation() -> None:
        compare(grad_cam_map, cases, _grad_cam, GRAD_CAM_MISTAKES, "the map (B, h, w)")

    def condition() -> None:
        a, g, wanted, hints = _situations(generator)
        answer = tensor(call(equal_for_sure, a, g))
        if answer.shape != wanted.shape:
            raise Miss(f"expected one answer an image, shape {tuple(wanted.shape)}, got {tuple(answer.shape)}")
        answers = answer.bool().tolist()
        for one in range(len(answers)):
            if bool(tensor(call(equal_for_sure, a[[one]], g[[one]]))) != answers[one]:
                raise Miss("the answer for an image changes with the other images of its batch")
        for given, right, hint in zip(answers, wanted.tolist(), hints, strict=True):
            if given != right:
                raise Miss(hint)

    return assess(
        "ex04",
        seed,
        [
            ("grad_cam_map", 2, equation),
            ("equal_for_sure", 2, condition),
            ("counterexample", 2, lambda: _check_counterexample(counterexample)),
        ],
    )


def _grad_cam(a: Tensor, g: Tensor) -> Tensor:
    return _weighted(a, g).relu()


def _weighted(a: Tensor, g: Tensor) -> Tensor:
    return (g.mean(dim=(2, 3), keepdim=True) * a).sum(dim=1)


def _gam(a: Tensor, g: Tensor) -> Tensor:
    return (a.relu() * g.relu()).sum(dim=1)


GRAD_CAM_MISTAKES = (
    Mistake(_weighted, "your map is not clipped at zero: see Eq. 3"),
    Mistake(
        lambda a, g: (g.sum(dim=(2, 3), keepdim=True) * a).sum(dim=1).relu(),
        "too large by the number of pixels: the weight of a channel is the mean of its gradient, not the sum",
    ),
    Mistake(
        lambda a, g: (g.relu().mean(dim=(2, 3), keepdim=True) * a).sum(dim=1).relu(),
        "negative gradients are clipped before they are pooled; Eq. 3 pools them as they are",
    ),
    Mistake(
        lambda a, g: (g.mean(dim=(2, 3), keepdim=True).relu() * a).sum(dim=1).relu(),
        "negative weights are clipped; in Eq. 3 they are subtracted, and that is the point of Eq. 4",
    ),
    Mistake(
        lambda a, g: (g.mean(dim=(2, 3), keepdim=True).abs() * a).sum(dim=1).relu(), "the weights have lost their signs"
    ),
    Mistake(_gam, "this is GAM: Grad-CAM pools the gradient before it multiplies"),
    Mistake(
        lambda a, g: (g * a).sum(dim=1).relu(),
        "each pixel has a weight of its own here; Grad-CAM has one weight a channel",
    ),
    Mistake(
        lambda a, g: (g.mean(dim=(2, 3), keepdim=True) * a).relu().sum(dim=1),
        "the ReLU stands before the sum over channels; in Eq. 3 it comes after, so that channels can cancel",
    ),
    Mistake(
        lambda a, g: (g.mean(dim=(2, 3), keepdim=True) * a).mean(dim=1).relu(),
        "this is the mean over the channels; Eq. 3 sums them",
    ),
    Mistake(lambda a, g: min_max(_grad_cam(a, g)), "the map is already stretched to [0, 1]; asked for is the raw map"),
)


def _situations(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, list[str]]:
    """One image for each thing that can be forgotten.

    Gradients are multiples of 1/64 on 16 pixels, so that their means are exact, however one looks for constant ones.
    """
    a = torch.rand(8, 4, 4, 4, generator=generator) + 0.1
    g = (torch.randint(8, 64, (8, 1, 1, 1), generator=generator) / 64).repeat(1, 4, 4, 4)
    hints = ["a positive A with a constant, positive gradient in each channel is refused"]
    g[1, 2] *= -1
    hints.append("you let a channel with a negative gradient pass: Grad-CAM subtracts it, GAM leaves it out")
    g[2, 1, 0, 0] += 0.5
    hints.append("you let a gradient pass that varies over the pixels of a channel: pooling changes it")
    a[3, 0] *= -1
    hints.append("you let negative activations pass: GAM clips them, Grad-CAM does not")
    g[4] = 0
    hints.append("a channel whose gradient is 0 does no harm: 0 is not negative")
    g[5] = g[5] * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]
    hints.append("channels may differ from each other; the gradient has to be constant within each of them")
    a[6, 3], g[6, 3] = 0, -1
    hints.append("two maps are equal by luck, though a condition is broken: look at A and G, not at the maps")
    a[7, 0, 1:] = 0
    hints.append("an activation of 0 does no harm: behind a ReLU there are many")
    return a, g, torch.tensor([True, False, False, False, True, True, False, True]), hints


def _check_counterexample(counterexample: Callable[[], tuple[Tensor, Tensor]]) -> None:
    answer = call(counterexample)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Miss("return two tensors: A and G, each (1, C, h, w)")
    a, g = (tensor(value).double() for value in answer)
    if not (a.isfinite().all() and g.isfinite().all()):
        raise Miss("A and G want finite numbers")
    if a.ndim != 4 or a.shape != g.shape or len(a) != 1:
        raise Miss(f"A and G want the same shape (1, C, h, w); got {tuple(a.shape)} and {tuple(g.shape)}")
    if (a < 0).any():
        raise Miss("A has negative entries; behind a ReLU there are none")
    if (g < 0).any():
        raise Miss("G has negative entries; find a difference that does not need them")
    one, other = _gam(a, g), _grad_cam(a, g)
    if close(one, other):
        raise Miss("both maps are equal here; is your gradient the same at all pixels of a channel?")
    if close(min_max(one), min_max(other)):
        raise Miss("the maps differ only in scale or offset, which NRM removes; after it they are equal")
