"""Contestants that take turns, and the rows that a measure leaves."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import torch

Runs = Mapping[str, Callable[[], object]]


@dataclass
class Row:
    """A line of the performance page.

    goal is the limit of value: from above, or from below where `least`. seconds are those of what is measured, where it
    has a time of its own.
    """

    group: str
    measure: str
    what: str
    value: float
    unit: str = "x"
    goal: float | None = None
    least: bool = False
    seconds: float | None = None

    def record(self) -> dict[str, object]:
        met = None if self.goal is None else (self.value >= self.goal if self.least else self.value <= self.goal)
        return asdict(self) | {"met": met}


def medians(runs: Runs, rounds: int) -> dict[str, float]:
    """Median seconds of each; in a round all run once, so that what else the machine does falls on all of them."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            settle()
            start = time.perf_counter()
            run()
            settle()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def settle() -> None:
    """What a graphics processor was asked for is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
