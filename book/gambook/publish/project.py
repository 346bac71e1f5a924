"""Where things lie in a checkout of the book, and how a name that does not exist is refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml


class Refused(ValueError):
    """A request that cannot be carried out; raised before any notebook runs."""


@dataclass(frozen=True)
class Project:
    """A checkout: `root` holds _config.yml, _toc.yml, book/, notebooks/ and gamlib/; what is made goes to _build/."""

    root: Path

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def machinery(self) -> Path:
        return self.root / "book" / "gambook"

    @property
    def build(self) -> Path:
        return self.root / "_build"

    @property
    def staged(self) -> Path:
        return self.build / "src"

    @property
    def html(self) -> Path:
        return self.build / "html"

    def source(self, name: str) -> Path:
        return self.notebooks / f"{name}.ipynb"

    def executed(self, profile: str, name: str) -> Path:
        return self.build / "runs" / profile / f"{name}.ipynb"

    def results(self, profile: str) -> Path:
        return self.build / "results" / profile

    def names(self) -> list[str]:
        """Names of all notebooks: the path below notebooks/ without suffix, such as "01_first_look"."""
        paths = sorted(self.notebooks.rglob("*.ipynb"))
        relative = [path.relative_to(self.notebooks) for path in paths]
        return [p.with_suffix("").as_posix() for p in relative if not any(part.startswith(".") for part in p.parts)]

    def profiles(self) -> list[str]:
        return sorted(path.stem for path in (self.notebooks / "profiles").glob("*.yml"))

    def profile(self, name: str) -> dict[str, object]:
        """Parameters of a profile, from notebooks/profiles/NAME.yml."""
        check_names("profile", [name], self.profiles())
        return yaml.safe_load((self.notebooks / "profiles" / f"{name}.yml").read_text()) or {}

    def pages(self) -> list[str]:
        """Pages of _toc.yml in order, without suffix, such as "book/intro" or "notebooks/01_first_look"."""
        return list(_files(yaml.safe_load((self.root / "_toc.yml").read_text())))

    def book_notebooks(self) -> list[str]:
        """Names of the notebooks that are pages of the book."""
        return [page.removeprefix("notebooks/") for page in self.pages() if page.startswith("notebooks/")]


def _files(node: object) -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("root", "file"):
                yield value
            else:
                yield from _files(value)
    elif isinstance(node, list):
        for item in node:
            yield from _files(item)


def find_project(start: Path) -> Project:
    """The checkout that `start` lies in. Raises Refused outside of one."""
    for folder in [start, *start.parents]:
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return Project(folder)
    raise Refused(f"{start} is not inside a checkout of the book (no _toc.yml beside notebooks/): change into one")


def check_names(kind: str, given: Iterable[str], accepted: Iterable[str]) -> None:
    """Raise Refused for the first given name that is not accepted, with the nearest right one.

    >>> check_names("profile", ["opne"], ["embedded", "open"])
    Traceback (most recent call last):
    gambook.publish.project.Refused: unknown profile 'opne'; did you mean 'open'? Accepted: embedded, open
    """
    accepted = list(accepted)
    for name in given:
        if name not in accepted:
            near = difflib.get_close_matches(name, accepted, n=1, cutoff=0.5)
            hint = f"; did you mean '{near[0]}'?" if near else "."
            raise Refused(f"unknown {kind} '{name}'{hint} Accepted: {', '.join(accepted) or 'none'}")
