"""How a check works: it calls the reader's functions, compares what they return, and keeps the score."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import torch

# Torch has one random state for all threads, and a grader runs several checks at a time.
_turn = threading.Lock()
# What a check asks for, one after the other: a name, points, and a test that raises Miss.
Parts = Iterator[tuple[str, int, Callable[[], None]]]
# A function of the reader's, or one that stands for it; what it takes and returns is the exercise's.
Function = Callable[..., Any]


class Miss(Exception):
    """An answer that is not right yet; its text is the hint."""


@contextlib.contextmanager
def seeded(seed: int) -> Generator[None]:
    """Draw what is made inside, such as layers, by a seed; the random state is as before afterwards."""
    with _turn, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


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
    >>> from gambook.exercises.checks.answers import Answer
    >>> @check
    ... def ex00(double, seed=0):
    ...     number = Answer("the number", lambda x: 2 * x, {"this is the square": lambda x: x**2})
    ...     yield "double", 2, number.test(double, [(3.0,)])
    >>> ex00(lambda x: x * x)
    ex00: 0 of 2 points
      not yet 0/2  double
              hint: this is the square
    """

    @functools.wraps(parts)
    def run(*functions: Function, seed: int = 0) -> Record:
        record, unwritten = assess(parts, functions, seed)
        _records[record.exercise] = record
        if unwritten:
            if len(unwritten) < len(record.parts):
                print(record)
            raise unwritten[0]
        return record

    return run


def assess(
    parts: FunctionType, functions: Sequence[Function], seed: int, caught: type[Exception] = Miss
) -> tuple[Record, list[NotImplementedError]]:
    """Try every part of a check; what was found, and the errors of stubs. caught: what else costs a part its points."""
    found, unwritten = [], []
    for name, points, test in parts(*functions, seed=seed):
        hint = ""
        try:
            test()
        except (Miss, NotImplementedError, caught) as error:
            hint = str(error) or type(error).__name__
            if isinstance(error, NotImplementedError):
                unwritten.append(error)
        found.append(Part(name, points, 0 if hint else points, hint))
    earned, points = sum(part.earned for part in found), sum(part.points for part in found)
    return Record(parts.__name__, seed, earned, points, tuple(found)), unwritten


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
        Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for record in records:
        print(f"{record.exercise}  {record.earned:2d} of {record.points:2d}")
    if records:
        print(f"all   {sum(r.earned for r in records):2d} of {sum(r.points for r in records):2d}")
    else:
        print("no exercise has been checked yet")
    return content
