"""What a check has found: parts with points and hints, a record of them, and the report of all records."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


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
    parts: tuple[Part, ...]

    @property
    def earned(self) -> int:
        return sum(part.earned for part in self.parts)

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    def __repr__(self) -> str:
        lines = [f"{self.exercise}: {self.earned} of {self.points} points"]
        for part in self.parts:
            lines.append(f"  {'right' if part.earned else 'not yet':8s}{part.earned}/{part.points}  {part.name}")
            if part.hint:
                lines.append(f"          hint: {part.hint}")
        return "\n".join(lines)


# The latest record of each exercise in this session.
_records: dict[str, Record] = {}


def assess(exercise: str, seed: int, parts: Sequence[tuple[str, int, Callable[[], None]]]) -> Record:
    """Try each part and keep the record.

    parts: (name, points, test); a test raises Miss where the answer is not right. A stub that is still to be
    written ends the check with its NotImplementedError, after the other parts have been tried and shown.
    """
    found, unwritten = [], []
    for name, points, test in parts:
        try:
            test()
        except Miss as miss:
            found.append(Part(name, points, 0, str(miss)))
        except NotImplementedError as error:
            unwritten.append(error)
            found.append(Part(name, points, 0, str(error) or "still to be written"))
        else:
            found.append(Part(name, points, points))
    record = _records[exercise] = Record(exercise, seed, tuple(found))
    if unwritten:
        if len(unwritten) < len(found):
            print(record)
        raise unwritten[0]
    return record


def report(path: str | Path | None = None) -> list[dict]:
    """Print the score of every exercise checked in this session, and return the records; path: also write them.

    The file is JSON: a list of {exercise, seed, earned, points, parts: [{name, points, earned, hint}]}.

    >>> report()
    no exercise has been checked yet
    []
    """
    records = [_records[name] for name in sorted(_records)]
    content = [
        {
            "exercise": r.exercise,
            "seed": r.seed,
            "earned": r.earned,
            "points": r.points,
            "parts": list(map(asdict, r.parts)),
        }
        for r in records
    ]
    if path is not None:
        Path(path).write_text(json.dumps(content, indent=1) + "\n")
    for record in records:
        print(f"{record.exercise}  {record.earned:2d} of {record.points:2d}")
    if records:
        print(f"all   {sum(r.earned for r in records):2d} of {sum(r.points for r in records):2d}")
    else:
        print("no exercise has been checked yet")
    return content
