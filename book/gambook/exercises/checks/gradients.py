"""Check of exercise 1: the gradient of a score, by a hook and by autograd.grad."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gambook.exercises.checks.compare import Mistake, call, compare
from gambook.exercises.checks.record import Miss, Record, assess

GradientOf = Callable[[nn.Module, nn.Module, Tensor, int], Tensor]


def ex01(gradient_by_hook: GradientOf, gradient_by_autograd: GradientOf, seed: int = 0) -> Record:
    """Check two functions (network, layer, x, target) -> gradient of the logit in the layer's output."""
    cases = [_network(seed, number) for number in range(2)]

    def nothing_left() -> None:
        for function in (gradient_by_hook, gradient_by_autograd):
            network, layer, x, target = _network(seed, 0)
            call(function, network, layer, x, target)
            if any(
                part._forward_hooks or part._backward_hooks or part._forward_pre_hooks for part in network.modules()
            ):
                raise Miss(f"`{function.__name__}` leaves its hook on the layer; the next forward would call it again")
        if any(parameter.grad is not None for parameter in network.parameters()):
            raise Miss(
                "`gradient_by_autograd` leaves a .grad in the weights; which call of torch gives a gradient back "
                "instead of storing it?"
            )

    return assess(
        "ex01",
        seed,
        [
            ("gradient_by_hook", 2, lambda: compare(gradient_by_hook, cases, _gradient, GRADIENT_MISTAKES, GRADIENT)),
            (
                "gradient_by_autograd",
                2,
                lambda: compare(gradient_by_autograd, cases, _gradient, GRADIENT_MISTAKES, GRADIENT),
            ),
            ("nothing left behind", 1, nothing_left),
        ],
    )


def _network(seed: int, number: int) -> tuple[nn.Module, nn.Module, Tensor, int]:
    """Two convolutions, pooling and a linear layer; the layer is the last ReLU (0) or the first (1)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 * seed + 7)
        network = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 6, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 5),
        ).eval()
        x = torch.randn(2, 3, 8, 8)
        top = network(x).argmax(dim=1)
        # a class that is no row's first choice, so that top-1 is a mistake that shows
        target = next(c for c in range(5) if c not in top.tolist())
    return network, network[3 if number == 0 else 1], x, target


def _record(network: nn.Module, layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output of the layer, logits, and the input that both depend on."""
    kept: dict[str, Tensor] = {}
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.update(output=output))
    try:
        x = x.clone().requires_grad_()
        logits = network(x)
    finally:
        handle.remove()
    return kept["output"], logits, x


def _of(
    score: Callable[[Tensor, int], Tensor], after: Callable[[Tensor, Tensor], Tensor] = lambda g, a: g
) -> GradientOf:
    """Gradient of another score, or of the right one and something done to it `after`."""

    def answer(network: nn.Module, layer: nn.Module, x: Tensor, target: int) -> Tensor:
        output, logits, _ = _record(network, layer, x)
        return after(torch.autograd.grad(score(logits, target), output)[0], output)

    return answer


def _logit(logits: Tensor, target: int) -> Tensor:
    return logits[:, target].sum()


def _in_input(network: nn.Module, layer: nn.Module, x: Tensor, target: int) -> Tensor:
    _, logits, x = _record(network, layer, x)
    return torch.autograd.grad(_logit(logits, target), x)[0]


_gradient = _of(_logit)
GRADIENT = "the gradient"
GRADIENT_MISTAKES = (
    Mistake(
        _of(_logit, lambda g, a: a),
        "this is the activation itself; the gradient arrives only when the score is traced back",
    ),
    Mistake(
        _of(_logit, lambda g, a: g * (a > 0)),
        "this gradient was read before the layer's ReLU; a backward hook gets two, one for each side of its layer",
    ),
    Mistake(
        _of(lambda z, t: z.softmax(dim=1)[:, t].sum()),
        "this is the gradient of the probability; the score is the logit, before the softmax",
    ),
    Mistake(
        _of(lambda z, t: z.sum()),
        "this is the gradient of all logits added up; the score is the logit of `target` alone",
    ),
    Mistake(
        _of(lambda z, t: z[:, t].mean()),
        "too small by the number of images: each image has its own score, so a mean over the batch spoils the scale",
    ),
    Mistake(_of(lambda z, t: z[0, t]), "only the first image has a gradient; the batch has more"),
    Mistake(
        _of(lambda z, t: z.max(dim=1).values.sum()),
        "this explains the class that the network puts first; the one asked for is `target`",
    ),
    Mistake(_in_input, "this is the gradient in the pixels; asked for is the one in the output of `layer`"),
    Mistake(
        _of(_logit, lambda g, a: g.mean(dim=(2, 3))),
        "this gradient is already pooled; keep one value for each channel and pixel",
    ),
    Mistake(
        _of(_logit, lambda g, a: g.relu()),
        "negative gradients are gone; the exercise asks for the gradient as it is, methods clip it later",
    ),
)
