"""Grade submissions: their functions are called in processes of their own, and what they return is compared here.

This runs the students' code with the rights of whoever calls it; child.py and plain.py say what keeps it apart.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import gambook
import gamlib
from gambook.exercises.checks import CHECKS, POINTS
from gambook.exercises.checks.scoring import assess
from gambook.exercises.children import Child
from gambook.exercises.forks import Forks
from gambook.exercises.gradebook import Grade
from gambook.exercises.submissions import Submission, functions
from gamlib.data.fetch import data_folder

# What Python itself and compiled libraries read on Linux and macOS.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev", "/System", "/Library")
REFUSED = re.compile("withheld while grading|gambook")


@dataclass(frozen=True)
class Grader:
    """How submissions are graded.

    forks: where their code runs. stubs: exercise -> code that stands before a submission's own. withheld: folders that
    no submission may read, wherever they lie. limit: seconds for each. seed: of the checks' inputs.
    """

    forks: Forks
    stubs: Mapping[str, str]
    withheld: Sequence[Path]
    limit: float
    seed: int

    def grade_all(self, submissions: Sequence[Submission], workers: int) -> Iterator[Grade]:
        """Grades in the order in which they are ready. workers: submissions at a time."""
        # where the caller is interrupted, it waits for none
        with ThreadPool(workers) as pool:
            yield from pool.imap_unordered(self.grade, submissions)

    def grade(self, one: Submission) -> Grade:
        """Grade one submission; whatever is wrong, with it or with us, is told in its row and costs no other."""
        who = one.student, one.exercise, one.attempt
        if one.fault:
            return Grade(*who, 0, 0, "unreadable", one.fault, one.file)
        try:
            points, status, told = self._outcome(one, self.stubs[one.exercise])
        except Exception as error:
            points, status = 0, "error"
            told = [f"not graded, {type(error).__name__}: {error}; grade it once more, alone"]
        return Grade(*who, points, POINTS[one.exercise], status, "; ".join(told)[:1000], one.file)

    def _outcome(self, one: Submission, stub: str) -> tuple[int, str, list[str]]:
        """Points, status, and what is to be told."""
        with contextlib.closing(Child(self.forks, self.limit)) as child:
            first = stub.replace("to be written", "to be written: nothing has this name")
            errors = child.run([first, *one.cells], one.exercise, self._rules())
            check = inspect.unwrap(CHECKS[one.exercise])
            theirs = [child.function(name) for name in list(inspect.signature(check).parameters)[:-1]]
            # an answer that cannot even be compared costs its own points only
            record, _ = assess(check, theirs, self.seed, Exception)
        told = [error for error in errors if error and "is still to be written" not in error]
        status = child.end or ("error" if told else "error below" if one.late else "graded")
        if late := functions(one.below) & functions(stub):
            told.append(f"defined below the check, where nothing is run: {', '.join(sorted(late))}")
        for hint in dict.fromkeys(part.hint for part in record.parts if part.hint):
            told.append(f"{', '.join(part.name for part in record.parts if part.hint == hint)}: {hint}")
        told += [f"below the check: {one.late}"] if one.late else []
        return record.earned, "refused" if any(map(REFUSED.search, told)) else status, told

    def _rules(self) -> dict[str, bool]:
        """Whether what lies below a path may be read; the longest path decides."""
        withheld = ["/", *self.withheld, *gambook.__path__]
        lent = [*SYSTEM, sys.prefix, sys.base_prefix, data_folder(), *gamlib.__path__]
        allowed = dict.fromkeys(withheld, False) | dict.fromkeys(lent, True)
        return {str(Path(path).resolve()): may for path, may in allowed.items()}
