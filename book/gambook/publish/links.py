"""Links inside the built book: every page, picture, script and place on a page that is named must be there."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from functools import cache
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

    @cache
    def text(page: Path) -> str:
        return SCRIPT.sub(r"\1", page.read_text("utf-8"))

    @cache
    def places(page: Path) -> set[str]:
        return {html.unescape(place) for place in PLACE.findall(text(page))}

    broken = []
    for page in pages:
        here = folder / page
        for link in dict.fromkeys(TARGET.findall(text(here))):
            parts = urlsplit(html.unescape(link))
            if parts.scheme or parts.netloc:
                continue
            target = here.parent / unquote(parts.path) if parts.path else here
            place = unquote(parts.fragment)
            if not target.is_file():
                broken.append(f"{page}: {link} (no such file)")
            elif place and target.suffix == ".html" and place not in places(target.resolve()):
                broken.append(f"{page}: {link} (no such place on that page)")
    return broken
