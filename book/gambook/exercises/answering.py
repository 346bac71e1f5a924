"""What the process of a submission does: it runs the cells, and calls the functions that they have defined."""

from __future__ import annotations

import builtins
import functools
import importlib.util
import linecache
import os
import re
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import torch
from IPython.core.inputtransformer2 import TransformerManager

from gambook.exercises.landlock import PR_SET_PDEATHSIG, confine, prctl
from gambook.exercises.plain import encode, network_of, send


def answer_calls(line: Connection, own: str, place: str) -> None:
    """Run the cells in `own`, then answer calls until the grader hangs up; files of checks lie in `place`."""
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    if sys.platform == "linux":
        # where memory runs out, the system is to end this process before any other
        Path("/proc/self/oom_score_adj").write_text("1000")
    # what a submission prints goes nowhere, and neither do its errors
    os.dup2(1, 2)
    os.mkdir(f"{own}/work")
    os.mkdir(f"{own}/tmp")
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "TMPDIR"):
        os.environ[name] = f"{own}/tmp"
    tempfile.tempdir = None
    os.chdir(f"{own}/work")
    send(line, place)
    job = line.recv()
    main = sys.modules["__main__"] = ModuleType("__main__")
    # Jupyter goes on after exit(), and what it is asked for else does nothing here
    vars(builtins).update(dict.fromkeys(("exit", "quit", "display", "get_ipython"), _Nothing()))
    # neither do check cells: what they import is there, and is ours no more than by name
    held: dict[str, Any] = dict.fromkeys(job["checks"], _Nothing())
    for name in ("gambook.exercises.checks", "gambook.exercises", "gambook"):
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(held)
        held = {name.rpartition(".")[2]: sys.modules[name]}
    rules = {**job["rules"], own: True, place: True}
    rules |= _withhold_answers(job["answers"])
    confine(rules, [own, place])
    _withhold(rules)
    send(line, [_run(text, f"<cell {number}>", vars(main)) for number, text in enumerate(job["cells"])])
    while True:
        request = line.recv()
        send(line, _answer(line, vars(main), request))


class _Nothing:
    """Whatever is asked of it, it does nothing, gives itself, and keeps nothing."""

    def __getattr__(self, name: str) -> _Nothing:
        return self

    def __call__(self, *values: Any, **options: Any) -> _Nothing:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __str__(self) -> str:
        return ""


def _withhold_answers(name: str) -> dict[str, bool]:
    """Take a module's functions away, and say which files would bring them back."""
    if not name:
        return {}
    for function in vars(sys.modules[name]).values():
        if isinstance(function, FunctionType) and function.__module__ == name and not function.__closure__:
            function.__code__ = _no_answer.__code__
    path = str(sys.modules[name].__file__)
    return {path: False, importlib.util.cache_from_source(path): False}


def _withhold(rules: Mapping[str, bool]) -> None:
    """Refuse to open a file where the longest path of `rules` that holds it says so, and say it.

    An audit hook cannot be taken off again, and every system has it; of what does not go through Python's own `open`
    it knows nothing.
    """
    order, realpath = sorted(rules, key=len, reverse=True), os.path.realpath

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = str.__str__(realpath(os.fsdecode(arguments[0])))
            root = next((root for root in order if f"{path}/".startswith(f"{root.rstrip('/')}/")), None)
            if root and not rules[root]:
                raise PermissionError(f"{path} is withheld while grading")

    sys.addaudithook(hook)


def _no_answer(*values: Any, **options: Any) -> None:
    raise PermissionError("gamlib's own answer is withheld while grading")


def _run(text: str, name: str, names: dict) -> str:
    """Run a cell; what stops it, in words, or nothing."""
    try:
        text = without_magics(text)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), names)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


def without_magics(cell: str) -> str:
    r"""A cell in plain Python: what is for Jupyter, such as %pip, is asked of `get_ipython()`.

    Examples
    --------
    >>> without_magics("%%time\nif True:\n    !ls\nx = (7\n    % 4)")
    "if True:\n    get_ipython().system('ls')\nx = (7\n    % 4)\n"
    """
    # of the magics for whole cells these run it as Python
    return TransformerManager().transform_cell(re.sub(r"\A\s*(%%(time|timeit|capture|prun)\b.*\n)+", "", cell))


def _answer(line: Connection, names: dict, request: dict) -> dict:
    """Call one of the submission's functions: {"value"} or {"raised"}, and how it leaves the network."""
    arguments = [functools.partial(_maps, line) if one is None else one for one in request["arguments"]]
    network = network_of(arguments)
    answer: dict[str, Any] = {}
    try:
        with torch.inference_mode(request["inference"]):
            answer["value"] = encode(names[request["call"]](*arguments, **request["options"]))
    except BaseException as error:
        theirs = [f.line or "" for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<cell ")]
        answer = {"raised": [[kind.__name__ for kind in type(error).__mro__], str(error), theirs[-1] if theirs else ""]}
    if network is not None:
        hooks = any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in network.modules())
        grads = any(parameter.grad is not None for parameter in network.parameters())
        answer["network"] = {"weights": encode(network.state_dict()), "hooks": hooks, "grads": grads}
    return answer


def _maps(line: Connection, model: Any, x: Any) -> Any:
    """What the check's method makes of a model and images; it runs on the other side."""
    send(line, {"method": {"weights": encode(model.module.state_dict()), "x": encode(x)}})
    reply = line.recv()
    if "raised" in reply:
        raise reply["raised"]
    return reply["value"]
