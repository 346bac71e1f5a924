"""Check of exercise 7: a sanity check that tells honest methods from fake ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gambook.exercises.checks.compare import call, tensor
from gambook.exercises.checks.record import Miss, Record, assess
from gamlib.maps import min_max, resize
from gamlib.methods import gam
from gamlib.models import Model, Preprocess
from gamlib.traces import trace_class

Method = Callable[[Model, Tensor], Tensor]


def ex07(passes: Callable[..., bool], seed: int = 0) -> Record:
    """Check passes(method, model, x, names, seed) -> bool on an honest method and on three fake ones."""

    def judge(method: Method) -> bool:
        model, x = _network(seed)
        names = [name for name, part in model.module.named_children() if list(part.parameters())]
        answer = tensor(call(passes, method, model, x, names, seed))
        if answer.numel() != 1:
            raise Miss(f"expected one True or False for the method, got shape {tuple(answer.shape)}")
        return bool(answer)

    def honest() -> None:
        if not judge(_honest):
            raise Miss(
                "GAM fails your check, though its maps do change with the weights: compare maps before "
                "and inside `redrawn`"
            )

    def refuses(method: Method, hint: str) -> Callable[[], None]:
        def test() -> None:
            # a check that refuses everything has not seen through anything
            if not judge(_honest):
                raise Miss("counts once GAM passes")
            if judge(method):
                raise Miss(hint)

        return test

    def restores() -> None:
        model, x = _network(seed)
        names = [name for name, part in model.module.named_children() if list(part.parameters())]
        before = {key: value.clone() for key, value in model.module.state_dict().items()}
        call(passes, _honest, model, x, names, seed)
        if any(not torch.equal(before[key], value) for key, value in model.module.state_dict().items()):
            raise Miss(
                "the network has other weights after your check; they are given back only where the `with` block ends"
            )

    return assess(
        "ex07",
        seed,
        [
            ("GAM passes", 1, honest),
            (
                "edges of the image fail",
                1,
                refuses(
                    edges,
                    "an edge filter that never looks at the network passes; are you comparing maps of one "
                    "and the same image?",
                ),
            ),
            (
                "edges with a trace of GAM fail",
                2,
                refuses(
                    leaning,
                    "a map that changes by a hundredth passes: ask how alike the maps are, not whether they are equal",
                ),
            ),
            (
                "noise fails",
                2,
                refuses(
                    Noise(seed),
                    "noise passes, since no two of its maps are alike; call the method twice with the "
                    "trained weights, too",
                ),
            ),
            ("weights come back", 1, restores),
        ],
    )


def _network(seed: int) -> tuple[Model, Tensor]:
    """Random weights stand for the trained ones: eight smooth images of 32 x 32, maps of 16 x 16."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 * seed + 8)
        net = nn.Sequential()
        net.add_module("conv1", nn.Conv2d(3, 16, 5, padding=2))
        net.add_module("relu1", nn.ReLU())
        net.add_module("conv2", nn.Conv2d(16, 24, 3, stride=2, padding=1))
        net.add_module("relu2", nn.ReLU())
        net.add_module("pool", nn.AdaptiveAvgPool2d(1))
        net.add_module("flat", nn.Flatten())
        net.add_module("head", nn.Linear(24, 10))
        x = 2 * resize(torch.rand(24, 8, 8), (32, 32)).unflatten(0, (8, 3)) - 1
    model = Model(net, ["relu2"], net[:6], net[6], Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3))
    return model, x


def _honest(model: Model, x: Tensor) -> Tensor:
    return gam(trace_class(model, x, target=3, layers=1), n=1)


def edges(model: Model, x: Tensor) -> Tensor:
    """How fast the grey image changes: (B, H, W) in [0, 1]. The network takes no part."""
    grey = model.pixels(x).mean(dim=1)
    down, across = torch.gradient(grey, dim=(1, 2))
    return min_max((down**2 + across**2).sqrt())


def leaning(model: Model, x: Tensor) -> Tensor:
    """Edges with one hundredth of GAM."""
    return 0.99 * edges(model, x) + 0.01 * _honest(model, x)


class Noise:
    """Another random map at every call: it changes with the weights, and without."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(1000 * seed + 9)

    def __call__(self, model: Model, x: Tensor) -> Tensor:
        return torch.rand(len(x), *x.shape[-2:], generator=self.generator)
