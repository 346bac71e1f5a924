"""Exercise 4: when Grad-CAM equals GAM."""

from __future__ import annotations

import torch
from torch import Tensor

from gambook.exercises.checks.answers import Answer, call, close, tensor
from gambook.exercises.checks.scoring import Function, Miss, Parts, check
from gamlib.maps import min_max


@check
def ex04(grad_cam_map: Function, equal_for_sure: Function, counterexample: Function, seed: int = 0) -> Parts:
    """Check Eq. 3, the condition under which it is GAM, and a case where it is not.

    grad_cam_map (a, g) -> (B, h, w); equal_for_sure (a, g) -> (B,) bool; counterexample () -> (a, g).
    """
    generator = torch.Generator().manual_seed(1000 * seed + 4)
    cases = [tuple(torch.randn(2, 2, 5, 4, 4, generator=generator)) for _ in range(2)]
    yield "grad_cam_map", 2, GRAD_CAM.test(grad_cam_map, cases)

    def condition() -> None:
        a, g, wanted, hints = _situations(generator)
        # in another order with each seed, so that a list of answers is worth nothing
        order = torch.randperm(len(wanted), generator=generator)
        a, g = a[order], g[order]
        answer = tensor(call(equal_for_sure, a, g))
        if answer.shape != (len(wanted),):
            raise Miss(f"expected one answer an image, shape {(len(wanted),)}, got {tuple(answer.shape)}")
        answers = answer.bool().tolist()
        for one in range(len(answers)):
            if bool(tensor(call(equal_for_sure, a[[one]], g[[one]]))) != answers[one]:
                raise Miss("the answer for an image changes with the other images of its batch")
        if all(answers):
            raise Miss("you let every image pass; begin with the counterexample: what do A and G have there?")
        for given, right, hint in zip(answer.bool()[order.argsort()].tolist(), wanted, hints, strict=True):
            if given != right:
                raise Miss(hint)

    yield "equal_for_sure", 2, condition
    yield "counterexample", 2, lambda: _differ(call(counterexample))


def _situations(generator: torch.Generator) -> tuple[Tensor, Tensor, list[bool], list[str]]:
    """Images (A, G), whether they fulfil the conditions, and a hint: one image for each thing that can be forgotten.

    Gradients are multiples of 1/64 on 16 pixels: their means are exact. Where one varies its mean and its corners are
    as before, since one may look at rows, columns or corners only. No hint tells the condition.
    """
    a = torch.rand(10, 4, 4, 4, generator=generator) + 0.1
    g = (torch.randint(8, 64, (10, 1, 1, 1), generator=generator) / 64).repeat(1, 4, 4, 4)
    change = 1 / 16
    varies = "an image passes whose maps differ: what does pooling make of the gradient of its second channel?"
    hints = ["an image is refused whose maps are equal: A is positive, and G the same positive number everywhere"]
    g[1, 2] *= -1
    hints.append("an image passes whose maps differ: which of its channels does GAM leave out, and Grad-CAM not?")
    g[2, 1, 1] += change
    g[2, 1, 2] -= change
    hints.append(varies)
    a[3, 0] *= -1
    hints.append("an image passes whose maps differ: compare what a ReLU on A does in Eq. 1 with where Eq. 3 has one")
    g[4] = 0
    hints.append("an image is refused whose maps are equal: both are 0, since G is 0")
    g[5] *= torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]
    hints.append("an image is refused whose maps are equal: its channels differ from each other, is that a reason?")
    a[6, 3], g[6, 3] = 0, -1
    hints.append("two maps are equal by luck, though a condition is broken: look at A and G, not at the maps")
    a[7, 0, 1:] = 0
    hints.append("an image is refused whose maps are equal: A is 0 at some pixels, as behind a ReLU")
    g[8, 1, :, 1] += change
    g[8, 1, :, 2] -= change
    hints.append(varies)
    g[9, 1, 1, 2] += change
    g[9, 1, 2, 1] -= change
    hints.append(varies)
    return a, g, [True, False, False, False, True, True, False, True, False, False], hints


def _differ(answer: object) -> None:
    """Test of the counterexample."""
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


def _gam(a: Tensor, g: Tensor) -> Tensor:
    return (a.relu() * g.relu()).sum(dim=1)


def _grad_cam(a: Tensor, g: Tensor) -> Tensor:
    return (_mean(g) * a).sum(dim=1).relu()


def _mean(g: Tensor) -> Tensor:
    return g.mean(dim=(2, 3), keepdim=True)


GRAD_CAM = Answer(
    "the map (B, h, w)",
    right=_grad_cam,
    mistakes={
        "your map is not clipped at zero: see Eq. 3": lambda a, g: (_mean(g) * a).sum(dim=1),
        "too large by the number of pixels: the weight of a channel is the mean of its gradient, not the sum":
            lambda a, g: g[0, 0].numel() * _grad_cam(a, g),
        "negative gradients are clipped before they are pooled; Eq. 3 pools them as they are":
            lambda a, g: (_mean(g.relu()) * a).sum(dim=1).relu(),
        "negative weights are clipped; in Eq. 3 they are subtracted, and that is the point of Eq. 4":
            lambda a, g: (_mean(g).relu() * a).sum(dim=1).relu(),
        "the weights have lost their signs": lambda a, g: (_mean(g).abs() * a).sum(dim=1).relu(),
        "this is GAM: Grad-CAM pools the gradient before it multiplies": _gam,
        "each pixel has a weight of its own here; Grad-CAM has one weight a channel":
            lambda a, g: (g * a).sum(dim=1).relu(),
        "the ReLU stands before the sum over channels; in Eq. 3 it comes after, so that channels can cancel":
            lambda a, g: (_mean(g) * a).relu().sum(dim=1),
        "the activations are clipped; Eq. 3 takes them as they are":
            lambda a, g: (_mean(g) * a.relu()).sum(dim=1).relu(),
        "the sum is made positive by its absolute value; Eq. 3 cuts it at 0":
            lambda a, g: (_mean(g) * a).sum(dim=1).abs(),
        "the weights are means over the batch, too; each image has its own":
            lambda a, g: (_mean(g).mean(dim=0) * a).sum(dim=1).relu(),
        "this is the mean over the channels; Eq. 3 sums them": lambda a, g: (_mean(g) * a).mean(dim=1).relu(),
        "the map is already stretched to [0, 1]; asked for is the raw map": lambda a, g: min_max(_grad_cam(a, g)),
    },
)  # fmt: skip
