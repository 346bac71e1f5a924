"""The repository's address: set in _config.yml, and written through to the files that must hold it themselves.

Buttons and links of the pages are made from _config.yml at each build. A notebook that Colab opens, and a citation
file, are read without it.
"""

from __future__ import annotations

import re
from pathlib import Path

from gambook.publish.project import Project, Refused

# the cell that installs gamlib on Colab, as JSON writes it
IN_NOTEBOOK = re.compile(r'repository = \\"[^"\\]*\\"')
IN_CITATION = re.compile(r"^repository-code:.*\n", re.MULTILINE)
IN_CONFIG = re.compile(r"^(repository:\n(?:  .*\n)*?  url:).*$", re.MULTILINE)


def set_address(project: Project, url: str) -> list[Path]:
    """Write the address into _config.yml, the notebooks and CITATION.cff; the files that changed.

    url: https://..., or "" to take the address out. Raises Refused for anything else.
    """
    url = url.rstrip("/").removesuffix(".git")
    if url and not re.fullmatch(r"https://[\w.-]+(/[\w.-]+)+", url):
        raise Refused(f"address '{url}': expected https://HOST/OWNER/NAME, or '' to take it out")
    changed = []
    citation = f'repository-code: "{url}"\n' if url else ""
    texts = {
        project.root / "_config.yml": lambda text: IN_CONFIG.sub(rf'\1 "{url}"', text),
        project.root / "CITATION.cff": lambda text: IN_CITATION.sub("", text).rstrip("\n") + "\n" + citation,
    }
    texts |= {
        project.source(name): lambda text: IN_NOTEBOOK.sub(f'repository = \\\\"{url}\\\\"', text)
        for name in project.names()
    }
    for path, change in texts.items():
        text = path.read_text()
        if change(text) != text:
            path.write_text(change(text))
            changed.append(path)
    return changed
