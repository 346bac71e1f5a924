"""Build the staged sources into _build/html with Jupyter Book."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from gambook.exercises.editions import write_student
from gambook.publish.project import Project
from gambook.publish.site import complete, site_address

# where the pages link to the students' edition of the exercises
STUDENT = "student"


def build(project: Project) -> Path | None:
    """Build the book; path of its first page, or None when Jupyter Book reported an error or a warning."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(project.staged)]
    # Jupyter Book adds _build to the path it is given. -n: broken references are warnings, -W: warnings are errors
    command += ["--path-output", str(project.root), "-W", "--keep-going", "-n", "-q"]
    process = subprocess.run(command, stdout=subprocess.DEVNULL)
    if process.returncode:
        # a page read with a warning would count as read the next time, and its warning would not come again
        shutil.rmtree(project.build / ".doctrees", ignore_errors=True)
        return None
    for page in project.html.rglob("*.html"):
        _drop_preloads(page)
    complete(project.html, project.pages(), site_address(yaml.safe_load((project.staged / "_config.yml").read_text())))
    write_student(project, project.html / STUDENT, force=True)
    return project.html / "index.html"


def _drop_preloads(page: Path) -> None:
    """Take out the theme's preloading of icon fonts, which no page uses and a browser refuses for local files."""
    text = page.read_text()
    without = re.sub(r'<link rel="preload" as="font"[^>]*>\n?', "", text)
    if without != text:
        page.write_text(without)
