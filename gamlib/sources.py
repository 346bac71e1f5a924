"""What a result is made of: modules with all that they import, checkpoints beside them, values by what they hold.

Imports are read from the code, so nothing is run and no list of modules is kept by hand.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import inspect
import linecache
import os
import re
import sys
import textwrap
import types
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

# Files that a network may be made from.
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".bin", ".npz", ".npy", ".pkl", ".onnx")
SETTINGS = (".json", ".yaml", ".yml", ".toml", ".ini", ".cfg")
PLAIN = (str, bytes, int, float, complex, Path, type(None))


class Unread(ValueError):
    """A value of which nothing tells one version from another; the text says what it is."""


class NoSource(ValueError):
    """Code of a notebook or script whose source is not to be had."""


def files_digest(files: Mapping[str, Path]) -> str:
    """SHA-256 over the contents of files and the names that stand for them, as hexadecimal text."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def imports(code: str, package: str = "") -> set[str]:
    """Dotted names that Python code may import, inside functions too; `package` is what relative ones start from.

    Examples
    --------
    >>> sorted(imports("from . import a", "b")), sorted(imports("import a.b"))
    (['b', 'b.a'], ['a.b'])
    """
    try:
        tree = ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", code, flags=re.MULTILINE))
    except SyntaxError:
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            # more dots than packages above: it will say so when it runs, as wrong syntax does
            above = min(node.level, package.count(".") + 1)
            base = resolve_name("." * above + (node.module or ""), package)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def imported_files(names: Iterable[str], roots: Sequence[Path]) -> dict[str, Path]:
    """Module -> file, of the named modules that lie below one of the roots and of all that these import from there.

    gamlib is left out: it counts as a whole.
    """
    found: dict[str, Path] = {}
    waiting, seen = set(names), {"", "gamlib"}
    while waiting := waiting - seen:
        name = waiting.pop()
        seen.add(name)
        if name.startswith("gamlib."):
            continue
        parent = name.rpartition(".")[0]
        places = [root.joinpath(*name.split(".")) for root in roots]
        files = [file for place in places for file in (place / "__init__.py", place.with_suffix(".py"))]
        if file := next((file for file in files if file.is_file()), None):
            found[name] = file
            waiting |= imports(file.read_text("utf-8", "replace"), name if file.name == "__init__.py" else parent)
        # to import a.b is to import a, too
        waiting.add(parent)
    return found


# Own modules as they were when this process was about to import them, or first looked.
_IMPORTED: dict[str, str] = {}


def network_state(module: str) -> object:
    """State of a module that is no installed package; None for one that is.

    Its files and those of all such that it imports by content, checkpoints and settings in its package by size and
    time. ValueError where a file has been edited since this process has imported it: what runs is what was imported.
    """
    given = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), os.getcwd()]
    # a package installed in place is on the path, but not in a folder of this Python
    installed = (place for place in sys.path if not place.startswith((sys.prefix, sys.base_prefix)))
    files = imported_files({module}, [Path(place) for place in [*given, *installed] if place])
    if module not in files:
        return None
    digests = {name: files_digest({name: file}) for name, file in files.items()}
    for name, digest in digests.items():
        if name not in sys.modules:
            _IMPORTED.pop(name, None)
        if _IMPORTED.setdefault(name, digest) != digest:
            raise ValueError(
                f"'{name}' has been edited since this process has imported it, and may run as it was, even if "
                "loaded again; start the notebook's kernel, or the program, again"
            )
    file = files[module]
    above = module.count(".") - (file.name != "__init__.py")
    beside = file.parents[above].rglob("*") if above >= 0 else file.parent.glob("*")
    kinds = CHECKPOINTS + SETTINGS
    return digests, {str(path): file_state(path) for path in sorted(beside) if path.suffix in kinds}


def content(value: Any, strict: bool = True, met: dict[int, tuple[int, Any]] | None = None) -> Any:
    """What a value holds, for a digest, whatever its `repr` leaves out.

    Numbers, texts and paths; arrays, tensors, tables and images; records; groups of these; modules by their files.
    Functions and classes count by their source with what a function has kept, those of `__main__`, a notebook or a
    script, with all there that they name, those of gamlib, whose sources count as a whole, by name. ValueError naming
    the type of anything else (Unread); not strict, as for what code names, it counts by its class: the weights of
    networks count elsewhere. met: id -> number and value of each function, class and record so far, said once.
    """
    met = {} if met is None else met
    again = functools.partial(content, strict=strict, met=met)
    if isinstance(value, PLAIN):
        return repr(value)
    if inspect.ismodule(value):
        return network_state(value.__name__)
    code = inspect.isfunction(value) or inspect.isclass(value)
    if code or dataclasses.is_dataclass(value):
        if id(value) in met:
            return met[id(value)][0]
        met[id(value)] = len(met), value
        if code:
            return _code(value, strict, met)
        held = {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
        items = [*value.items()] if isinstance(value, Mapping) else []
        return [_kind(value, strict, met), again(held | getattr(value, "__dict__", {})), again(items)]
    if isinstance(value, functools.partial):
        return again([value.func, value.args, value.keywords])
    # what functools.lru_cache makes of a function
    if hasattr(value, "cache_info"):
        return again(value.__wrapped__)
    if isinstance(value, Mapping):
        return [[again(key), again(each)] for key, each in value.items()]
    if isinstance(value, list | tuple | range):
        return [type(value).__name__, *map(again, value)]
    if isinstance(value, set | frozenset):
        # each as if alone: the order of a set is another in every process, and so would be the numbers in `met`
        return sorted(str(content(each, strict, dict(met))) for each in value)
    if hasattr(value, "to_csv"):
        return value.to_csv()
    # arrays and tensors, of which repr shows a few numbers
    if hasattr(value, "tolist"):
        return repr(value.tolist())
    if hasattr(value, "tobytes"):
        return [value.mode, value.size, hashlib.sha256(value.tobytes()).hexdigest()]
    if strict:
        raise Unread(f"a {type(value).__name__}")
    return _kind(value, strict, met)


def _kind(value: Any, strict: bool, met: dict[int, tuple[int, Any]]) -> Any:
    """The class of a value: strict, its name; else its code, or what it holds where it has no code of its own."""
    kind = type(value)
    try:
        return kind.__qualname__ if strict else content(kind, strict, met)
    except NoSource:
        held = {name: each for name, each in vars(kind).items() if not name.startswith("__")}
        return [kind.__qualname__, content(held, strict, met)]


def _code(code: Any, strict: bool, met: dict[int, tuple[int, Any]]) -> Any:
    """A function or class, as `content` has it."""
    name, module = code.__qualname__, code.__module__ or ""
    if module.partition(".")[0] == "gamlib":
        return name
    state: Any
    if module == "__main__":
        home, source = vars(sys.modules[module]), _source(code)
        if code.__name__ == "<lambda>":
            # whose lines need not be a statement
            names = _named(code.__code__)
        else:
            names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        state = [source, {each: content(home[each], False, met) for each in sorted(names & home.keys())}]
    else:
        state = network_state(module)
        file = getattr(sys.modules.get(module), "__file__", None)
        if strict and state is None and file:
            state = files_digest({name: Path(file)})
    if state is None or inspect.isclass(code):
        return [name, state]
    made, cells = code.__code__, code.__closure__ or ()
    # two on one line share their source
    own = [made.co_code, made.co_names, [each for each in made.co_consts if isinstance(each, PLAIN)]]
    # a variable of the function around it may have no value yet
    held = [cell.cell_contents for cell in cells if cell != types.CellType()]
    kept = [code.__defaults__, code.__kwdefaults__, held]
    return [name, state, content([own, kept], strict, met)]


def _named(code: types.CodeType) -> set[str]:
    """Names in a function's code and in that of the functions in it."""
    return {*code.co_names}.union(*(_named(each) for each in code.co_consts if inspect.iscode(each)))


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


def file_state(file: Path) -> tuple[int, int]:
    """Size and time of change: what tells a large file from another version of it, unread."""
    return file.stat().st_size, file.stat().st_mtime_ns
