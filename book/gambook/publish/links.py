"""Links inside the built book: every page, picture, script and place on a page that is named must be there."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

# text between script tags is no markup, however it looks
SCRIPT = re.compile(r"(<script\b[^>]*>).*?</script>", re.DOTALL | re.IGNORECASE)
TARGET = re.compile(r'<[a-z]+\b[^<>]*?\s(?:href|src)="([^"]*)"', re.IGNORECASE)
PLACE = re.compile(r'<[a-z0-9]+\b[^<>]*?\s(?:id|name)="([^"]*)"', re.IGNORECASE)


def broken_links(folder: Path, pages: Iterable[str]) -> list[str]:
    """One line for each link that leads nowhere: page, link, what is missing. Addresses outside are not looked at.

    folder: the built book. pages: paths below it, such as "book/intro.html".
    """
    texts: dict[Path, str] = {}
    places: dict[Path, set[str]] = {}

    def text_of(path: Path) -> str:
        if path not in texts:
            texts[path] = SCRIPT.sub(r"\1", path.read_text())
        return texts[path]

    def places_of(path: Path) -> set[str]:
        if path not in places:
            places[path] = {html.unescape(place) for place in PLACE.findall(text_of(path))}
        return places[path]

    broken = []
    for page in pages:
        here = folder / page
        for link in dict.fromkeys(TARGET.findall(text_of(here))):
            parts = urlsplit(html.unescape(link))
            if parts.scheme or parts.netloc:
                continue
            target = (here.parent / unquote(parts.path)).resolve() if parts.path else here.resolve()
            if not target.is_file():
                broken.append(f"{page}: {link} (no such file)")
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in places_of(target):
                broken.append(f"{page}: {link} (no such place on that page)")
    return broken
