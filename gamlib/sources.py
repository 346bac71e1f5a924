"""The source files behind a result: a module with all that it imports, and an own network with its checkpoints.

Imports are read from the code, so nothing is run and no list of modules is kept by hand.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
import inspect
import linecache
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

# Files that a network may be made from.
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".bin", ".npz", ".npy", ".pkl", ".onnx")
SETTINGS = (".json", ".yaml", ".yml", ".toml", ".ini", ".cfg")
PLAIN = (str, bytes, int, float, complex, Path, type(None))


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


def own_files(module: str) -> dict[str, Path]:
    """Files of a module that is no installed package, and of all such that it imports; empty where there are none."""
    given = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), os.getcwd()]
    # a package installed in place is on the path, but not in a folder of this Python
    installed = (place for place in sys.path if not place.startswith((sys.prefix, sys.base_prefix)))
    return imported_files({module}, [Path(place) for place in [*given, *installed] if place])


_FIRST_SEEN: dict[Path, str] = {}


def check_unedited(module: str) -> None:
    """ValueError where a file of own code has been edited since the first call: what runs is what was imported."""
    for name, file in own_files(module).items():
        digest = files_digest({name: file})
        if _FIRST_SEEN.setdefault(file, digest) != digest:
            raise ValueError(
                f"'{name}' has been edited since this process has imported it, and runs as it was; start the "
                "notebook's kernel, or the program, again"
            )


def network_state(module: str) -> object:
    """State of an own network: its modules by content, checkpoints and settings in its package by size and time."""
    files = own_files(module)
    if module not in files:
        return None
    file = files[module]
    above = module.count(".") - (file.name != "__init__.py")
    beside = file.parents[above].rglob("*") if above >= 0 else file.parent.glob("*")
    kinds = CHECKPOINTS + SETTINGS
    return files_digest(files), {str(path): file_state(path) for path in sorted(beside) if path.suffix in kinds}


def cell_state(name: str) -> dict[str, object]:
    """State of a function or class of `__main__`, a notebook or a script, and of all there that its code names.

    Functions and classes count by their source, values by what they hold, modules by their files. ValueError where
    the source is not to be had.
    """
    home = vars(sys.modules["__main__"])
    found: dict[str, object] = {}
    waiting = {name}
    while waiting := {each for each in waiting if each in home} - found.keys():
        each = waiting.pop()
        value = home[each]
        kind = value if inspect.isfunction(value) or inspect.isclass(value) else type(value)
        if inspect.ismodule(value) or (kind is value and kind.__module__ != "__main__"):
            module = getattr(value, "__module__", None) or getattr(value, "__name__", "")
            found[each] = network_state(module) if module != "__main__" else None
        elif kind.__module__ == "__main__":
            found[each] = source = _source(kind)
            waiting |= {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)} | {kind.__name__}
        else:
            # networks and the like, whose weights count elsewhere, by their code alone
            with contextlib.suppress(ValueError):
                found[each] = content(value)
            found.setdefault(each, network_state(kind.__module__))
    return found


def content(value: Any) -> Any:
    """What a value holds, for a digest, whatever its `repr` leaves out.

    Numbers, texts and paths; arrays, tensors, tables and images; functions and classes by their source, with what a
    function has kept; records; groups of these. ValueError naming the type of anything else.
    """
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, Mapping):
        return [[content(key), content(each)] for key, each in value.items()]
    if isinstance(value, list | tuple | range):
        return [type(value).__name__, *map(content, value)]
    if isinstance(value, set | frozenset):
        return sorted(str(content(each)) for each in value)
    if inspect.isfunction(value):
        kept = [cell.cell_contents for cell in value.__closure__ or ()]
        # two on one line share their source
        code = [value.__code__.co_code, *(each for each in value.__code__.co_consts if isinstance(each, PLAIN))]
        return [_source(value), content([code, value.__defaults__, kept])]
    if inspect.isclass(value):
        return [value.__qualname__, _source(value) if value.__module__ == "__main__" else value.__module__]
    if hasattr(value, "to_csv"):
        return value.to_csv()
    # arrays and tensors, of which repr shows a few numbers
    if hasattr(value, "tolist"):
        return repr(value.tolist())
    if hasattr(value, "tobytes"):
        return [value.mode, value.size, hashlib.sha256(value.tobytes()).hexdigest()]
    if dataclasses.is_dataclass(value):
        return [type(value).__qualname__, content(vars(value))]
    raise ValueError(f"a {type(value).__name__}")


def _source(value: Any) -> str:
    """The code of a function, or that of a class, which a notebook keeps only with the cells of its methods."""
    try:
        if inspect.isfunction(value):
            return textwrap.dedent(inspect.getsource(value))
        files = {each.__code__.co_filename for each in vars(value).values() if inspect.isfunction(each)}
        code = "".join(line for file in sorted(files) for line in linecache.getlines(file))
        classes = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ClassDef))
        return next(ast.unparse(node) for node in classes if node.name == value.__name__)
    except (OSError, StopIteration, SyntaxError):
        raise ValueError(
            f"'{value.__name__}' of __main__ has no source to be had, so one version's results could not be told from "
            "another's; put it in a file of its own"
        ) from None


def file_state(file: Path) -> tuple[int, int]:
    """Size and time of change: what tells a large file from another version of it, unread."""
    return file.stat().st_size, file.stat().st_mtime_ns
