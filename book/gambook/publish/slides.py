"""Slides from book/slides.md and the executed notebooks: one page that needs no other file.

Slides stand between lines of three hyphens. A picture is named ![](NOTEBOOK#CELL-ID), a text that a notebook has glued
{glue:text}`NOTEBOOK::NAME:s`.
"""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from markdown_it import MarkdownIt

from gambook.publish.project import Project, check_names

PAGE = Template(Path(__file__).with_name("slides.html").read_text("utf-8"))


def write_slides(project: Project, profile: str) -> Path:
    """Write _build/html/slides.html; its path.

    Raises Refused for a picture or a text that the notebook, as it was run in this profile, does not have.
    """

    @cache
    def cells(notebook: str) -> list[dict]:
        return json.loads(project.executed(profile, notebook).read_text("utf-8"))["cells"]

    def picture(found: re.Match) -> str:
        pictures = {
            cell["id"]: (f"data:{kind};base64,{''.join(output['data'][kind]).strip()}", cell["metadata"])
            for cell in cells(found[1])
            for output in cell.get("outputs", [])
            for kind in ("image/png", "image/jpeg")
            if kind in output.get("data", {})
        }
        check_names(f"picture of {found[1]} in book/slides.md", [found[2]], pictures)
        source, metadata = pictures[found[2]]
        alt = metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        return f'<img src="{source}" alt="{escape(alt)}">'

    def glued(found: re.Match) -> str:
        outputs = [output for cell in cells(found[1]) for output in cell.get("outputs", [])]
        named = {output.get("metadata", {}).get("scrapbook", {}).get("name"): output for output in outputs}
        check_names(f"text of {found[1]} in book/slides.md", [found[2]], filter(None, named))
        text = named[found[2]]["data"]["application/papermill.record/text/plain"]
        # a slide does not explain the codes of claims
        return escape(re.sub(r" \([CF]\d+(, [CF]\d+)*\)", "", str(ast.literal_eval("".join(text)))))

    page = MarkdownIt().render((project.root / "book" / "slides.md").read_text("utf-8"))
    page = re.sub(r'<img src="([^"#]+)#([^"]+)" alt="" />', picture, page)
    page = re.sub(r"{glue:text}<code>(\w+)::(\w+):s</code>", glued, page)
    slides = "\n".join(f"<section>\n{slide.strip()}\n</section>" for slide in page.split("<hr />"))
    title = re.findall(r"<h1>(.*?)</h1>", page)[0]
    path = project.html / "slides.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAGE.substitute(title=title, slides=slides), "utf-8")
    return path
