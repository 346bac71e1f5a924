"""Networks by name."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path

import torch

from gamlib.models.model import Model
from gamlib.models.preprocess import Preprocess
from gamlib.names import check_name

__all__ = ["MODELS", "Model", "Preprocess", "load_model"]

# name -> builder, a function of a module of this package: nothing is imported before it is asked for
MODELS = {
    **dict.fromkeys(("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"), "imagenet:efficientnet_lite"),
    **dict.fromkeys(("squeezenet1_1", "squeezenet1_1_fire8"), "imagenet:squeezenet"),
    "densenet201": "imagenet:densenet",
    **dict.fromkeys(("resnet50", "resnet101"), "imagenet:resnet"),
    "lenet5": "lenet:lenet5",
    "chexnet": "multilabel:chexnet",
    **dict.fromkeys(("tresnet_l_coco", "tresnet_xl_voc"), "multilabel:tresnet"),
}


def load_model(name: str, weights: str | Path | None = "default", device: str = "cpu") -> Model:
    """A network by name, in evaluation mode.

    Parameters
    ----------
    name : str
        One of MODELS, or "package.module:factory", a function of your own that returns a gamlib.Model (called with no
        argument, or with weights= where weights is not "default").
    weights : str, Path or None
        "default" (the published ones; efficientnet_lite*, squeezenet* need no network), None (random) or a file's path.
    device : str
        Where the network goes, e.g. "cpu", "cuda".

    Raises
    ------
    TypeError, ValueError
        For an unknown name or device, or a checkpoint that does not fit or is not finite (names the first tensor).
    FileNotFoundError, ConnectionError
        For a checkpoint that is not there; where default weights cannot be fetched.

    Examples
    --------
    >>> load_model("efficientnet_lite0").layers[0]
    'bn2'
    """
    if not isinstance(name, str) or not isinstance(weights, str | Path | None):
        raise TypeError(f'model, weights: got {name!r} and {weights!r}; give a name, and a path, "default" or None')
    check_device(device)
    if ":" in name:
        factory = _factory(name)
        takes = inspect.signature(factory).parameters
        if weights != "default" and "weights" not in takes and not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
            raise ValueError(
                f"weights: '{name}' takes no weights= and has its own; leave weights out, or let the function take it"
            )
        model = factory() if weights == "default" else factory(weights=weights)
        if not isinstance(model, Model):
            raise TypeError(f"model: '{name}' returned a {type(model).__name__}, expected a gamlib.Model")
    else:
        check_name("model", name, MODELS, ', or "package.module:factory" for your own network')
        model = pkgutil.resolve_name(f"gamlib.models.{MODELS[name]}")(name, weights)
    for part in model.parts:
        part.to(device).eval()
    # Channels last in memory: the same sums in another order, a fifth to a half faster on a CPU. Not for a network of
    # the user's, which may reshape its tensors by `view`.
    if name in MODELS:
        model.module.to(memory_format=torch.channels_last)
    return model


def check_device(device: str) -> None:
    """ValueError for what is no device, or one that this machine does not offer to PyTorch."""
    kind, _, number = str(device).partition(":")
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", str(device)):
        raise ValueError(f"device: unknown {device!r}; accepted: cpu, cuda, cuda:1, mps")
    count = {"cpu": 1, "mps": int(torch.backends.mps.is_available()), "cuda": torch.cuda.device_count()}[kind]
    if int(number or 0) >= count:
        raise ValueError(f"device: this machine offers PyTorch no '{device}'; give cpu")


def _factory(name: str) -> Callable[..., Model]:
    try:
        factory = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        in_cell = name.startswith("__main__:")
        where = "is its cell run, in this process?" if in_cell else "is its folder on PYTHONPATH?"
        raise ValueError(f"model: '{name}' cannot be imported ({error}); {where}") from error
    if not callable(factory):
        raise TypeError(f"model: '{name}' is a {type(factory).__name__}; give a function that returns a gamlib.Model")
    return factory
