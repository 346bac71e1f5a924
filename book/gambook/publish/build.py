"""Build the book: lay its sources out in _build/src, and let Jupyter Book make the pages in _build/html.

A source is written only when its bytes differ, so that Sphinx reads again only the pages that changed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

import yaml
from hatchling.builders.wheel import WheelBuilder

from gambook.publish.digests import tree_digest
from gambook.publish.live import live_files
from gambook.publish.project import Project, notebook_bytes
from gambook.publish.provenance import edition

# What draws formulas: a file of a package that is here for it alone, and never imported.
MATHJAX = "sphinx-mathjax-offline/static/mathjax/tex-svg.js"
# The page that computes in the browser, and wants networks beside it.
LIVE = "book/live"


def stage(project: Project, profile: str) -> None:
    """Bring _build/src up to date: configuration, pages, executed notebooks under their source paths, scripts."""
    machinery = project.root / "book" / "gambook"
    pages = [path for path in (project.root / "book").rglob("*") if path.is_file() and machinery not in path.parents]
    pages.append(project.root / "_toc.yml")
    files = {path.relative_to(project.root).as_posix(): path.read_bytes() for path in pages}
    for name in project.book_notebooks():
        files[f"notebooks/{name}.ipynb"] = merged(project.source(name), project.executed(profile, name))
    mathjax = distribution("sphinx-mathjax-offline").locate_file(MATHJAX)
    files["made/vendor/tex-svg.js"] = Path(str(mathjax)).read_bytes()
    if LIVE in project.pages():
        files |= {f"made/live/{name}": content for name, content in live_files(project).items()}
    config = configuration((project.root / "_config.yml").read_text("utf-8"))
    line = edition(project.root, config.get("repository", {}).get("url") or "")
    files = {name: content.replace(b"<!-- edition -->", line.encode()) for name, content in files.items()}
    files["_config.yml"] = yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()

    for path in [*project.staged.rglob("*")]:
        if path.is_file() and path.relative_to(project.staged).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = project.staged / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def merged(source: Path, executed: Path) -> bytes:
    """The source notebook with the outputs of its executed copy, and that copy's last line on its making.

    Text cells and tags come from the source: a change to them shows without a new run.
    """
    notebook, made = json.loads(source.read_text("utf-8")), json.loads(executed.read_text("utf-8"))
    outputs = {cell["id"]: cell for cell in made["cells"]}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {key: outputs[cell["id"]][key] for key in ("outputs", "execution_count")}
    notebook["cells"].append(outputs["provenance"])
    return notebook_bytes(notebook)


def write_wheel(project: Project, folder: Path) -> Path:
    """Write gamlib-VERSION-py3-none-any.whl, for students who have no checkout, into `folder`; its path."""
    (path,) = WheelBuilder(str(project.root)).build(directory=str(folder), versions=["standard"])
    return Path(path)


def configuration(text: str) -> dict:
    """What Jupyter Book is told: _config.yml, completed by what follows from the address."""
    config = yaml.safe_load(text)
    html, sphinx = config.setdefault("html", {}), config.setdefault("sphinx", {}).setdefault("config", {})
    address = site_address(config)
    if address:
        html["baseurl"] = address
        sphinx["extensions"] = [*sphinx.get("extensions", []), "sphinxext.opengraph"]
        sphinx |= {"ogp_site_url": address, "ogp_site_name": config["title"], "ogp_image": "_static/teaser.png"}
    if config.get("repository", {}).get("url"):
        html |= dict.fromkeys(["use_repository_button", "use_issues_button", "use_edit_page_button"], True)
        hosts = {"colab_url": "https://colab.research.google.com", "binderhub_url": "https://mybinder.org"}
        config["launch_buttons"] = hosts
    # a summary under each found page is fetched from that page, which a browser refuses to do for local files
    sphinx["html_show_search_summary"] = bool(address)
    return config


def site_address(config: Mapping) -> str | None:
    """Where the pages will lie, with a slash at the end: html.baseurl, or the GitHub Pages of repository.url.

    Examples
    --------
    >>> site_address({"repository": {"url": "https://github.com/someone/book"}})
    'https://someone.github.io/book/'
    """
    if given := (config.get("html") or {}).get("baseurl"):
        return given.rstrip("/") + "/"
    url = config.get("repository", {}).get("url") or ""
    found = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+?)(\.git)?/?", url)
    if not found:
        return None
    owner, name = found[1].lower(), found[2]
    return f"https://{owner}.github.io/" + (f"{name}/" if name.lower() != f"{owner}.github.io" else "")


def build(project: Project) -> Path | None:
    """Build the staged sources; path of the first page, or None when Jupyter Book reported an error or a warning."""
    sources = [project.staged, *(project.root / name for name in ("gamlib", "book/gambook", "requirements.lock"))]
    made_from, stamp = "\n".join(map(tree_digest, sources)), project.html / ".made_from"
    if stamp.exists() and stamp.read_text("utf-8") == made_from:
        return project.html / "index.html"
    stamp.unlink(missing_ok=True)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(project.staged)]
    # Jupyter Book adds _build to the path it is given. -n: broken references are warnings, -W: warnings are errors
    command += ["--path-output", str(project.root), "-W", "--keep-going", "-n", "-q"]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        # a page read with a warning would count as read the next time, and its warning would not come again
        shutil.rmtree(project.build / ".doctrees", ignore_errors=True)
        return None
    _finish(project)
    stamp.write_text(made_from)
    return project.html / "index.html"


def _finish(project: Project) -> None:
    """What the built pages still need."""
    for page in project.html.rglob("*.html"):
        # the theme's preloading of icon fonts, which no page uses and a browser refuses for local files
        text = page.read_text("utf-8")
        text = re.sub(r'<link rel="preload" as="font"[^>]*>\n?', "", text)
        # what unfolds a part of the table of contents has an icon and no name
        text = re.sub(r'<summary>(?=<span class="toctree-toggle)', '<summary aria-label="Show its pages">', text)
        # entries of the bibliography are no items of a list to those who hear the page
        text = text.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
        if text != page.read_text("utf-8"):
            page.write_text(text, "utf-8")
    config = yaml.safe_load((project.staged / "_config.yml").read_text("utf-8"))
    # Sphinx itself copies scripts and styles only when a page has changed
    for folder in config["sphinx"]["config"].get("html_static_path", []):
        shutil.copytree(project.staged / folder, project.html / "_static", dirs_exist_ok=True)
    address = site_address(config)
    # a server shows it at any depth below the site, so all that it names begins with a slash
    missing = project.html / "404.html"
    missing.write_text(re.sub(r'(href|src)="/', rf'\1="{address or ""}', missing.read_text("utf-8")), "utf-8")
    # ours, since sphinx-sitemap lists what a build has written, and one after the first writes little
    sitemap = project.html / "sitemap.xml"
    sitemap.unlink(missing_ok=True)
    if address:
        entries = "".join(f"<url><loc>{address}{page}.html</loc></url>\n" for page in project.pages())
        schema = "http://www.sitemaps.org/schemas/sitemap/0.9"
        sitemap.write_text(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{schema}">\n{entries}</urlset>\n', "utf-8"
        )
