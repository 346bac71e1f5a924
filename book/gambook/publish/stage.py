"""Lay out the book's sources in _build/src: pages, executed notebooks under their source paths, configuration.

A file is written only when its bytes differ, so that Sphinx reads again only the pages that changed.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from gambook.publish.project import Project, Refused
from gambook.publish.site import site_address

# Tells the two bundles of the widgets where their icons lie, as seen from the page.
ASSETS = b"""const vendor = document.documentElement.dataset.content_root + '_static/vendor';
window.require = {paths: {'@jupyter-widgets': vendor, '@jupyter-widgets/html-manager/dist': vendor}};
"""


def stage(project: Project, profile: str, vendored: list[Path] | None = None) -> Path:
    """Bring _build/src up to date and return it.

    vendored: scripts of the offline edition; None for the online edition.
    Raises Refused when a page of _toc.yml is missing.
    """
    files = _files(project, profile)
    config = yaml.safe_load((project.root / "_config.yml").read_text())
    _add_buttons(config)
    address = site_address(config)
    if address:
        config.setdefault("html", {})["baseurl"] = address
    if vendored is not None:
        files |= {f"offline/vendor/{path.name}": path.read_bytes() for path in vendored}
        files["offline/vendor/assets.js"] = ASSETS
        _use_vendored(config)
    files["_config.yml"] = yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()
    _mirror(files, project.staged)
    return project.staged


def _files(project: Project, profile: str) -> dict[str, bytes]:
    """Path below the staged folder -> content."""
    files = {"_toc.yml": (project.root / "_toc.yml").read_bytes()}
    for path in sorted((project.root / "book").rglob("*")):
        if path.is_file() and project.machinery not in path.parents:
            files[path.relative_to(project.root).as_posix()] = path.read_bytes()
    for name in project.book_notebooks():
        executed = project.executed(profile, name)
        if executed.exists():
            files[f"notebooks/{name}.ipynb"] = merged(project.source(name), executed)
    missing = [page for page in project.pages() if not {f"{page}.md", f"{page}.ipynb"} & set(files)]
    if missing:
        raise Refused(f"_toc.yml names pages that are not there: {', '.join(missing)}. Write them or take them out")
    return files


def merged(source: Path, executed: Path) -> bytes:
    """The source notebook with the outputs of its executed copy, and that copy's last line on its making.

    Text cells and tags come from the source: a change to them shows without a new run.
    """
    notebook, made = json.loads(source.read_text()), json.loads(executed.read_text())
    outputs = {cell["id"]: cell for cell in made["cells"]}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = outputs[cell["id"]]["outputs"]
            cell["execution_count"] = outputs[cell["id"]]["execution_count"]
    notebook["cells"].append(outputs["provenance"])
    # the state of the widgets, from which a page draws them without a kernel
    if "widgets" in made["metadata"]:
        notebook["metadata"]["widgets"] = made["metadata"]["widgets"]
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _add_buttons(config: dict) -> None:
    """Links to the repository, on every page, once its address is known; without it no page shows a dead one."""
    if config.get("repository", {}).get("url"):
        html = config.setdefault("html", {})
        html.update(use_repository_button=True, use_issues_button=True, use_edit_page_button=True)
        config["launch_buttons"] = {
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
        }


def _use_vendored(config: dict) -> None:
    sphinx = config.setdefault("sphinx", {}).setdefault("config", {})
    sphinx["html_static_path"] = [*sphinx.get("html_static_path", []), "offline"]
    sphinx["nb_ipywidgets_js"] = {f"vendor/{name}.js": {} for name in ("assets", "require", "embed-amd")}
    sphinx["mathjax_path"] = "vendor/tex-svg.js"
    # a summary under each found page is fetched from that page, which a browser refuses to do for local files
    sphinx["html_show_search_summary"] = False


def _mirror(files: dict[str, bytes], folder: Path) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
