"""Traces: the activations and gradients that every saliency map is made of, from one forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gamlib.capture import captured, frozen, gradients, layer_names
from gamlib.layouts import as_channels_first
from gamlib.models.model import Model
from gamlib.names import check_name
from gamlib.scores import SIMILARITIES, ClassScore, PairScore, Score


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
        """The same trace in another floating-point precision; class indices stay integers.

        Where the device has no float64 (Apple's MPS), the whole trace goes to the CPU.
        """
        device = self.score.device
        if dtype == torch.float64 and device.type == "mps":
            device = torch.device("cpu")
        target = None if self.target is None else self.target.to(device)
        return replace(self._each(lambda tensor: tensor.to(device, dtype)), target=target)

    def __getitem__(self, rows: slice) -> Trace:
        """The trace of some of its images, e.g. trace[:4]."""
        if isinstance(rows, int):
            raise TypeError(f"trace: got {rows}; give a slice, such as trace[:1] for the first image")
        return self._each(lambda tensor: tensor[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Trace:
        layers = (Layer(layer.name, change(layer.activation), change(layer.gradient)) for layer in self.layers)
        optional = (None if each is None else change(each) for each in (self.target, self.embedding, self.logits))
        return Trace(change(self.score), tuple(layers), self.size, *optional)


def trace(model: Model, x: Tensor, scores: Sequence[Score], layers: int | Sequence[str] | None = None) -> list[Trace]:
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
        ClassScore, Dot, Cosine, or your own (see `gamlib.scores.Score`).
    layers : int or sequence of str, optional
        How many, counted from the last, or names of submodules, last first. Default: 2, or the one that there is.

    Returns
    -------
    list of Trace
        One a score, with tensors on the model's device.

    Raises
    ------
    TypeError, ValueError
        Before the forward, for an input, layer, target or pairing that does not fit. After it, where features or head
        returned another shape, a layer is no activation of this batch, or no gradient comes to it.

    Examples
    --------
    >>> from gamlib import ClassScore, Cosine, load_model
    >>> model = load_model("efficientnet_lite0")
    >>> x = torch.zeros(2, 3, 224, 224)
    >>> by_class, by_pair = trace(model, x, [ClassScore(285), Cosine([(0, 1)])])
    >>> [round(score, 4) for score in by_pair.score.tolist()]
    [1.0, 1.0]
    """
    _check_model(model)
    names = layer_names(model, layers)
    x = model.checked_input(x)
    # the sum is a tenth of the work of looking at every value
    if not bool(x.sum().isfinite()):
        rows = [row for row, image in enumerate(x) if not bool(image.isfinite().all())]
        if rows:
            raise ValueError(f"x: images {rows} hold values that are not finite; leave them out")
    if not isinstance(scores, Sequence) or not all(map(_is_score, scores)):
        raise TypeError("scores: give a list of scores, each with check and __call__ as gamlib.scores.Score has them")
    for score in scores:
        score.check(model, len(x))
    # layers that are counted are right only where all that the model offers are listed last first
    listed = names if isinstance(layers, str | Sequence) else model.layers
    with frozen(*model.parts), torch.inference_mode(False), torch.enable_grad():
        with captured(model, names, listed, x) as outputs:
            embedding = model.forward_features(x.clone() if x.is_inference() else x.detach())
        held = [outputs[name] for name in names]
        traces, logits = [], None
        for number, score in enumerate(scores, start=1):
            total, value, target = score(model, embedding)
            if value.shape != x.shape[:1]:
                raise ValueError(f"score: {type(score).__name__} gave values {tuple(value.shape)}; give one an image")
            backward = gradients(total, dict(zip(names, held, strict=True)), retain_graph=number < len(scores))
            recorded = (
                Layer(name, *(_full(as_channels_first(each, model.layout_of(name), x)) for each in (a.detach(), g)))
                for name, a, g in zip(names, held, backward, strict=True)
            )
            if target is not None and logits is None:
                logits = _full(model.forward_head(embedding.detach()).detach())
            own = None if target is None else logits
            size = (x.shape[-2], x.shape[-1])
            traces.append(Trace(_full(value), tuple(recorded), size, target, _full(embedding.detach()), own))
    return traces


def trace_class(
    model: Model,
    x: Tensor,
    target: int | str | Tensor | Sequence[int | str] | None = None,
    layers: int | Sequence[str] | None = None,
) -> Trace:
    """Trace of a class logit.

    Parameters
    ----------
    model, x, layers
        As for `trace`.
    target : int, str, Tensor or sequence, optional
        One class for all images, or one an image, by index or by name; default: each image's top-1 class. A binary
        network's one logit is the score of class 1, its negative that of class 0.

    Returns
    -------
    Trace
    """
    return trace(model, x, [ClassScore(target)], layers)[0]


def trace_pair(
    model: Model,
    xa: Tensor,
    xb: Tensor,
    similarity: str | type[PairScore] = "cosine",
    layers: int | Sequence[str] | None = None,
) -> tuple[Trace, Trace]:
    """Traces of both sides of B pairs, from one forward and one backward.

    Parameters
    ----------
    model, layers
        As for `trace`.
    xa, xb : Tensor
        (B, C, H, W), normalised; row i of one is compared with row i of the other.
    similarity : {"cosine", "dot"} or subclass of PairScore

    Returns
    -------
    (Trace, Trace)
        Both hold the same scores.
    """
    _check_model(model)
    if not isinstance(similarity, type) or not issubclass(similarity, PairScore):
        check_name("similarity", similarity, SIMILARITIES, ", or a subclass of PairScore")
        similarity = SIMILARITIES[similarity]
    xa, xb = model.checked_input(xa), model.checked_input(xb)
    if len(xa) != len(xb):
        raise ValueError(f"pair: the sides have {len(xa)} and {len(xb)} images; give batches of the same size")
    if xa.shape != xb.shape:
        sizes = [f"{x.shape[-2]} x {x.shape[-1]}" for x in (xa, xb)]
        raise ValueError(f"pair: the sides have {' and '.join(sizes)} pixels; bring them to one size")
    pairs = [(row, len(xa) + row) for row in range(len(xa))]
    both = trace(model, torch.cat([xa, xb]), [similarity(pairs)], layers)[0]
    return both[: len(xa)], both[len(xa) :]


def _check_model(model: object) -> None:
    if not isinstance(model, Model):
        raise TypeError(
            f"model: got a {type(model).__name__}; give a gamlib.Model, load_model(name) or "
            "Model(module, layers, features, head, transform) around your network"
        )


def _is_score(score: object) -> bool:
    return not isinstance(score, type) and hasattr(score, "check") and callable(score)


def _full(tensor: Tensor) -> Tensor:
    # Products of half-precision gradients underflow: g^2 of Grad-CAM++ is near 1e-7. One layout in memory, whatever the
    # network's own: sums over channels run in the same order in every formula.
    tensor = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
    return tensor.contiguous()
