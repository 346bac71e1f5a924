"""Which layers are read, and what a forward and a backward leave there."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gamlib.layouts import check_activation
from gamlib.models.checks import check_layers, listed
from gamlib.models.model import Model, evaluation


def layer_names(model: Model, layers: int | Sequence[str] | None) -> tuple[str, ...]:
    """Names of the layers to trace, last first; TypeError or ValueError naming what is accepted."""
    by_name = isinstance(layers, str | Sequence)
    names = listed(layers) if by_name else model.layers
    if not names:
        raise ValueError("layers: give at least one name in module.named_modules()")
    if by_name:
        check_layers(model.module, names)
        return names
    try:
        depth = min(2, len(names)) if layers is None else operator.index(layers)
    except TypeError:
        kind = type(layers).__name__
        raise TypeError(f"layers: got a {kind}; give how many, such as 2, or a list of names, last first") from None
    if not 1 <= depth <= len(names):
        raise ValueError(f"layers: {depth} is out of range; {model.name} offers 1 to {len(names)}")
    return names[:depth]


@contextlib.contextmanager
def frozen(*parts: nn.Module) -> Generator[None]:
    """The network in evaluation mode, with no parameter that wants a gradient; as before at the end."""
    with evaluation(*parts):
        trained = [parameter for part in parts for parameter in part.parameters() if parameter.requires_grad]
        for parameter in trained:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)


@contextlib.contextmanager
def captured(model: Model, names: Sequence[str], listed: Sequence[str], x: Tensor) -> Generator[dict[str, Tensor]]:
    """Hold the outputs of the named submodules; the first to come becomes the leaf where the graph begins.

    At the end: ValueError for a name that was not called or whose output was changed, and where the `listed` ones are
    not listed last first.
    """
    outputs: dict[str, Tensor] = {}
    versions: dict[str, int] = {}
    calls: dict[str, int] = {}

    def keep(name: str, output: Any) -> Tensor | None:
        calls[name] = len(calls)
        if name not in names:
            return None
        if name in outputs:
            raise ValueError(f"layers: '{name}' is called more than once in a forward; name a layer called once")
        if not torch.is_grad_enabled():
            raise ValueError(
                f"features: '{name}' runs under torch.no_grad or torch.inference_mode; let features run without"
            )
        check_activation(name, output, model.layout_of(name), x, parts[name])
        outputs[name] = output if output.requires_grad else output.detach().requires_grad_()
        versions[name] = outputs[name]._version
        # A copy goes on: an operation in place after this layer must not overwrite what is held.
        return outputs[name].clone()

    parts = dict(model.module.named_modules())
    with contextlib.ExitStack() as hooks:
        for name in dict.fromkeys((*names, *listed)):
            hook = parts[name].register_forward_hook(lambda _m, _i, output, name=name: keep(name, output))
            hooks.callback(hook.remove)
        yield outputs
    for name in names:
        if name not in outputs:
            raise ValueError(f"layers: '{name}' took no part in the forward; name another layer")
        # what hands on its own input, as dropout does, holds what the network may go on to use elsewhere
        if outputs[name]._version != versions[name]:
            raise ValueError(f"layers: the output of '{name}' is changed in place later; name the layer before it")
    given = [name for name in listed if name in calls]
    ordered = sorted(given, key=calls.__getitem__, reverse=True)
    if given != ordered:
        raise ValueError(f"layers: expected last first, {ordered}, got {given}; n = 1 is the network's last")


def gradients(total: Tensor, held: dict[str, Tensor], retain_graph: bool) -> list[Tensor]:
    """The gradient of a score at each layer; ValueError naming the first layer that none comes to."""
    found: list[Any] = [None] * len(held)
    if total.requires_grad:
        found[:] = torch.autograd.grad(total, list(held.values()), retain_graph=retain_graph, allow_unused=True)
    for name, gradient in zip(held, found, strict=True):
        if gradient is None:
            raise ValueError(
                f"layers: no gradient of the score comes to '{name}'. Either it lies beside the way to the score, as "
                "an auxiliary head does: name another layer; or features, head or score cut the graph (detach, data, "
                "numpy, torch.no_grad): let them run without"
            )
    return found
