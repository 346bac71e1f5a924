"""Where things lie in a checkout of the book, and how a name that does not exist is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import yaml

from gamlib.names import check_name


class Refused(click.ClickException):
    """A request that cannot be carried out; raised before any notebook runs, and printed without a traceback."""


class Project:
    """A checkout: `root` holds _config.yml, _toc.yml, book/, notebooks/ and gamlib/; what is made goes to _build/."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notebooks = root / "notebooks"
        self.build = root / "_build"
        self.staged = self.build / "src"
        self.html = self.build / "html"

    def source(self, name: str) -> Path:
        """Source of a notebook."""
        return self.notebooks / f"{name}.ipynb"

    def executed(self, place: str, name: str) -> Path:
        """Executed copy of a notebook; `place` is the profile or what stands for it."""
        return self.build / "runs" / place / f"{name}.ipynb"

    def results(self, place: str) -> Path:
        """Folder of the files that notebooks leave behind."""
        return self.build / "results" / place

    def names(self) -> list[str]:
        """Names of all notebooks: the path below notebooks/ without suffix, such as "01_first_look"."""
        paths = [path.relative_to(self.notebooks) for path in sorted(self.notebooks.rglob("*.ipynb"))]
        return [p.with_suffix("").as_posix() for p in paths if not any(part.startswith(".") for part in p.parts)]

    def profile(self, name: str) -> dict[str, object]:
        """Parameters of a profile, from notebooks/profiles/NAME.yml; Refused for a name that no file has."""
        folder = self.notebooks / "profiles"
        check_names("profile", [name], sorted(path.stem for path in folder.glob("*.yml")))
        return yaml.safe_load((folder / f"{name}.yml").read_text("utf-8")) or {}

    def pages(self) -> list[str]:
        """Pages of _toc.yml in order, without suffix, such as "book/intro" or "notebooks/01_first_look"."""
        from sphinx_external_toc.parsing import parse_toc_yaml

        return list(parse_toc_yaml(self.root / "_toc.yml"))

    def book_notebooks(self) -> list[str]:
        """Names of the notebooks that are pages of the book."""
        return [page.removeprefix("notebooks/") for page in self.pages() if page.startswith("notebooks/")]


def notebook_bytes(notebook: Mapping) -> bytes:
    """A notebook as the content of its file, as Jupyter lays it out."""
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def find_project(start: Path) -> Project:
    """The checkout that `start` lies in; Refused outside of one."""
    for folder in [start, *start.parents]:
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return Project(folder)
    raise Refused(f"{start} is not inside a checkout of the book (no _toc.yml beside notebooks/): change into one")


def check_names(kind: str, given: Iterable[str], accepted: Iterable[str]) -> None:
    """Raise Refused for the first given name that is not accepted, with the nearest right one.

    Examples
    --------
    >>> check_names("profile", ["opne"], ["embedded", "open"])
    Traceback (most recent call last):
    gambook.publish.project.Refused: profile: unknown 'opne'; did you mean 'open'? accepted: embedded, open
    """
    accepted = list(accepted)
    for name in given:
        try:
            check_name(kind, name, accepted)
        except ValueError as error:
            raise Refused(str(error)) from None
