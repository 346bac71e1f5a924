"""What no setting of Sphinx does: entries of the bibliography under name and year, figures counted in chapters alone.

A Sphinx extension, named in _config.yml; the formats of entries are pybtex's own.
"""

from __future__ import annotations

from typing import Any

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels.alpha import LabelStyle
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


class NameAndYear(LabelStyle):
    """Jiang et al., 2021; with letters after the year where that names two."""

    def format_label(self, entry: Entry) -> str:
        """First author's surname, both of two, "et al." for more; then the year."""
        # pybtex sets both in its constructor, but declares them as None
        authors: Any = entry.persons
        fields: Any = entry.fields
        surnames = [" ".join(person.prelast_names + person.last_names).strip("{}") for person in authors["author"]]
        names = " and ".join(surnames) if len(surnames) < 3 else f"{surnames[0]} et al."
        return f"{names}, {fields['year']}"


class ByName(Plain):
    """pybtex's plain style, which sorts by author, year and title, under our labels."""

    default_label_style = NameAndYear


def _count_in_chapters(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Fig. 4.1 names the chapter; on pages outside of them "Fig. 3" would count through the book, and falls away."""
    for page in env.toc_fignumbers.values():
        for kind, numbers in page.items():
            page[kind] = {figure: number for figure, number in numbers.items() if len(number) > 1}
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    # after Sphinx has counted, and before it keeps its counts for the next build
    app.connect("env-get-updated", _count_in_chapters, priority=900)
    register_plugin("pybtex.style.formatting", "by_name", ByName)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
