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

from markdown_it import MarkdownIt

from gambook.publish.project import Project, check_names

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ margin: 0; font: 3vmin/1.4 system-ui, sans-serif; color: #222; background: #fff; }}
section {{ box-sizing: border-box; min-height: 100vh; padding: 3vmin 5vmin; display: flex; flex-direction: column;
  justify-content: center; gap: 2vmin; border-bottom: 1px solid #ccc; break-after: page; }}
h1, h2, p, ul {{ margin: 0; }} ul {{ padding-left: 1em; }}
p:has(img) {{ text-align: center; align-self: center; }}
img {{ max-width: 100%; height: 60vh; object-fit: contain; }}
@media (min-width: 700px), print {{
  section:has(h2) {{ display: grid; grid-template: 2fr 3fr / 3fr 7fr; }}
  h2 {{ align-self: end; }}
  h2 ~ p:has(img) {{ grid-area: 1 / 2 / 3; }}
  h2 ~ p img {{ height: 90vh; }} }}
@media print {{ @page {{ size: 297mm 167mm; margin: 0; }} body {{ font-size: 5mm; }} img {{ height: 95mm; }}
  section {{ height: 167mm; min-height: 0; border: 0; }} h2 ~ p img {{ height: 150mm; }} }}
</style></head><body>
{slides}
<script>
addEventListener("keydown", (event) => {{
  const step = {{ ArrowRight: 1, ArrowDown: 1, PageDown: 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 }}[event.key];
  if (!step) return;
  event.preventDefault();
  const slides = document.querySelectorAll("section");
  const here = [...slides].findLastIndex((slide) => slide.offsetTop <= scrollY + 1);
  slides[Math.min(Math.max(here + step, 0), slides.length - 1)].scrollIntoView();
}});
</script></body></html>
"""


def write_slides(project: Project, profile: str) -> Path:
    """Write _build/html/slides.html; its path.

    Raises Refused for a picture or a text that the notebook, as it was run in this profile, does not have.
    """

    @cache
    def cells(notebook: str) -> list[dict]:
        return json.loads(project.executed(profile, notebook).read_text())["cells"]

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
        return escape(str(ast.literal_eval("".join(text))))

    page = MarkdownIt().render((project.root / "book" / "slides.md").read_text())
    page = re.sub(r'<img src="([^"#]+)#([^"]+)" alt="" />', picture, page)
    page = re.sub(r"{glue:text}<code>(\w+)::(\w+):s</code>", glued, page)
    slides = "\n".join(f"<section>\n{slide.strip()}\n</section>" for slide in page.split("<hr />"))
    title = re.findall(r"<h1>(.*?)</h1>", page)[0]
    path = project.html / "slides.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAGE.format(title=title, slides=slides))
    return path
