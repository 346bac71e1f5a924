"""What a result is made of: modules with all that they import, and checkpoints beside them.

Imports are read from the code, so nothing is run and no list of modules is kept by hand.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import re
import sys
import uuid
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec, resolve_name
from pathlib import Path

import psutil

# Files that a network may be made from.
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".bin", ".npz", ".npy", ".pkl", ".onnx")
SETTINGS = (".json", ".yaml", ".yml", ".toml", ".ini", ".cfg")


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


_INSTALLED = (sys.prefix, sys.base_prefix)
# Own modules as they were when this process was about to import them, or first looked.
_IMPORTED: dict[str, str] = {}


def network_state(module: str) -> object:
    """State of a module that is no installed package; None for one that is.

    Its files and those of all such that it imports by content, checkpoints and settings in its package by size and
    time. ValueError where a file has been edited since this process has imported it: what runs is what was imported.
    """
    given = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), os.getcwd()]
    # a package installed in place is on the path, but not in a folder of this Python
    installed = (place for place in sys.path if not place.startswith(_INSTALLED))
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


def code_state(module: str) -> object:
    """What tells the code of a module from its next version, as `network_state` or by size and time of its file.

    Empty for gamlib, whose sources count as a whole, and for what comes with Python; `unlike_any` for a notebook's.
    """
    top = module.partition(".")[0]
    if top == "gamlib":
        return ""
    if module == "__main__":
        # a script, as it was read when this process began; a notebook has no file
        script = Path(getattr(sys.modules[module], "__file__", None) or "")
        as_read = script.is_file() and script.stat().st_mtime < psutil.Process().create_time()
        if as_read and (state := network_state(script.stem)):
            return state, files_digest({module: script})
    elif state := network_state(module):
        return state
    elif top in sys.stdlib_module_names:
        return ""
    else:
        with contextlib.suppress(ImportError, ValueError):
            place = str(getattr(find_spec(module), "origin", None))
            if place.startswith(_INSTALLED):
                return file_state(Path(place))
    return unlike_any(f"the code of '{module}'", "no import finds it in a file")


def unlike_any(what: str, why: str) -> str:
    """In place of a digest, where nothing tells a thing from its next version; warns of what that means."""
    warnings.warn(
        f"nothing tells {what} from its next version ({why}), so results are computed anew each time; put code into a "
        "file to import, and let it hold what can be pickled, to go on with an evaluation that was stopped",
        stacklevel=2,
    )
    return uuid.uuid4().hex


def file_state(file: Path) -> tuple[int, int]:
    """Size and time of change: what tells a large file from another version of it, unread."""
    return file.stat().st_size, file.stat().st_mtime_ns
