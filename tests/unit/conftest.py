"""A small checkout for the tests of gamlib.publish."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gamlib.publish.project import Project

WriteNotebook = Callable[..., Path]


@pytest.fixture(scope="module")
def write_notebook() -> WriteNotebook:
    """write_notebook(project, name, parameters, *code, needs=()): a notebook with a title and these code cells."""

    def write(project: Project, name: str, parameters: str, *code: str, needs: Sequence[str] = ()) -> Path:
        cells = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": f"# {name}"}]
        for number, source in enumerate([parameters, *code]):
            tags = ["parameters"] if number == 0 else []
            cell = {"cell_type": "code", "id": f"code-{number}", "metadata": {"tags": tags}, "source": source}
            cells.append({**cell, "outputs": [], "execution_count": None})
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        metadata = {"kernelspec": kernel, "gamlib": {"needs": list(needs)}}
        path = project.source(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
        return path

    return write


def new_project(root: Path) -> Project:
    """A checkout without notebooks: one page, two profiles, one source file, a lock."""
    for name, text in {
        "_config.yml": 'title: "A book"\nrepository:\n  url: ""\n',
        "_toc.yml": "format: jb-book\nroot: book/intro\n",
        "book/intro.md": "# Intro\n",
        "notebooks/profiles/embedded.yml": "profile: embedded\nseed: 0\ndevice: cpu\n",
        "notebooks/profiles/open.yml": "profile: open\n",
        "gamlib/methods.py": "SCALE = 1\n",
        "requirements.lock": "numpy==2.4.6\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Project(root)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "checkout")


@pytest.fixture(scope="module")
def module_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return new_project(tmp_path_factory.mktemp("module") / "checkout")
