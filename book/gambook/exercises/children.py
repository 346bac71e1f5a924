"""The processes of the submissions as our checks see them: functions to call, and values that come back.

Values cross as plain data; no object of a submission is ever made here, and no right answer is sent.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from torch import nn

from gambook.exercises.checks import CHECKS
from gambook.exercises.checks.scoring import Function, Miss
from gambook.exercises.plain import decode, decode_error, encode, encode_error, receive, send
from gambook.publish.run import THREADS
from gamlib.data.fetch import data_folder
from gamlib.models import Model

# What a submission finds of the grader's environment; the rest may hold secrets.
ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CACHE_HOME")
# Exercise -> the module of gamlib that holds an answer to it.
ANSWERS = {"ex02": "gamlib.methods", "ex04": "gamlib.methods", "ex05": "gamlib.methods", "ex06": "gamlib.metrics"}
# Of the images that a submission may ask maps for.
MOST_IMAGES = 64


class Children:
    """The process that forks one for each submission; a new one where something has ended it."""

    def __init__(self, rules: Mapping[str, bool]) -> None:
        self.rules = rules
        # one check compares at a time: torch has one seed for all threads
        self.turn = threading.Lock()
        self._lock, self._open, self._closed = threading.Lock(), set[Child](), False
        self._start()

    def child(self, limit: float) -> Child:
        """A process for one submission."""
        with self._lock:
            if self._closed:
                raise ConnectionError("the grading has ended")
            ours, theirs = socket.socketpair()
            try:
                socket.send_fds(self._control, [b"1"], [theirs.fileno()])
            except OSError:
                self._start()
                socket.send_fds(self._control, [b"1"], [theirs.fileno()])
            theirs.close()
            child = Child(ours, self, limit)
            self._open.add(child)
            return child

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | THREADS
        # macOS ends processes that fork once they have loaded what torch loads, unless it is told so
        environment |= {"GAMLIB_DATA": str(data_folder().resolve()), "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("child.py")), str(theirs.fileno())],
            env=environment | {"MPLBACKEND": "agg", "PYTHONHASHSEED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self.folder = self._control.recv(4096).decode()

    def close(self) -> None:
        """Hang up; all submissions end, and this returns when nothing of them is left."""
        with self._lock:
            self._closed = True
        for child in self._open:
            child.hang_up("error")
        self._control.close()
        self._process.wait()


class Child:
    """The process of one submission, as our checks see it."""

    def __init__(self, channel: socket.socket, children: Children, limit: float) -> None:
        self.end, self.turn = "", children.turn
        self._channel, self._file, self._children = channel, cast(BinaryIO, channel.makefile("rwb")), children
        # files of a check lie where the process that removes all others removes them, too
        self.place = tempfile.mkdtemp(dir=children.folder)
        self._limit, self._timer = limit, threading.Timer(limit, self.hang_up, ["timeout"])
        self._timer.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self.hang_up(self.end)
        # what was not read on the other side is nobody's loss
        with contextlib.suppress(OSError):
            self._file.close()
        self._channel.close()

    def hang_up(self, end: str) -> None:
        """End the process; why, unless it has ended before."""
        self.end = self.end or end
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def run(self, cells: Sequence[str], exercise: str) -> list[str]:
        """Run cells; what stops each, or nothing."""
        rules = {**self._children.rules, self._children.folder: False, self.place: True}
        job = {
            "rules": rules,
            "place": self.place,
            "checks": [*CHECKS, "report"],
            "answers": ANSWERS.get(exercise, ""),
            "cells": [without_magics(cell) for cell in cells],
        }
        try:
            with self.turn:
                return [str(error) for error in self._ask(job)]
        except Miss:
            # each of its functions will say so
            return []

    def function(self, name: str) -> Function:
        """A function of the submission, called in its process."""
        return _Theirs(self, name)

    def _ask(self, message: Any) -> Any:
        """Send a message and wait for the answer, while others compare; a Miss where the process has ended."""
        try:
            self.turn.release()
            try:
                send(self._file, message)
                return receive(self._file)
            finally:
                self.turn.acquire()
        except (EOFError, OSError):
            self.end = self.end or "error"
            stopped = f"stopped after {self._limit:g} s" if self.end == "timeout" else "the process has ended"
            raise Miss(stopped) from None

    def call(self, name: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """What a function of the submission returns or raises; what it has done to a network is done to ours."""
        model = next((one for one in arguments if isinstance(one, Model)), None)
        network = model.module if model else next((one for one in arguments if isinstance(one, nn.Sequential)), None)
        reply = self._ask(
            {
                "call": name,
                "network": network and {"parts": list(map(repr, network)), "weights": encode(network.state_dict())},
                "arguments": [_handed_over(one, network) for one in arguments],
                "options": {key: encode(value) for key, value in options.items()},
                "inference": torch.is_inference_mode_enabled(),
            }
        )
        while model and "method" in reply:
            reply = self._ask(_mapped(arguments[0], model, reply["method"]))
        if network is not None:
            left = reply["network"]
            network.load_state_dict(decode(left["weights"]))
            if left["hooks"]:
                network.register_forward_hook(lambda *_: None)
            for parameter in network.parameters() if left["grads"] else ():
                parameter.grad = torch.zeros_like(parameter)
        if "raised" in reply:
            raise decode_error(*reply["raised"])
        return decode(reply["value"])


@dataclass(frozen=True)
class _Theirs:
    """A function of a submission."""

    child: Child
    name: str

    @property
    def place(self) -> str:
        """Folder for the files of a check."""
        return self.child.place

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.child.call(self.name, arguments, options)


def _handed_over(argument: Any, network: nn.Module | None) -> Any:
    """An argument for the other side, where the network is built anew."""
    if isinstance(argument, Model):
        transform = argument.transform
        return {"model": encode([list(argument.layers), transform.input_size, transform.mean, transform.std])}
    if network is not None and isinstance(argument, nn.Module):
        name = next(name for name, part in network.named_modules() if part is argument)
        return {"part": name} if name else {"network": None}
    return {"function": None} if callable(argument) else encode(argument)


def _mapped(method: Callable, model: Model, asked: Mapping) -> dict:
    """A method's maps with the weights and images that a submission gives it."""
    try:
        model.module.load_state_dict(decode(asked["weights"]))
        x = decode(asked["x"])
        if x.shape[1:] != (3, *model.transform.input_size) or not 0 < len(x) <= MOST_IMAGES:
            raise ValueError(f"x {tuple(x.shape)}: give the images of the check, as they are")
        return {"value": encode(method(model, x))}
    except Exception as error:
        # it is the caller's to see, on the other side
        return {"raised": encode_error(error, "")}


def without_magics(cell: str) -> str:
    r"""A cell that plain Python runs: lines for IPython, such as %pip, stand for a statement that does nothing.

    Examples
    --------
    >>> without_magics("%%time\nif True:\n    %pip install x\n!ls\nhelp?")
    'pass\nif True:\n    pass\npass\npass'
    """
    return re.sub(r"(?m)^([ \t]*)(?:[%!].*|\??[\w.]+\?+)$", r"\1pass", cell)
