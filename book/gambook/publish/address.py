"""The repository's address: set in _config.yml, and written through to the files that must hold it themselves.

Buttons and links of the pages are made from _config.yml at each build. A notebook that Colab opens, and a citation
file, are read without it.
"""

from __future__ import annotations

import re
from pathlib import Path

from gambook.publish.project import Project, Refused


def set_address(project: Project, url: str) -> list[Path]:
    """Write the address into _config.yml, the notebooks and CITATION.cff; the files that changed.

    url: https://..., or "" to take the address out. Raises Refused for anything else.
    """
    url = url.rstrip("/").removesuffix(".git")
    if url and not re.fullmatch(r"https://[\w.-]+(/[\w.-]+)+", url):
        raise Refused(f"address '{url}': expected https://HOST/OWNER/NAME, or '' to take it out")
    config, citation = project.root / "_config.yml", project.root / "CITATION.cff"
    texts = {config: re.sub(r"(?m)^(repository:\n(?:  .*\n)*?  url:).*$", rf'\1 "{url}"', config.read_text("utf-8"))}
    texts[citation] = re.sub(r"(?m)^repository-code:.*\n", "", citation.read_text("utf-8"))
    texts[citation] += f'repository-code: "{url}"\n' if url else ""
    for path in map(project.source, project.names()):
        # the cell that installs gamlib on Colab, as JSON writes it
        texts[path] = re.sub(r'repository = \\"[^"\\]*\\"', rf'repository = \\"{url}\\"', path.read_text("utf-8"))
    changed = [path for path, text in texts.items() if text != path.read_text("utf-8")]
    for path in changed:
        path.write_text(texts[path], "utf-8")
    return changed
