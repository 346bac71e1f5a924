"""What decides the outputs of a notebook: its digest changes when one of these does, and at nothing else.

Its code, its parameters and the files that they name; gamlib and requirements.lock; the modules of gambook.claims that
it imports; the notebooks and folders that it reads. An own network counts with its modules and checkpoints. The rest of
the book's machinery and the text of the pages do not count.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import resolve_name
from pathlib import Path

CLAIMS = "gambook.claims"
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".bin", ".npz", ".pkl")


def notebook_digest(
    notebook: Mapping, folder: Path, parameters: Mapping[str, object], book: Path, read: Iterable[str]
) -> str:
    """SHA-256 over all that decides the outputs of a notebook, as hexadecimal text.

    Parameters
    ----------
    notebook, folder
        Content of the source and the folder that it runs in.
    parameters
        Those given to Papermill.
    book
        Folder that the package gambook lies in.
    read
        Digests of what every notebook reads, the library, and of what this one does.
    """
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    claims = imported_files({name for cell in cells for name in imports(cell)}, [book], within=CLAIMS)
    tables = {table.name: table for module in claims.values() for table in module.parent.glob("*.csv")}
    named = {key: _named(key, value, folder) for key, value in parameters.items() if isinstance(value, str)}
    whole = [cells, parameters, named, files_digest(claims | tables), sorted(read)]
    return hashlib.sha256(json.dumps(whole, default=str, sort_keys=True).encode()).hexdigest()


def files_digest(files: Mapping[str, Path]) -> str:
    """SHA-256 over the contents of files and the names that stand for them, as hexadecimal text."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def tree_digest(place: Path) -> str:
    """SHA-256 over a file, or over those below a folder but hidden ones and caches; it need not exist."""
    paths = {path.relative_to(place).as_posix(): path for path in [place, *place.rglob("*")] if path.is_file()}
    return files_digest({name: path for name, path in paths.items() if not re.search(r"(^|/)(\.\w|__pycache__)", name)})


def imports(code: str, package: str = "") -> set[str]:
    """Dotted names that Python code may import, inside functions too; `package` is what relative ones start from.

    Examples
    --------
    >>> sorted(imports("from . import a", "b")), sorted(imports("import a.b"))
    (['b', 'b.a'], ['a.b'])
    """
    try:
        tree = ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", code, flags=re.MULTILINE))
    except SyntaxError:  # it will say so when it runs
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            base = resolve_name("." * node.level + (node.module or ""), package)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def imported_files(names: Iterable[str], roots: Sequence[Path], within: str = "") -> dict[str, Path]:
    """Module -> file, of the named modules that lie below one of the roots and of all that these import from there.

    within: package whose modules alone count; "" for any.
    """
    found: dict[str, Path] = {}
    waiting, seen = set(names), set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if within and not f"{name}.".startswith(f"{within}."):
            continue
        places = [root.joinpath(*name.split(".")) for root in roots]
        files = (file for place in places for file in (place / "__init__.py", place.with_suffix(".py")))
        parent = name.rpartition(".")[0]
        if file := next((file for file in files if file.is_file()), None):
            found[name] = file
            waiting |= imports(file.read_text(), name if file.name == "__init__.py" else parent) - seen
        # to import a.b is to import a, too
        waiting |= {parent} - seen - {""}
    return found


def _named(parameter: str, value: str, folder: Path) -> object:
    """State of what a parameter names: a file, a folder of data, an own network; None for anything else."""
    if not value or parameter == "results_dir":  # which is written to
        return None
    path = folder / value
    if path.is_file():
        return _state(path)
    if path.is_dir():
        return sorted((entry.name, entry.stat().st_mtime_ns) for entry in path.iterdir())
    return _network(value.partition(":")[0]) if re.fullmatch(r"\w+(\.\w+)*:\w+", value) else None


def _network(module: str) -> object:
    """State of an own network: its modules by content, the checkpoints in its package by size and time."""
    given = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), os.getcwd()]
    # a package installed in place is on the path, but not in a folder of this Python
    installed = (place for place in sys.path if not place.startswith((sys.prefix, sys.base_prefix)))
    files = imported_files({module}, [Path(place) for place in [*given, *installed] if place])
    if module not in files:
        return None
    file = files[module]
    above = module.count(".") - (file.name != "__init__.py")
    beside = file.parents[above].rglob("*") if above >= 0 else file.parent.glob("*")
    return files_digest(files), {str(path): _state(path) for path in sorted(beside) if path.suffix in CHECKPOINTS}


def _state(file: Path) -> tuple[int, int]:
    return file.stat().st_size, file.stat().st_mtime_ns
