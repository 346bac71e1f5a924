"""What a value holds and what code names, for a digest: whatever makes a result another is another here."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import inspect
import linecache
import sys
import textwrap
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gamlib.sources import files_digest, network_state

PLAIN = (str, bytes, int, float, complex, Path, type(None))


class Unread(ValueError):
    """A value of which nothing tells one version from another; the text says what it is."""


class NoSource(ValueError):
    """Code of a notebook or script whose source is not to be had."""


def held(value: Any) -> Any:
    """What a value holds, whatever its `repr` leaves out, as lists and texts.

    Numbers, texts and paths; arrays, tensors, tables and images; records; groups of these; modules by their files.
    Functions and classes count by their source with what a function has kept, those of `__main__`, a notebook or a
    script, with all there that they name, those of gamlib, whose sources count as a whole, by name. Unread, naming the
    type, for anything else.
    """
    return _Held({})(value)


def named(value: Any) -> Any:
    """What a value holds that code names, as `held` has it; what it cannot read counts by its class.

    That is enough for networks, whose weights count elsewhere.
    """
    return _Named({})(value)


class _Held:
    """Reads values one within the other.

    met: id -> number and value of each function, class and record so far, which is said once.
    """

    def __init__(self, met: dict[int, tuple[int, Any]]) -> None:
        self.met = met

    def __call__(self, value: Any) -> Any:
        if isinstance(value, PLAIN):
            return repr(value)
        if inspect.ismodule(value):
            return network_state(value.__name__)
        code = inspect.isfunction(value) or inspect.isclass(value)
        if code or dataclasses.is_dataclass(value):
            if id(value) in self.met:
                return self.met[id(value)][0]
            self.met[id(value)] = len(self.met), value
            return self.code(value) if code else self.record(value)
        if isinstance(value, functools.partial):
            return self([value.func, value.args, value.keywords])
        # what functools.lru_cache makes of a function
        if hasattr(value, "cache_info"):
            return self(value.__wrapped__)
        if isinstance(value, Mapping):
            return [[self(key), self(each)] for key, each in value.items()]
        if isinstance(value, list | tuple | range):
            return [type(value).__name__, *map(self, value)]
        if isinstance(value, set | frozenset):
            # each as if alone: the order of a set is another in every process, and so would be the numbers in `met`
            return sorted(str(type(self)(dict(self.met))(each)) for each in value)
        if hasattr(value, "to_csv"):
            return value.to_csv()
        # arrays and tensors, of which repr shows a few numbers
        if hasattr(value, "tolist"):
            return repr(value.tolist())
        if hasattr(value, "tobytes"):
            return [value.mode, value.size, hashlib.sha256(value.tobytes()).hexdigest()]
        return self.other(value)

    def other(self, value: Any) -> Any:
        """Anything else."""
        raise Unread(f"a {type(value).__name__}")

    def kind(self, value: Any) -> Any:
        """The class of a value."""
        return type(value).__qualname__

    def record(self, value: Any) -> Any:
        """An instance of a dataclass, with what it holds beside its fields."""
        fields = {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
        items = [*value.items()] if isinstance(value, Mapping) else []
        return [self.kind(value), self(fields | getattr(value, "__dict__", {})), self(items)]

    def code(self, code: Any) -> Any:
        """A function or class."""
        name, module = code.__qualname__, code.__module__ or ""
        if module.partition(".")[0] == "gamlib":
            return name
        state = self.notebook_code(code) if module == "__main__" else self.module_code(module)
        if state is None or inspect.isclass(code):
            return [name, state]
        made, cells = code.__code__, code.__closure__ or ()
        # two on one line share their source
        own = [made.co_code, made.co_names, [each for each in made.co_consts if isinstance(each, PLAIN)]]
        # a variable of the function around it may have no value yet
        closed = [cell.cell_contents for cell in cells if cell != types.CellType()]
        return [name, state, self([own, [code.__defaults__, code.__kwdefaults__, closed]])]

    def notebook_code(self, code: Any) -> Any:
        """The source of a function or class of `__main__`, and all there that it names."""
        home, source = vars(sys.modules["__main__"]), _source(code)
        if code.__name__ == "<lambda>":
            # whose lines need not be a statement
            names = _names(code.__code__)
        else:
            names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        read = _Named(self.met)
        return [source, {each: read(home[each]) for each in sorted(names & home.keys())}]

    def module_code(self, module: str) -> Any:
        """The files of a module; that of an installed one alone."""
        file = getattr(sys.modules.get(module), "__file__", None)
        return network_state(module) or (files_digest({module: Path(file)}) if file else None)


class _Named(_Held):
    def other(self, value: Any) -> Any:
        return self.kind(value)

    def kind(self, value: Any) -> Any:
        """The code of its class, or what the class holds where it has no code of its own."""
        kind = type(value)
        try:
            return self(kind)
        except NoSource:
            return [kind.__qualname__, self({name: each for name, each in vars(kind).items() if name[:2] != "__"})]

    def module_code(self, module: str) -> Any:
        """The files of a module that is not installed: the lock says which versions are."""
        return network_state(module)


def _names(code: types.CodeType) -> set[str]:
    """Names in a function's code and in that of the functions in it."""
    return {*code.co_names}.union(*(_names(each) for each in code.co_consts if inspect.iscode(each)))


def _source(value: Any) -> str:
    """The code of a function, or that of a class, which a notebook keeps only with the cells of its methods."""
    try:
        if inspect.isfunction(value):
            return textwrap.dedent(inspect.getsource(value))
        own = [getattr(each, "__func__", getattr(each, "fget", each)) for each in vars(value).values()]
        files = {each.__code__.co_filename for each in own if inspect.isfunction(each)}
        code = "".join(line for file in sorted(files) for line in linecache.getlines(file))
        classes = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ClassDef))
        return next(ast.unparse(node) for node in classes if node.name == value.__name__)
    except (OSError, StopIteration, SyntaxError):
        raise NoSource(
            f"'{value.__name__}' of __main__ has no source to be had, so one version's results could not be told from "
            "another's; put it in a file of its own"
        ) from None
