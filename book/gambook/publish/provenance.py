"""What decides the outputs of a notebook (its digest), and the line that says so at the foot of its page."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gambook.publish.plan import Job

PACKAGES = ("gamlib", "torch", "torchvision", "timm")


def sources_digest(root: Path) -> str:
    """SHA-256 over gamlib (code, tables, data registry) and requirements.lock of a checkout, as hexadecimal text."""
    sources = sorted(p for p in (root / "gamlib").rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    lock = root / "requirements.lock"
    digest = hashlib.sha256()
    for path in [*sources, *([lock] if lock.exists() else [])]:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the files below a folder, as hexadecimal text; it need not exist."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def notebook_digest(
    notebook: Mapping, parameters: Mapping[str, object], sources: str, needed: Iterable[str], caller: Path
) -> str:
    """SHA-256 over the code cells, the parameters, the sources and the digests of what it reads (`needed`).

    Parameters that name an existing file count with its size and time of change, too; those that name a folder with
    the times of change of what lies in it; "package.module:factory" with the source file of its module, which is looked
    for in the folder of the caller first.
    """
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    files = {name: _state(value, caller) for name, value in parameters.items() if isinstance(value, str)}
    whole = [cells, dict(sorted(parameters.items())), dict(sorted(files.items())), sources, sorted(needed)]
    return hashlib.sha256(json.dumps(whole, default=str).encode()).hexdigest()


def _state(value: str, caller: Path) -> object:
    path = Path(value)
    if path.is_absolute() and path.is_dir():
        return sorted((entry.name, entry.stat().st_mtime_ns) for entry in path.iterdir())
    module, colon, factory = value.partition(":")
    if colon and factory.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        path = _module_file(module, caller)
    if not path.is_absolute() or not path.is_file():
        return None
    return path.stat().st_size, path.stat().st_mtime_ns


def _module_file(module: str, caller: Path) -> Path:
    below = caller.joinpath(*module.split("."))
    candidates = (below.with_suffix(".py"), below / "__init__.py")
    found = importlib.util.find_spec(module.partition(".")[0])
    return next((path for path in candidates if path.is_file()), Path(found.origin or "") if found else Path())


def versions() -> dict[str, str]:
    """Installed versions of the packages that decide the numbers."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def add_provenance(notebook: dict, job: Job, seconds: float) -> None:
    """Take out of an executed notebook what differs from run to run, and put in where its outputs come from.

    The digest and the rest go to metadata.gamlib, their readable form to a last cell, whose id is "provenance".
    """
    record = {
        "digest": job.digest,
        "profile": job.profile,
        "parameters": job.shown,
        "versions": versions(),
        "seconds": round(seconds, 1),
    }
    notebook["metadata"].pop("papermill", None)
    notebook["metadata"].setdefault("gamlib", {}).update(record)
    for cell in notebook["cells"]:
        cell["metadata"].pop("papermill", None)
        cell["metadata"].pop("execution", None)
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["metadata"]["tags"].append("remove-cell")
    foot = {"cell_type": "markdown", "id": "provenance", "metadata": {}, "source": line(record)}
    notebook["cells"].append(foot)


def line(record: Mapping) -> str:
    """The foot of a page, in Markdown. record: profile, parameters, versions, seconds, digest of the run."""
    parameters = record["parameters"]
    parts = [f"profile {record['profile']}"]
    parts += [f"{name} {parameters[name]}" for name in ("model", "seed", "device") if name in parameters]
    parts += [f"{name} {version}" for name, version in record["versions"].items()]
    parts += [f"{record['seconds']:.0f} s", f"digest {record['digest'][:12]}"]
    return "---\n\n*How this page was made:* " + " · ".join(parts)
