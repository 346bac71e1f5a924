"""Exercise 7: a sanity check that tells an honest method from fakes."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from gambook.exercises.checks.answers import call, tensor
from gambook.exercises.checks.scoring import Function, Miss, Parts, check, seeded
from gamlib.maps import min_max, resize
from gamlib.methods import METHODS
from gamlib.models import Model, Preprocess
from gamlib.traces import trace_class


@check
def ex07(passes: Function, seed: int = 0) -> Parts:
    """Check passes(method, model, x, names, seed) -> bool on an honest method and on three fake ones."""
    coin = torch.Generator().manual_seed(1000 * seed + 10)

    def judge(method: Function) -> tuple[bool, bool]:
        """Whether the method passes, and whether the weights are the old ones afterwards."""
        model, x = _network(seed)
        before = {name: value.clone() for name, value in model.module.state_dict().items()}
        answer = tensor(call(passes, method, model, x, ["0", "2", "6"], seed))
        if answer.numel() != 1:
            raise Miss(f"expected one True or False for the method, got shape {tuple(answer.shape)}")
        return bool(answer), all(map(torch.equal, before.values(), model.module.state_dict().values()))

    def accepts_gam() -> None:
        if not judge(_honest)[0]:
            raise Miss("GAM fails your check, though its maps do change: compare maps before and inside `redrawn`")

    def refuses(method: Function, hint: str) -> None:
        # either comes first, so that counting the calls tells nothing
        order = [_honest, method] if torch.rand(1, generator=coin) < 0.5 else [method, _honest]
        passed = {one: judge(one)[0] for one in order}
        # a check that refuses everything has not seen through anything
        if not passed[_honest]:
            raise Miss("counts once GAM passes")
        if passed[method]:
            raise Miss(hint)

    def restores() -> None:
        if not judge(_honest)[1]:
            raise Miss("the network has other weights after your check; they come back only where `with` ends")

    yield "GAM passes", 1, accepts_gam
    for name, points, method, hint in (
        ("edges of the image fail", 1, _edges,
         "an edge filter that never looks at the network passes; are you comparing maps of one and the same image?"),
        ("edges with a trace of GAM fail", 2, _edges_and_a_trace,
         "a map that changes by a hundredth passes: ask how alike the maps are, not whether they are equal"),
        ("noise fails", 2, _noise(seed),
         "noise passes, since no two of its maps are alike; call the method twice with the trained weights, too"),
    ):  # fmt: skip
        yield name, points, functools.partial(refuses, method, hint)
    yield "weights come back", 1, restores


def _network(seed: int) -> tuple[Model, Tensor]:
    """Random weights stand for the trained ones: eight smooth images of 32 x 32, maps of 16 x 16."""
    with seeded(1000 * seed + 8):
        trunk = [nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.ReLU()]
        net = nn.Sequential(*trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10))
        x = 2 * resize(torch.rand(24, 8, 8), (32, 32)).unflatten(0, (8, 3)) - 1
    return Model(net, ["3"], net[:6], net[6], Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)), x


def _honest(model: Model, x: Tensor) -> Tensor:
    return METHODS["gam"](trace_class(model, x, target=3, layers=1), n=1)


def _edges(model: Model, x: Tensor) -> Tensor:
    """How fast the grey image changes: (B, H, W) in [0, 1]. The network takes no part."""
    down, across = torch.gradient(model.pixels(x).mean(dim=1), dim=(1, 2))
    return min_max((down**2 + across**2).sqrt())


def _edges_and_a_trace(model: Model, x: Tensor) -> Tensor:
    return 0.99 * _edges(model, x) + 0.01 * _honest(model, x)


def _noise(seed: int) -> Function:
    """Another random map at every call: it changes with the weights, and without."""
    generator = torch.Generator().manual_seed(1000 * seed + 9)
    return lambda model, x: torch.rand(len(x), *x.shape[-2:], generator=generator)
