"""The process that forks one for each submission, from the grader's side: started, spoken to, ended."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading

from gambook.publish.run import THREADS, kernel_environment

# What a submission finds of the grader's environment; the rest may hold secrets.
ENVIRONMENT = {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CACHE_HOME", "GAMLIB_DATA", "PYTHONHASHSEED", *THREADS}


class Forks:
    """Starts at once, beside what else the caller has to load; starts again where something has ended it.

    Ends with its `with` block, or when told so, and all submissions with it.
    """

    def __init__(self) -> None:
        self._lock, self._open, self._closed = threading.Lock(), set[socket.socket](), False
        self._start()

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; nothing of any submission is left when this returns."""
        with self._lock:
            self._closed = True
            for channel in self._open:
                hang_up(channel)
        self._control.close()
        self._process.wait()

    def open(self) -> tuple[socket.socket, str]:
        """A line to a new submission's process, and the folder in which those of all submissions lie."""
        with self._lock:
            if self._closed:
                raise ConnectionError("the grading has ended")
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    socket.send_fds(self._control, [b"1"], [theirs.fileno()])
                except OSError:
                    self._start()
                    socket.send_fds(self._control, [b"1"], [theirs.fileno()])
            self._folder = self._folder or self._control.recv(4096).decode()
            if not self._folder:
                raise ConnectionError("the process for submissions has not started; its error is above")
            self._open.add(ours)
            return ours, self._folder

    def _start(self) -> None:
        self._folder = ""
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


def hang_up(channel: socket.socket) -> None:
    """End the process at the other end of a line, which may have ended before."""
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)
