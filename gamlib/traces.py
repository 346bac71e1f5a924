"""Traces: the activations and gradients that every saliency map is made of, from one forward."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gamlib.models.model import Model, evaluation
from gamlib.scores import SIMILARITIES, ClassScore, Score


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a trace.

    Attributes
    ----------
    name : str
        Of the submodule.
    activation, gradient : Tensor
        A_l and G_l = ds/dA_l, both (B, C, h, w).
    """

    name: str
    activation: Tensor
    gradient: Tensor


@dataclass(frozen=True, eq=False)
class Trace:
    """What one score left behind in a batch of B images.

    Attributes
    ----------
    score : Tensor
        (B,), each image's score.
    layers : tuple of Layer
        Last first; layers[0] is the paper's L.
    size : (int, int)
        (H, W) of the input in pixels.
    target : Tensor or None
        (B,) class indices for a class score, else None.
    embedding : Tensor or None
        (B, D), h(x); None for a trace that was put together by hand.
    logits : Tensor or None
        (B, K) for a class score, else None.
    """

    score: Tensor
    layers: tuple[Layer, ...]
    size: tuple[int, int]
    target: Tensor | None = None
    embedding: Tensor | None = None
    logits: Tensor | None = None

    def to(self, dtype: torch.dtype) -> Trace:
        """The same trace in another floating-point precision; class indices stay integers."""
        return replace(self._each(lambda tensor: tensor.to(dtype)), target=self.target)

    def __getitem__(self, rows: slice) -> Trace:
        """The trace of some of its images, e.g. trace[:4]."""
        return self._each(lambda tensor: tensor[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Trace:
        layers = (Layer(layer.name, change(layer.activation), change(layer.gradient)) for layer in self.layers)
        optional = (None if each is None else change(each) for each in (self.target, self.embedding, self.logits))
        return Trace(change(self.score), tuple(layers), self.size, *optional)


def trace(model: Model, x: Tensor, scores: Sequence[Score], layers: int | Sequence[str] = 2) -> list[Trace]:
    """Several scores of one batch, from one forward and one partial backward a score.

    The parameters are frozen, so nothing is recorded before the earliest layer asked for; its output becomes a
    leaf and `torch.autograd.grad` goes back no further. Hooks, modes and `requires_grad` are as before
    afterwards, also after an error, and no `.grad` is left behind.

    Parameters
    ----------
    model : Model
    x : Tensor
        (B, C, H, W), normalised.
    scores : sequence of Score
        ClassScore, Dot, Cosine.
    layers : int or sequence of str
        How many, counted from the last, or names of submodules, last first.

    Returns
    -------
    list of Trace
        One a score, with tensors on the model's device.

    Raises
    ------
    TypeError, ValueError
        Before the forward, for an input, layer, target or pairing that does not fit.

    Examples
    --------
    >>> from gamlib import ClassScore, Cosine, load_model
    >>> model = load_model("efficientnet_lite0")
    >>> x = torch.zeros(2, 3, 224, 224)
    >>> by_class, by_pair = trace(model, x, [ClassScore(285), Cosine([(0, 1)])])
    >>> [round(score, 4) for score in by_pair.score.tolist()]
    [1.0, 1.0]
    """
    names = layer_names(model, layers)
    x = _checked_input(model, x)
    for score in scores:
        score.check(model, len(x))
    with _frozen(model.module), torch.inference_mode(False), torch.enable_grad():
        with _captured(model.module, names) as outputs:
            embedding = model.features(x.clone() if x.is_inference() else x.detach())
        for name in names:
            if name not in outputs:
                raise ValueError(f"layers: '{name}' took no part in the forward; name another layer")
        held = [outputs[name] for name in names]
        traces, logits = [], None
        for number, score in enumerate(scores, start=1):
            total, value, target = score(model, embedding)
            gradients = torch.autograd.grad(total, held, retain_graph=number < len(scores))
            recorded = (Layer(n, _full(a.detach()), _full(g)) for n, a, g in zip(names, held, gradients, strict=True))
            if target is not None and logits is None:
                logits = _full(model.head(embedding.detach()))
            own = None if target is None else logits
            size = (x.shape[-2], x.shape[-1])
            traces.append(Trace(_full(value), tuple(recorded), size, target, _full(embedding.detach()), own))
    return traces


def trace_class(model: Model, x: Tensor, target: int | Tensor | None = None, layers: int | Sequence[str] = 2) -> Trace:
    """Trace of a class logit.

    Parameters
    ----------
    model, x, layers
        As for `trace`.
    target : int or Tensor, optional
        One class for all images, or (B,) integers; default: each image's top-1 class.

    Returns
    -------
    Trace
    """
    return trace(model, x, [ClassScore(target)], layers)[0]


def trace_pair(
    model: Model, xa: Tensor, xb: Tensor, similarity: str = "cosine", layers: int | Sequence[str] = 2
) -> tuple[Trace, Trace]:
    """Traces of both sides of B pairs, from one forward and one backward.

    Parameters
    ----------
    model, layers
        As for `trace`.
    xa, xb : Tensor
        (B, C, H, W), normalised; row i of one is compared with row i of the other.
    similarity : {"cosine", "dot"}

    Returns
    -------
    (Trace, Trace)
        Both hold the same scores.
    """
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity: unknown '{similarity}'; accepted: {', '.join(SIMILARITIES)}")
    xa, xb = _checked_input(model, xa), _checked_input(model, xb)
    if len(xa) != len(xb):
        raise ValueError(f"pair: the sides have {len(xa)} and {len(xb)} images; give batches of the same size")
    pairs = [(row, len(xa) + row) for row in range(len(xa))]
    both = trace(model, torch.cat([xa, xb]), [SIMILARITIES[similarity](pairs)], layers)[0]
    return both[: len(xa)], both[len(xa) :]


def layer_names(model: Model, layers: int | Sequence[str]) -> tuple[str, ...]:
    """Names of the layers to trace, last first; ValueError naming what is accepted."""
    if isinstance(layers, int):
        if not 1 <= layers <= len(model.layers):
            raise ValueError(f"layers: {layers} is out of range; {model.name} offers 1 to {len(model.layers)}")
        return model.layers[:layers]
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    known = [name for name, _ in model.module.named_modules() if name]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise ValueError(f"layers: {model.name} has no layer '{name}'; {hint}usual ones: {', '.join(model.layers)}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"layers: give at least one name, and none twice; got {list(names)}")
    return names


def _checked_input(model: Model, x: Tensor) -> Tensor:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError("x: expected a float tensor (B, C, H, W); see model.transform")
    channels = len(model.transform.mean)
    if x.ndim != 4 or x.shape[1] != channels or len(x) == 0:
        raise ValueError(f"x: expected (B, {channels}, H, W) with B >= 1, got {tuple(x.shape)}; see model.transform")
    return x.to(device=model.device, dtype=model.dtype)


def _full(tensor: Tensor) -> Tensor:
    # Products of half-precision gradients underflow: g^2 of Grad-CAM++ is near 1e-7. One layout in memory, whatever the
    # network's own: sums over channels run in the same order in every formula.
    tensor = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
    return tensor.contiguous()


@contextlib.contextmanager
def _frozen(module: nn.Module) -> Generator[None]:
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        with evaluation(module):
            yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def _captured(module: nn.Module, names: Sequence[str]) -> Generator[dict[str, Tensor]]:
    """Hold the outputs of the named submodules; the first to come becomes the leaf where the graph begins."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> Tensor:
        if name in outputs:
            raise ValueError(f"layers: '{name}' is called more than once in a forward; name a layer called once")
        if not isinstance(output, Tensor) or output.ndim != 4:
            raise ValueError(
                f"layers: the output of '{name}' is no (B, C, h, w) activation; name a convolutional layer"
            )
        outputs[name] = output if output.requires_grad else output.detach().requires_grad_()
        # A copy goes on: an operation in place after this layer must not overwrite what is held.
        return outputs[name].clone()

    parts = dict(module.named_modules())
    with contextlib.ExitStack() as hooks:
        for name in names:
            hook = parts[name].register_forward_hook(lambda _m, _i, output, name=name: keep(name, output))
            hooks.callback(hook.remove)
        yield outputs
