"""Call a reader's function and compare what it returns with what is right and with what is typically wrong."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gamlib
from gambook.exercises.checks.record import Miss

# Relative to the largest entry: wide enough for another order of float32 sums, far below any mistake.
TOLERANCE = 1e-4
# Where code lies that a reader has not written: ours, and that of installed packages.
NOT_THE_READERS = (str(Path(gamlib.__file__).parent), str(Path(torch.__file__).parents[1]))


@dataclass(frozen=True)
class Mistake:
    """A foreseen wrong answer. answer: what who makes it returns for the same arguments. hint: where to look."""

    answer: Callable[..., Tensor]
    hint: str


def call(function: Callable, *arguments: Any, **options: Any) -> Any:
    """What the function returns. Tensors are handed over as copies; its errors become a Miss that says where."""
    copies = [value.detach().clone() if isinstance(value, Tensor) else value for value in arguments]
    try:
        return function(*copies, **options)
    except Exception as error:
        if unwritten(error):
            raise
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(NOT_THE_READERS)]
        where = f", at `{frames[-1].line}`" if frames and frames[-1].line else ""
        raise Miss(f"your function stops with {type(error).__name__}: {error}{where}") from error


def unwritten(error: Exception) -> bool:
    """Whether a stub has raised it; torch, too, raises NotImplementedError, such as for the mean of truth values."""
    return isinstance(error, NotImplementedError) and "is still to be written" in str(error)


def tensor(value: Any) -> Tensor:
    """A number, a tensor, or a list of either as a detached tensor; anything else is a Miss."""
    if value is None:
        raise Miss("your function returns None: does it end with `return`?")
    if isinstance(value, bool | int | float):
        return torch.tensor(value)
    if not isinstance(value, Tensor):
        try:
            if isinstance(value, list | tuple) and value and all(isinstance(one, Tensor) for one in value):
                return torch.stack(list(value)).detach()
            return torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            raise Miss(f"your function returns a {type(value).__name__}; expected a tensor or a number") from None
    return value.detach()


def close(a: Tensor, b: Tensor) -> bool:
    """Equal up to TOLERANCE of the largest entry; False for other shapes and for values that are not finite."""
    if a.shape != b.shape or not (a.isfinite().all() and b.isfinite().all()):
        return False
    a, b = a.double(), b.double()
    return bool(((a - b).abs().max() <= TOLERANCE * b.abs().max()) if b.numel() else True)


def _proportional(a: Tensor, b: Tensor) -> bool:
    """Whether a is a multiple of b that is not 0; a single number says nothing about that."""
    if b.numel() < 2 or b.dtype == torch.bool or a.is_complex():
        return False
    a, b = a.double(), b.double()
    factor = (a * b).sum() / (b * b).sum()
    return bool(factor != 0) and close(a, factor * b)


def compare(
    function: Callable, cases: Sequence[tuple], right: Callable[..., Tensor], mistakes: Sequence[Mistake], what: str
) -> None:
    """Raise Miss unless the function answers every case as `right` does.

    cases: tuples of arguments. The hint is that of the first mistake whose answers are the function's in all cases;
    else it speaks of the type, the shape, values that are not finite, a factor, or the number of inputs that differ.
    what: what is asked for, such as "the map (B, h, w)".
    """
    answers = [tensor(call(function, *case)) for case in cases]
    expected = [tensor(right(*case)) for case in cases]
    if all(close(a, b) for a, b in zip(answers, expected, strict=True)):
        return
    for mistake in mistakes:
        if all(close(a, tensor(mistake.answer(*case))) for a, case in zip(answers, cases, strict=True)):
            raise Miss(mistake.hint)
    for answer, wanted in zip(answers, expected, strict=True):
        if answer.shape != wanted.shape:
            raise Miss(f"expected {what} with shape {tuple(wanted.shape)}, got {tuple(answer.shape)}")
        if not answer.is_complex() and answer.is_floating_point() and not answer.isfinite().all():
            raise Miss(f"{what}: some values are not finite; is there a division by zero or an overflow?")
    if all(map(_proportional, answers, expected)):
        raise Miss(f"{what} is right up to a factor; where does it come from?")
    differing = [i for i, (a, b) in enumerate(zip(answers, expected, strict=True), start=1) if not close(a, b)]
    raise Miss(
        f"{what} differs from what is expected on {len(differing)} of {len(cases)} inputs; "
        "print it for a tensor small enough to work out on paper"
    )
