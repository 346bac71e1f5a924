"""The process that forks one for each submission, from the grader's side: started, spoken to, ended."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe

from gambook.publish.run import THREADS, kernel_environment

# What a submission finds of the grader's environment; the rest may hold secrets.
ENVIRONMENT = {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CACHE_HOME", "GAMLIB_DATA", "PYTHONHASHSEED", *THREADS}


class Forks:
    """Starts at once, beside what else the caller has to load; starts again where something has ended it.

    All submissions end with it when it is closed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._start()

    def close(self) -> None:
        """Hang up; nothing of any submission is left when this returns."""
        with self._lock:
            self._control.close()
        self._process.wait()

    def open(self) -> Connection:
        """A line to a new submission's process."""
        with self._lock:
            if self._control.fileno() == -1:  # closed
                raise ConnectionError("the grading has ended")
            ours, theirs = Pipe()
            with theirs:
                try:
                    socket.send_fds(self._control, [b"1"], [theirs.fileno()])
                except OSError:  # it has ended in this moment
                    self._start()
                    socket.send_fds(self._control, [b"1"], [theirs.fileno()])
            return ours

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        environment = {name: value for name, value in kernel_environment().items() if name in ENVIRONMENT}
        # macOS ends processes that fork once they have loaded what torch loads, unless it is told so
        environment |= {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES", "MPLBACKEND": "agg"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "gambook.exercises.child", str(theirs.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
