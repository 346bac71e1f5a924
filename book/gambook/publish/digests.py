"""What decides the outputs of a notebook: its digest changes when one of these does, and at nothing else.

Its code, its parameters and the files that they name; gamlib and requirements.lock; the modules of gambook.claims that
it imports; the notebooks and folders that it reads. An own network counts with its modules and checkpoints. The rest of
the book's machinery and the text of the pages do not count.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from gamlib.sources import file_state, files_digest, imported_files, imports, network_state

# Files that lie beside modules and that these read.
_BESIDE = (".csv", ".css")


def notebook_digest(
    notebook: Mapping, folder: Path, parameters: Mapping[str, object], book: Path, read: Iterable[str]
) -> str:
    """SHA-256 over all that decides the outputs of a notebook, as hexadecimal text.

    notebook, folder: content of the source and the folder that it runs in. parameters: those given to Papermill.
    book: folder that the package gambook lies in. read: digests of what every notebook reads, the library, and of what
    this one does.
    """
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names = {name for cell in cells for name in imports(cell) if f"{name}.".startswith("gambook.claims.")}
    claims = imported_files(names, [book])
    beside = [path for module in claims.values() for path in module.parent.iterdir() if path.suffix in _BESIDE]
    named = {key: _named(key, value, folder) for key, value in parameters.items() if isinstance(value, str)}
    whole = [cells, parameters, named, files_digest(claims | {path.name: path for path in beside}), sorted(read)]
    return hashlib.sha256(json.dumps(whole, default=str, sort_keys=True).encode()).hexdigest()


def tree_digest(place: Path) -> str:
    """SHA-256 over a file, or over those below a folder but hidden ones and caches; it need not exist."""
    paths = {path.relative_to(place).as_posix(): path for path in [place, *place.rglob("*")] if path.is_file()}
    return files_digest({name: path for name, path in paths.items() if not re.search(r"(^|/)(\.\w|__pycache__)", name)})


def _named(parameter: str, value: str, folder: Path) -> object:
    """State of what a parameter names: a file, a folder of data, an own network; None for anything else."""
    if not value or parameter == "results_dir":  # which is written to
        return None
    path = folder / value
    if path.exists():
        return {str(file): file_state(file) for file in [path, *path.rglob("*")] if file.is_file()}
    return network_state(value.partition(":")[0]) if re.fullmatch(r"\w+(\.\w+)*:\w+", value) else None
