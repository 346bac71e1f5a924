"""Run a notebook that nobody has read: in a process group of its own, with a limit that its kernel obeys, too."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from gambook.publish.run import kernel_environment

# Every process of a submission inherits this variable, and is found by it however it has detached itself.
MARK = "GAMLIB_SUBMISSION"


def run_confined(job: Mapping, errors: Path, limit: float) -> str | None:
    """Run execute.py on a job; its last words, or None where the time was up.

    errors: file for what it says. limit: seconds. Nothing that the notebook has started is left afterwards: the
    kernel is in a group of its own, and what it starts may be in any, so all are ended by their mark.
    """
    mark = secrets.token_hex(16)
    with errors.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("execute.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=file,
            text=True,
            env=kernel_environment() | {MARK: mark},
            start_new_session=True,
        )
        try:
            process.stdin.write(json.dumps(job))
            process.stdin.close()
            process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            _end_marked(mark)
            process.wait()
    return (errors.read_text(errors="replace").strip().splitlines() or [""])[-1]


def _end_marked(mark: str) -> None:
    """Kill every process that carries this mark, again until none is left."""
    while found := list(_marked(mark)):
        for process in found:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(found, timeout=5)


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                yield process
        except psutil.Error:
            continue
