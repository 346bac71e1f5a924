"""Checks of the book's exercises: a score, and a hint for each typical mistake; never the answer.

Each check is called with the reader's own function or functions, prints what is right and what is not, and leaves
its record for `report`. Inputs depend on `seed`, so that no answer can be looked up.
"""

from gambook.exercises.checks.cosine import ex03
from gambook.exercises.checks.equality import ex04
from gambook.exercises.checks.explosion import ex05
from gambook.exercises.checks.gradients import ex01
from gambook.exercises.checks.measures import ex06
from gambook.exercises.checks.record import Part, Record, report
from gambook.exercises.checks.relus import ex02
from gambook.exercises.checks.rerun import ex08
from gambook.exercises.checks.sanity import ex07

CHECKS = {
    "ex01": ex01,
    "ex02": ex02,
    "ex03": ex03,
    "ex04": ex04,
    "ex05": ex05,
    "ex06": ex06,
    "ex07": ex07,
    "ex08": ex08,
}

# What each is worth, known before a check has run.
POINTS = {"ex01": 5, "ex02": 7, "ex03": 5, "ex04": 6, "ex05": 7, "ex06": 8, "ex07": 7, "ex08": 6}

__all__ = [*CHECKS, "CHECKS", "POINTS", "Part", "Record", "report"]
