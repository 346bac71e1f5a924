"""Checks of the book's exercises: a score, and a hint for each typical mistake; never the answer.

Each check is called with the reader's own functions, returns what is right and what is not, and leaves its record for
`report`. Inputs depend on `seed`, so that no answer can be looked up.
"""

from gambook.exercises.checks.ex01_gradient import ex01
from gambook.exercises.checks.ex02_relus import ex02
from gambook.exercises.checks.ex03_cosine import ex03
from gambook.exercises.checks.ex04_equality import ex04
from gambook.exercises.checks.ex05_overflow import ex05
from gambook.exercises.checks.ex06_measures import ex06
from gambook.exercises.checks.ex07_fakes import ex07
from gambook.exercises.checks.ex08_rerun import ex08
from gambook.exercises.checks.scoring import Part, Record, report, worth

CHECKS = {check.__name__: check for check in (ex01, ex02, ex03, ex04, ex05, ex06, ex07, ex08)}
POINTS = {name: sum(worth(check).values()) for name, check in CHECKS.items()}

__all__ = [*CHECKS, "CHECKS", "POINTS", "Part", "Record", "report", "worth"]
