"""What a reader's function returns, and how it compares with the right answer and with foreseen mistakes."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gambook
import gamlib
from gambook.exercises.checks.scoring import Function, Miss

# Relative to the largest entry: wide enough for another order of float32 sums, far below any mistake.
TOLERANCE = 1e-4
# Where code lies that a reader has not written: ours, and that of installed packages.
NOT_THE_READERS = (*gambook.__path__, *gamlib.__path__, str(Path(torch.__file__).parents[1]))


def call(function: Function, *arguments: Any, **options: Any) -> Any:
    """What the reader's function returns. Tensors are handed over as copies; errors become a Miss that says where."""
    copies = [value.detach().clone() if isinstance(value, Tensor) else value for value in arguments]
    try:
        return function(*copies, **options)
    except Exception as error:
        if isinstance(error, Miss) or unwritten(error):
            raise
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(NOT_THE_READERS)]
        # a submission's error comes from another process, and says itself at which line
        line = getattr(error, "line", frames and frames[-1].line)
        where = f", at `{line}`" if line else ""
        raise Miss(f"your function stops with {type(error).__name__}: {error}{where}") from error


def unwritten(error: Exception) -> bool:
    """Whether a stub has raised it; torch, too, raises NotImplementedError, such as for the mean of truth values."""
    return isinstance(error, NotImplementedError) and "is still to be written" in str(error)


def entry(function: Function, key: str, keys: Sequence[str]) -> Any:
    """What the reader's function has under `key` in the dict that it returns."""
    answers = call(function)
    if not isinstance(answers, Mapping):
        raise Miss(f"your function returns a {type(answers).__name__}; expected a dict with the keys {', '.join(keys)}")
    if key not in answers:
        raise Miss(f"there is no answer '{key}'; your keys: {', '.join(map(str, answers)) or 'none'}")
    return answers[key]


def tensor(value: Any) -> Tensor:
    """A number, a tensor, or a list of either as a detached tensor; anything else is a Miss."""
    if value is None:
        raise Miss("your function returns None: does it end with `return`?")
    try:
        if isinstance(value, list | tuple) and value and all(isinstance(one, Tensor) for one in value):
            value = torch.stack(list(value))
        return torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError):
        items = value if isinstance(value, list | tuple) else []
        odd = [type(one).__name__ for one in items if not isinstance(one, int | float | list | tuple)]
        inside = f" with a {odd[0]} in it" if odd else ""
        raise Miss(f"your function returns a {type(value).__name__}{inside}; expected a tensor or numbers") from None


def close(a: Tensor, b: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Equal up to a share of the largest entry; False for other shapes and for values that are not finite."""
    if a.shape != b.shape or not (a.isfinite().all() and b.isfinite().all()):
        return False
    a, b = a.double(), b.double()
    return not b.numel() or bool((a - b).abs().max() <= tolerance * b.abs().max())


def foreseen(
    mistakes: Mapping[str, Function], answers: Sequence[Tensor], cases: Sequence[Sequence], tolerance: float = TOLERANCE
) -> str:
    """Hint of the first mistake that answers all cases as the reader has; empty where none does."""
    for hint, wrong in mistakes.items():
        if all(close(a, tensor(wrong(*case)), tolerance) for a, case in zip(answers, cases, strict=True)):
            return hint
    return ""


@dataclass(frozen=True)
class Answer:
    """What a function is to return: `what`, as hints call it; a function that is right; hint -> one that is wrong."""

    what: str
    right: Function
    mistakes: Mapping[str, Function]

    def test(self, function: Function, cases: Sequence[tuple]) -> Callable[[], None]:
        """Test of the reader's function on some tuples of arguments.

        Its hint is that of the first mistake with the function's answers in all cases; else it speaks of the type,
        the shape, values that are not finite, a factor, or the number of inputs that differ.
        """
        return functools.partial(self._compare, function, cases)

    def _compare(self, function: Function, cases: Sequence[tuple]) -> None:
        answers = [tensor(call(function, *case)) for case in cases]
        pairs = [(answer, tensor(self.right(*case))) for answer, case in zip(answers, cases, strict=True)]
        differing = sum(not close(*pair) for pair in pairs)
        if not differing:
            return
        if hint := foreseen(self.mistakes, answers, cases):
            raise Miss(hint)
        for answer, right in pairs:
            if answer.shape != right.shape:
                raise Miss(f"expected {self.what} with shape {tuple(right.shape)}, got {tuple(answer.shape)}")
            if answer.is_floating_point() and not answer.isfinite().all():
                raise Miss(f"{self.what}: some values are not finite; is there a division by zero or an overflow?")
        if all(right.dtype != torch.bool and close(answer, -right) for answer, right in pairs):
            raise Miss(f"{self.what} has the wrong sign")
        if any(all(_rounded(*pair, digits) for pair in pairs) for digits in range(6)):
            raise Miss(f"{self.what} is right but rounded: do not round it")
        if all(_proportional(*pair) for pair in pairs):
            raise Miss(f"{self.what} is right up to a factor; where does it come from?")
        raise Miss(
            f"{self.what} differs from what is expected on {differing} of {len(cases)} inputs; "
            "print it for a tensor small enough to work out on paper"
        )


def _rounded(answer: Tensor, right: Tensor, digits: int) -> bool:
    return bool(answer.isreal().all()) and close(answer, right.double().round(decimals=digits), 1e-6)


def _proportional(a: Tensor, b: Tensor) -> bool:
    """Whether a is a multiple of b that is not 0; a single number says nothing about that."""
    if b.numel() < 2 or b.dtype == torch.bool or a.is_complex():
        return False
    a, b = a.double(), b.double()
    factor = (a * b).sum() / (b * b).sum()
    return bool(factor != 0) and close(a, factor * b)
