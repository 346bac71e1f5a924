"""Weights from files and from the network, with errors that name the tensor that does not fit."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

State = Mapping[str, Tensor]


def fill(
    net: nn.Module, weights: str | Path | None, published: Callable[[], State], rename: Callable[[State], State] = dict
) -> None:
    """Copy weights into a network: the published ones ("default"), a checkpoint's, or none where it stays random."""
    if weights is not None:
        load_state(net, rename(published() if weights == "default" else read_checkpoint(weights)), weights)


def read_file(path: str | Path) -> Any:
    """What a checkpoint file holds, read on the CPU.

    Only tensors and plain containers are read (`weights_only=True`): a checkpoint cannot run code.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"weights: no file '{path}'; give \"default\", None (random) or a checkpoint's path")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    # the file's own trouble, such as a missing permission, says what it is
    except OSError:
        raise
    # torch has an error of another kind for each way in which a file can be wrong, some with a page of advice
    except Exception as error:
        fault = f"it is damaged, or torch.save did not write it ({type(error).__name__})"
        held = re.search(r"GLOBAL (\S+)", str(error))
        if held and isinstance(error, pickle.UnpicklingError):
            fault = f"it holds a {held[1]}; save it again with torch.save(network.state_dict(), path)"
        raise ValueError(f"weights: '{path}' is not a checkpoint that holds only tensors: {fault}") from None


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The named tensors of a checkpoint file; a nested "state_dict" or "model" is unwrapped."""
    return named_tensors(read_file(path), path)


def unpickler(known: Mapping[str, Any]) -> type[pickle.Unpickler]:
    """An unpickler that builds what is known by its dotted name; any other name is an error before it is imported."""

    class Known(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if f"{module}.{name}" not in known:
                raise pickle.UnpicklingError(f"'{module}.{name}' has no place in a file of weights")
            return known[f"{module}.{name}"]

    return Known


def named_tensors(content: Any, source: object) -> dict[str, Tensor]:
    """The named tensors in what a checkpoint file holds; ValueError naming what is no tensor."""
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        kind = type(content).__name__
        raise ValueError(f"weights: '{source}' holds a {kind}, expected a dictionary of named tensors")
    for key, value in content.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"weights: '{source}' holds a {type(value).__name__} under '{key}', expected tensors only; they may "
                'be nested under "state_dict" or "model"'
            )
    return dict(content)


def load_state(net: nn.Module, state: State, source: object) -> None:
    """Copy `state` into `net`; ValueError naming the first tensor that does not fit or is not finite."""
    state = {key.removeprefix("module."): value for key, value in state.items()}
    try:
        # torch makes up for the batch counters that older checkpoints lack
        missing, unknown = net.load_state_dict(state, strict=False)
    except RuntimeError as error:
        # a headline, then one line for each tensor that has another shape or no values
        raise ValueError(f"weights: '{source}' does not fit: {str(error).splitlines()[1].strip()}") from None
    if missing:
        raise ValueError(f"weights: '{source}' does not fit: tensor '{missing[0]}' is missing")
    if unknown:
        raise ValueError(f"weights: '{source}' does not fit: the network has no tensor '{unknown[0]}'")
    for key, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            if not state[key].is_floating_point():
                raise ValueError(f"weights: '{source}': tensor '{key}' is {state[key].dtype}, expected floating point")
            if not bool(tensor.isfinite().all()):
                raise ValueError(f"weights: '{source}': tensor '{key}' holds values that are not finite; train it anew")
            if key.endswith("running_var") and bool((tensor < 0).any()):
                raise ValueError(f"weights: '{source}': tensor '{key}' holds a variance below 0; train it anew")
    if not any(bool(tensor.any()) for tensor in state.values() if tensor.ndim > 1):
        raise ValueError(f"weights: '{source}' holds zeros alone, with which every map is empty; was it ever trained?")


def fetched(url: str, fetch: Callable[[], Any]) -> Any:
    """What `fetch` returns of a URL; ConnectionError where it cannot be had."""
    try:
        return fetch()
    # of the network, from urllib and requests, and of the folder that it is kept in; torch's of another hash
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "hash" not in str(error):
            kept = torch.hub.get_dir()
            raise ValueError(f"weights: the file of {url} below '{kept}' is damaged ({error}); delete it") from error
        raise ConnectionError(
            f"weights: the default weights could not be fetched from {url} ({error}); connect to the network once, "
            "or give weights=None (random) or a checkpoint's path"
        ) from error
