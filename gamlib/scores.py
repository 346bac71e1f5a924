"""Scores that a saliency map explains: a class logit, or the similarity of a pair of images.

A score is checked before the forward and called after it, with the embeddings and logits of the whole batch.
It gives one value a row, and one `total` whose gradient in a row's activations is that row's own gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gamlib.data.classes import class_index
from gamlib.models.model import Model


class Score(Protocol):
    """What is explained: checked before the forward, called after it."""

    def check(self, model: Model, batch: int) -> None:
        """Raise ValueError if the score does not fit the model or a batch of that many rows."""

    def __call__(self, model: Model, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """From the embedding (B, D): total (), value of each row (B,), target class of each row (B,) or None."""


@dataclass(frozen=True, eq=False)
class ClassScore:
    """The logit of a class: s = w_c . h + b_c.

    Parameters
    ----------
    target : int, str, (B,) of them, or None
        One class for all rows, one a row, by index or name; None for each row's top-1 class.
    least : float, optional
        A row whose class has a smaller probability than this, or is -1 for "none", is explained by its top-1 class: a
        class that the network does not see at all is no explanation's subject. Default: each target as it is given.

    Raises
    ------
    TypeError, ValueError
        For a target that is neither an index nor a name, of another length than the batch, or no class of the network.
    """

    target: int | str | Tensor | Sequence[int | str] | None = None
    least: float | None = None

    def check(self, model: Model, batch: int) -> None:
        model.needed_head()
        if self.target is not None:
            self._indices(model, batch, None if model.categories is None else len(model.categories))

    def __call__(self, model: Model, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        logits = model.forward_head(embedding)
        scores = model.scores_of(logits)
        if self.target is None:
            target = scores.detach().argmax(dim=1)
        else:
            target = self._indices(model, *scores.shape).to(logits.device).expand(len(logits)).long()
            if self.least is not None:
                probability = model.activate(logits.detach()).gather(1, target.clamp(min=0)[:, None])[:, 0]
                seen = (target >= 0) & (probability >= self.least)
                target = torch.where(seen, target, scores.detach().argmax(dim=1))
        value = scores.gather(1, target[:, None])[:, 0]
        return value.sum(), value.detach(), target

    def _indices(self, model: Model, batch: int, classes: int | None) -> Tensor:
        """The target with names looked up; `classes`: how many the model has, None while that is not known."""
        given = self.target
        if isinstance(given, str):
            given = class_index(given, model.categories)
        elif isinstance(given, list | tuple):
            given = [class_index(each, model.categories) if isinstance(each, str) else each for each in given]
        try:
            target = torch.as_tensor(given)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"target: expected class indices (integers) or names, got {self.target!r}") from None
        if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
            raise TypeError(f"target: expected class indices (integers), got {target.dtype}")
        if target.ndim > 1 or (target.ndim == 1 and len(target) != batch):
            raise ValueError(
                f"target: got shape {tuple(target.shape)} for a batch of {batch}; "
                f"give one class, or one a row: ({batch},)"
            )
        lowest = 0 if self.least is None else -1
        for index in target.reshape(-1).tolist():
            if classes is not None and not lowest <= index < classes:
                raise ValueError(f"target: class {index} is out of range; the model has classes 0 to {classes - 1}")
        return target


@dataclass(frozen=True, eq=False)
class PairScore(ABC):
    """A similarity of the embeddings of two rows; a subclass says which, in `similarity`.

    Parameters
    ----------
    pairs : sequence of (int, int)
        Row numbers; every row of the batch is in exactly one pair, or among those that are alone.
    alone : sequence of int
        Rows that have no partner: their score is NaN, and no gradient comes to them.

    Examples
    --------
    >>> class Distance(PairScore):
    ...     @staticmethod
    ...     def similarity(a, b):
    ...         return -(a - b).square().sum(dim=1)
    >>> from gamlib import load_model, trace_pair
    >>> x = torch.zeros(1, 3, 224, 224)
    >>> trace_pair(load_model("efficientnet_lite0"), x, x, Distance)[0].score.abs().item()
    0.0
    """

    pairs: Sequence[tuple[int, int]]
    alone: Sequence[int] = ()

    def check(self, model: Model, batch: int) -> None:
        if any(len(pair) != 2 for pair in self.pairs):
            raise ValueError(f"pairs: expected (i, j) row numbers, got {list(self.pairs)}")
        rows = sorted([*self.alone, *(int(row) for pair in self.pairs for row in pair)])
        if rows != list(range(batch)):
            raise ValueError(
                f"pairs: every row of the batch (0 to {batch - 1}) belongs in exactly one pair, got rows {rows}; "
                "a row in two pairs would mix two gradients"
            )

    def __call__(self, model: Model, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        index = torch.as_tensor(self.pairs, dtype=torch.long, device=embedding.device).reshape(-1, 2)
        similarity = self.similarity(embedding[index[:, 0]], embedding[index[:, 1]])
        if similarity.shape != index.shape[:1]:
            raise ValueError(
                f"similarity: got {tuple(similarity.shape)} for {len(index)} pairs; give one number a pair"
            )
        value = torch.full((len(embedding),), torch.nan, dtype=similarity.dtype, device=similarity.device)
        value[index] = similarity.detach()[:, None]
        return similarity.sum(), value, None

    @staticmethod
    @abstractmethod
    def similarity(a: Tensor, b: Tensor) -> Tensor:
        """The score of each pair, (P,), from the embeddings (P, D) of both sides."""


class Dot(PairScore):
    """The dot product of two embeddings: s = h(x) . h(y), so ds/dh(x) = h(y)."""

    @staticmethod
    def similarity(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(dim=1)


class Cosine(PairScore):
    """The cosine of two embeddings; its gradient is Eq. 5: ``h(y) / (|h(x)| |h(y)|) - s h(x) / |h(x)|^2``."""

    @staticmethod
    def similarity(a: Tensor, b: Tensor) -> Tensor:
        value = torch.nn.functional.cosine_similarity(a, b, dim=1)
        # at its maximum, between a photograph and itself, the gradient is 0; rounding would leave noise to be stretched
        return torch.where((a == b).all(dim=1), value.detach(), value)


SIMILARITIES = {"cosine": Cosine, "dot": Dot}
