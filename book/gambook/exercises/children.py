"""The processes of the submissions as our checks see them: functions to call, and values that come back.

No object of a submission is ever made here, and no right answer is sent.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import pickle
import socket
import threading
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from gambook.exercises.checks import CHECKS
from gambook.exercises.checks.scoring import Function, Miss
from gambook.exercises.forks import Forks
from gambook.exercises.plain import decode, decode_error, network_of, receive
from gamlib.models import Model

# Exercise -> the module of gamlib that holds an answer to it.
ANSWERS = {"ex02": "gamlib.methods", "ex04": "gamlib.methods", "ex05": "gamlib.methods", "ex06": "gamlib.metrics"}
# Of the images that a submission may ask maps for.
MOST_IMAGES = 64


class Child:
    """The process of one submission, as our checks see it. limit: seconds that it has in all."""

    def __init__(self, forks: Forks, limit: float) -> None:
        self.end, self._line = "", forks.open()
        try:
            self._place = receive(self._line)
        except (EOFError, OSError):
            raise ConnectionError("the process for submissions has not started; its error is above") from None
        self._limit, self._timer = limit, threading.Timer(limit, self._stop)
        self._timer.start()

    def close(self) -> None:
        """End the process, whether or not it has ended before."""
        self._timer.cancel()
        # so that it stops no line that has this one's number next
        self._timer.join()
        self._line.close()

    def _stop(self) -> None:
        self.end = self.end or "timeout"
        # to close the line would not wake who waits for an answer
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._line.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def run(self, cells: Sequence[str], exercise: str, rules: Mapping[str, bool]) -> list[str]:
        """Run cells; what stops each, or nothing. rules: which folders may be read."""
        job = {"rules": dict(rules), "answers": ANSWERS.get(exercise, ""), "cells": list(cells)}
        job["checks"] = [*CHECKS, "report"]
        try:
            return [str(error) for error in self._ask(job)]
        except Miss:
            # each of its functions will say so
            return []

    def function(self, name: str) -> Function:
        """A function of the submission, called in its process; its `place` is a folder for the files of a check."""
        theirs = functools.partial(self._call, name)
        vars(theirs)["place"] = self._place
        return theirs

    def _ask(self, message: Any) -> Any:
        """Send a message and wait for the answer; a Miss where the process has ended."""
        try:
            self._line.send_bytes(pickled(message))
            return receive(self._line)
        except (EOFError, OSError):
            self.end = self.end or "error"
            stopped = f"stopped after {self._limit:g} s" if self.end == "timeout" else "the process has ended"
            raise Miss(stopped) from None

    def _call(self, name: str, /, *arguments: Any, **options: Any) -> Any:
        """What a function of the submission returns or raises; what it has done to a network is done to ours."""
        network = network_of(arguments)
        if network is not None:
            # what the call before has left there has been looked at
            network._forward_hooks.clear()
        # a method of the check stays here, so that nothing but its maps tells which one it is
        sent = [None if isinstance(one, FunctionType) else one for one in arguments]
        inference = torch.is_inference_mode_enabled()
        reply = self._ask({"call": name, "arguments": sent, "options": options, "inference": inference})
        while "method" in reply:
            reply = self._ask(_mapped(arguments, reply["method"]))
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


def pickled(message: Any) -> bytes:
    """A message with the values of its tensors and no more: with a view all would be sent that it is a view of."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer)
    pickler.dispatch_table = {
        Tensor: lambda one: one.clone().__reduce_ex__(pickle.HIGHEST_PROTOCOL),
        # which refuses to be pickled elsewhere: ours has no features but parts of its network
        Model: lambda one: (Model, (one.module, one.layers, one.features, one.head, one.transform)),
    }
    pickler.dump(message)
    return buffer.getvalue()


def _mapped(arguments: Sequence, asked: Mapping) -> dict:
    """Maps of the method among the arguments of a call, with the weights and images that a submission gives it."""
    try:
        method, model = arguments[:2]
        model.module.load_state_dict(decode(asked["weights"]))
        x = decode(asked["x"])
        if x.shape[1:] != (3, *model.transform.input_size) or not 0 < len(x) <= MOST_IMAGES:
            raise ValueError(f"x {tuple(x.shape)}: give the images of the check, as they are")
        return {"value": method(model, x)}
    except Exception as error:
        # it is the caller's to see, on the other side
        return {"raised": error}
