"""How a check works: it calls the reader's functions, compares what they return, and keeps the score."""

from __future__ import annotations

import functools
import inspect
import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

import gambook
import gamlib

# Relative to the largest entry: wide enough for another order of float32 sums, far below any mistake.
TOLERANCE = 1e-4
# Where code lies that a reader has not written: ours, and that of installed packages.
NOT_THE_READERS = (*gambook.__path__, *gamlib.__path__, str(Path(torch.__file__).parents[1]))

# What a check asks for, one after the other: a name, points, and a test that raises Miss.
Parts = Iterator[tuple[str, int, Callable[[], None]]]
# A function of the reader's, or one that stands for it; what it takes and returns is the exercise's.
Function = Callable[..., Any]


class Miss(Exception):
    """An answer that is not right yet; its text is the hint."""


@dataclass(frozen=True)
class Part:
    """One thing that was asked for. earned: points, 0 or all of them. hint: empty where they are earned."""

    name: str
    points: int
    earned: int
    hint: str = ""


@dataclass(frozen=True)
class Record:
    """What one call of a check has found. Its text is the score table that a notebook shows."""

    exercise: str
    seed: int
    earned: int
    points: int
    parts: tuple[Part, ...]

    def __repr__(self) -> str:
        lines = [f"{self.exercise}: {self.earned} of {self.points} points"]
        for part in self.parts:
            lines.append(f"  {'right' if part.earned else 'not yet':8s}{part.earned}/{part.points}  {part.name}")
            if part.hint:
                lines.append(f"          hint: {part.hint}")
        return "\n".join(lines)


# The latest record of each exercise in this session.
_records: dict[str, Record] = {}


def check(parts: FunctionType) -> Callable[..., Record]:
    """Make a check of the generator of its parts; `report` keeps the record that a call returns.

    A stub that is still to be written ends the check with its NotImplementedError, after the other parts have been
    tried and shown.

    Parameters
    ----------
    parts : generator function
        Takes the reader's functions and a seed; yields (name, points, test). Its name is the exercise.

    Examples
    --------
    >>> @check
    ... def ex00(double, seed=0):
    ...     number = Answer("the number", lambda x: 2 * x, {"this is the square": lambda x: x**2})
    ...     yield "double", 2, number.test(double, [(torch.tensor(3.0),)])
    >>> ex00(lambda x: x * x)
    ex00: 0 of 2 points
      not yet 0/2  double
              hint: this is the square
    """
    exercise = parts.__name__

    @functools.wraps(parts)
    def run(*functions: Function, seed: int = 0) -> Record:
        found, unwritten = [], []
        for name, points, test in parts(*functions, seed=seed):
            hint = ""
            try:
                test()
            except (Miss, NotImplementedError) as error:
                hint = str(error)
                unwritten += [error] if isinstance(error, NotImplementedError) else []
            found.append(Part(name, points, 0 if hint else points, hint))
        earned, points = sum(part.earned for part in found), sum(part.points for part in found)
        record = _records[exercise] = Record(exercise, seed, earned, points, tuple(found))
        if unwritten:
            if len(unwritten) < len(found):
                print(record)
            raise unwritten[0]
        return record

    return run


def worth(check: Callable[..., Record]) -> dict[str, int]:
    """Points of each part of a check, which need not have run.

    Examples
    --------
    >>> from gambook.exercises.checks import ex03
    >>> worth(ex03)
    {'cosine_gradient': 3, 'is_negative': 2}
    """
    parts = inspect.unwrap(check)
    functions = [None] * (len(inspect.signature(parts).parameters) - 1)
    return {name: points for name, points, _ in parts(*functions)}


def report(path: str | Path | None = None) -> list[dict]:
    """Print the score of every exercise checked in this session, and return the records.

    Parameters
    ----------
    path : path, optional
        JSON file for them: a list of {exercise, seed, earned, points, parts: [{name, points, earned, hint}]}.
    """
    records = [_records[name] for name in sorted(_records)]
    content = list(map(asdict, records))
    if path is not None:
        Path(path).write_text(json.dumps(content, indent=1) + "\n")
    for record in records:
        print(f"{record.exercise}  {record.earned:2d} of {record.points:2d}")
    if records:
        print(f"all   {sum(r.earned for r in records):2d} of {sum(r.points for r in records):2d}")
    else:
        print("no exercise has been checked yet")
    return content


def call(function: Function, *arguments: Any, **options: Any) -> Any:
    """What the reader's function returns. Tensors are handed over as copies; errors become a Miss that says where."""
    copies = [value.detach().clone() if isinstance(value, Tensor) else value for value in arguments]
    try:
        return function(*copies, **options)
    except Exception as error:
        if isinstance(error, Miss) or unwritten(error):
            raise
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(NOT_THE_READERS)]
        where = f", at `{frames[-1].line}`" if frames and frames[-1].line else ""
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
        raise Miss(f"your function returns a {type(value).__name__}; expected a tensor or a number") from None


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
        if all(_proportional(*pair) for pair in pairs):
            raise Miss(f"{self.what} is right up to a factor; where does it come from?")
        raise Miss(
            f"{self.what} differs from what is expected on {differing} of {len(cases)} inputs; "
            "print it for a tensor small enough to work out on paper"
        )


def _proportional(a: Tensor, b: Tensor) -> bool:
    """Whether a is a multiple of b that is not 0; a single number says nothing about that."""
    if b.numel() < 2 or b.dtype == torch.bool or a.is_complex():
        return False
    a, b = a.double(), b.double()
    factor = (a * b).sum() / (b * b).sum()
    return bool(factor != 0) and close(a, factor * b)
