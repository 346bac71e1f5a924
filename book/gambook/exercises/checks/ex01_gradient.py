"""Exercise 1: the gradient of a score, by a hook and by autograd.grad."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gambook.exercises.checks.answers import Answer, call
from gambook.exercises.checks.scoring import Function, Miss, Parts, check, seeded


@check
def ex01(gradient_by_hook: Function, gradient_by_autograd: Function, seed: int = 0) -> Parts:
    """Check two functions (network, layer, x, target) -> gradient of the logit in the layer's output."""
    network, x, target = _network(seed)
    # the last ReLU, and the first
    cases = [(network, network[3], x, target), (network, network[1], x, target)]

    def nothing_left() -> None:
        for name, function in (("hook", gradient_by_hook), ("autograd", gradient_by_autograd)):
            network, x, target = _network(seed)
            call(function, network, network[3], x, target)
            if any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in network.modules()):
                raise Miss(f"`gradient_by_{name}` leaves its hook on the layer; the next forward would call it again")
        if any(parameter.grad is not None for parameter in network.parameters()):
            raise Miss("`gradient_by_autograd` leaves a .grad in the weights; which call returns it instead?")

    yield "gradient_by_hook", 2, LAYER_GRADIENT.test(gradient_by_hook, cases)
    yield "gradient_by_autograd", 2, LAYER_GRADIENT.test(gradient_by_autograd, cases)
    yield "nothing left behind", 1, nothing_left


def _network(seed: int) -> tuple[nn.Sequential, Tensor, int]:
    """Two convolutions, pooling and a linear layer; two images; a class that is the first choice for neither."""
    with seeded(1000 * seed + 7):
        trunk = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.ReLU()]
        network = nn.Sequential(*trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)).eval()
        x = torch.randn(2, 3, 8, 8)
        top = network(x).argmax(dim=1).tolist()
    return network, x, next(c for c in range(5) if c not in top)


def _gradient(
    score: Callable[[Tensor, int], Tensor] = lambda z, t: z[:, t].sum(),
    after: Callable[[Tensor, Tensor], Tensor] = lambda g, a: g,
    of_pixels: bool = False,
) -> Function:
    """Gradient of a score, in the layer or in the pixels, and what is done to it (and the activation) `after`."""

    def answer(network: nn.Module, layer: nn.Module, x: Tensor, target: int) -> Tensor:
        kept: dict[str, Tensor] = {}
        handle = layer.register_forward_hook(lambda module, inputs, output: kept.update(output=output))
        try:
            x = x.clone().requires_grad_()
            logits = network(x)
        finally:
            handle.remove()
        inside = x if of_pixels else kept["output"]
        return after(torch.autograd.grad(score(logits, target), inside)[0], inside)

    return answer


LAYER_GRADIENT = Answer(
    "the gradient",
    right=_gradient(),
    mistakes={
        "this is the activation itself; the gradient arrives only when the score is traced back":
            _gradient(after=lambda g, a: a),
        "this gradient was read before the layer's ReLU; a backward hook gets two, one for each side of its layer":
            _gradient(after=lambda g, a: g * (a > 0)),
        "this is the gradient of the probability; the score is the logit, before the softmax":
            _gradient(lambda z, t: z.softmax(dim=1)[:, t].sum()),
        "this is the gradient of all logits added up; the score is the logit of `target` alone":
            _gradient(lambda z, t: z.sum()),
        "too small by the number of images: each image has its own score, so a mean over the batch spoils the scale":
            _gradient(lambda z, t: z[:, t].mean()),
        "only the first image has a gradient; the batch has more": _gradient(lambda z, t: z[0, t]),
        "this explains the class that the network puts first; the one asked for is `target`":
            _gradient(lambda z, t: z.max(dim=1).values.sum()),
        "this is the gradient in the pixels; asked for is the one in the output of `layer`": _gradient(of_pixels=True),
        "this gradient is already pooled; keep one value for each channel and pixel":
            _gradient(after=lambda g, a: g.mean(dim=(2, 3))),
        "negative gradients are gone; the exercise asks for the gradient as it is, methods clip it later":
            _gradient(after=lambda g, a: g.relu()),
    },
)  # fmt: skip
