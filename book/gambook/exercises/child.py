"""Where students' code runs: processes that hold no right answer and are given none.

`python -I -m gambook.exercises.child FD` imports once what submissions need, and forks for each socket that it receives
a guard, which forks the submission's own process. The guard ends all that the submission has started and removes its
folder as soon as the submission ends or the grader hangs up, be it finished, stopped or killed. Nothing here, nor what
it imports, imports the checks.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import select
import shutil
import socket
import sys
import tempfile
from multiprocessing.connection import Connection

import psutil

from gambook.exercises.answering import answer_calls
from gambook.exercises.landlock import PR_SET_CHILD_SUBREAPER, prctl

PRELOADED = ("pandas", "gamlib.data", "gamlib.metrics", "gamlib.plots", "gamlib.sanity")
FORK = multiprocessing.get_context("fork")


def serve(control: socket.socket) -> None:
    """Fork a guard for each socket that comes, until the grader hangs up."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    with tempfile.TemporaryDirectory(prefix="gam-grade-", ignore_cleanup_errors=True) as folder:
        for name in PRELOADED:
            importlib.import_module(name)
        while fds := socket.recv_fds(control, 1, 1)[1]:
            FORK.Process(target=_guard, args=(control, fds[0], folder)).start()
            os.close(fds[0])
        _end_descendants()


def _guard(control: socket.socket, channel: int, folder: str) -> None:
    """Run one submission, and clean up behind it."""
    control.close()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    # a check may still look at its files in `place` when the submission has ended
    own, place = tempfile.mkdtemp(dir=folder), tempfile.mkdtemp(dir=folder)
    line = Connection(channel)
    submission = FORK.Process(target=answer_calls, args=(line, own, place))
    submission.start()
    hangup = select.poll()
    hangup.register(line, 0)
    while not hangup.poll(50) and submission.is_alive():
        pass
    _end_descendants()
    shutil.rmtree(own, ignore_errors=True)


def _end_descendants() -> None:
    """Kill all that this process has started, however detached, until none is left."""
    while family := psutil.Process().children(recursive=True):
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=5)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
