"""What a published site has besides its pages: a page for wrong addresses, a sitemap, a card for links to it.

The last two name full addresses, so they are written only when the site's address is known.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, urlparse

from PIL import Image

CARD = "_static/card.png"
CARD_SIZE = (1200, 630)

# A server shows this page at any depth below the site's root, so it loads nothing.
NOT_FOUND = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Page not found</title>
</head>
<body style="max-width: 36em; margin: 4em auto; padding: 0 1em; font-family: sans-serif">
<h1>Page not found</h1>
<p>This book has no page at this address. <a href="{start}">Its first page</a> lists the others.</p>
</body>
</html>
"""


def site_address(config: Mapping) -> str | None:
    """Where the pages will lie, with a slash at the end, from the content of _config.yml; None where it is not known.

    html.baseurl if it is given; otherwise the GitHub Pages of repository.url.

    >>> site_address({"repository": {"url": "https://github.com/someone/book"}})
    'https://someone.github.io/book/'
    """
    given = (config.get("html") or {}).get("baseurl")
    if given:
        return given.rstrip("/") + "/"
    url = urlparse((config.get("repository") or {}).get("url") or "")
    owner, _, name = url.path.strip("/").removesuffix(".git").partition("/")
    if url.hostname != "github.com" or not owner or not name:
        return None
    root = f"https://{owner.lower()}.github.io/"
    return root if name.lower() == f"{owner.lower()}.github.io" else f"{root}{name}/"


def complete(folder: Path, pages: Iterable[str], address: str | None) -> None:
    """Write 404.html into the built site and, where its address is known, sitemap.xml, the card and the tags for it.

    folder: the built pages, with _static/teaser.png. pages: names without suffix, such as "book/intro".
    """
    (folder / "404.html").write_text(NOT_FOUND.format(start=html.escape(address or "index.html")))
    if address is None:
        for name in ("sitemap.xml", CARD):
            (folder / name).unlink(missing_ok=True)
        return
    pages = list(pages)
    addresses = [address, *(f"{address}{quote(page)}.html" for page in pages)]
    entries = "".join(f"<url><loc>{html.escape(one)}</loc></url>\n" for one in addresses)
    schema = "http://www.sitemaps.org/schemas/sitemap/0.9"
    (folder / "sitemap.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{schema}">\n{entries}</urlset>\n'
    )
    _draw_card(folder / "_static" / "teaser.png", folder / CARD)
    for page in pages:
        _tag(folder / f"{page}.html", f"{address}{quote(page)}.html", address + CARD)


def _draw_card(picture: Path, card: Path) -> None:
    """The picture, as large as fits, on a white card of the size that previews of links are cut to."""
    with Image.open(picture) as opened:
        drawn = opened.convert("RGB")
    scale = min(side / own for side, own in zip(CARD_SIZE, drawn.size, strict=True))
    drawn = drawn.resize([round(scale * own) for own in drawn.size], Image.Resampling.LANCZOS)
    ground = Image.new("RGB", CARD_SIZE, "white")
    ground.paste(drawn, [(side - own) // 2 for side, own in zip(CARD_SIZE, drawn.size, strict=True)])
    ground.save(card, optimize=True)


def _tag(page: Path, address: str, picture: str) -> None:
    text = page.read_text()
    if 'property="og:title"' in text:  # the page has not been built anew
        return
    title = re.search(r"<title>(.*?)</title>", text, re.DOTALL).group(1).strip()
    tags = {"og:title": html.unescape(title), "og:type": "article", "og:url": address, "og:image": picture}
    lines = [f'<meta property="{name}" content="{html.escape(value)}" />' for name, value in tags.items()]
    lines.append('<meta name="twitter:card" content="summary_large_image" />')
    page.write_text(text.replace("</head>", "\n".join(lines) + "\n</head>", 1))
