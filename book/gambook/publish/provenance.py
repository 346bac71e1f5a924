"""The line at the foot of a page that says how it was made."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

_PACKAGES = ("gamlib", "torch", "torchvision", "timm")
# What decides numbers and pictures, of a checkout.
_SOURCES = ("gamlib", "book/gambook/claims", "notebooks", "requirements.lock")


def versions() -> dict[str, str]:
    """Installed versions of the packages that decide the numbers."""
    return {name: metadata.version(name) for name in _PACKAGES}


def commit(root: Path) -> str:
    """The commit of a checkout, such as "abc1234" or "abc1234 with local changes"; "" where git knows none."""
    try:
        top, short = _git(root, "rev-parse", "--show-toplevel", "--short", "HEAD").splitlines()
        changed = _git(root, "status", "--porcelain", "--", *_SOURCES)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return ""
    # the pages' own repository, not one that a copy happens to lie in
    if Path(top).resolve() != root.resolve():
        return ""
    return f"{short} with local changes" if changed else short


def edition(root: Path, repository: str) -> str:
    """Whose book it is, its version, commit and date, and where paper and repository are: a line of Markdown."""
    made_at = commit(root)
    dated = f", commit {made_at} of {_git(root, 'show', '-s', '--format=%cs').strip()}" if made_at else ""
    parts = ["The gamlib authors", f"version {metadata.version('gamlib')}{dated}"]
    parts += ["[the paper](https://doi.org/10.1145/3459637.3482430)"]
    return " · ".join([*parts, f"[the repository]({repository})"] if repository else parts)


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, encoding="utf-8", check=True).stdout


def add_provenance(notebook: dict, record: Mapping) -> None:
    """Take out of an executed notebook what differs from run to run, and put in where its outputs come from.

    record: digest, profile, parameters, versions, seconds and commit of the run. It goes to metadata.gamlib, its
    readable form to a last cell, whose id is "provenance".
    """
    notebook["metadata"].pop("papermill", None)
    notebook["metadata"].setdefault("gamlib", {}).update(record)
    for cell in notebook["cells"]:
        cell["metadata"].pop("papermill", None)
        cell["metadata"].pop("execution", None)
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["metadata"]["tags"].append("remove-cell")
    asked = {"profile": record["profile"], **record["parameters"]}
    parts = [f"{name} {asked[name]}" for name in ("profile", "model", "seed", "device") if name in asked]
    parts += [f"{name} {version}" for name, version in record["versions"].items()]
    parts += [f"{record['seconds']:.0f} s", *([f"commit {record['commit']}"] if record["commit"] else [])]
    foot = "---\n\n*How this page was made:* " + " · ".join(parts)
    notebook["cells"].append({"cell_type": "markdown", "id": "provenance", "metadata": {}, "source": foot})
