"""Scripts of the offline edition: formulas and widgets are drawn by these instead of copies on the network."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from gambook.publish.project import Refused

# npm package -> SHA-512 as npm states it, and the files of it that pages load
_PACKAGES = {
    "requirejs@2.3.8": (
        "sha512-7/cTSLOdYkNBNJcDMWf+luFvMriVm7eYxp4BcFCsAX0wF421Vyce5SXP17c+Jd5otXKGNehIonFlyQXSowL6Mw==",
        ["require.js"],
    ),
    # the widgets, and the icons on their buttons
    "@jupyter-widgets/html-manager@1.0.15": (
        "sha512-5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
        ["dist/embed-amd.js", "dist/1551f4f60c37af51121f.woff2", "dist/7a3337626410ca2f4071.woff2"],
    ),
    "mathjax@3.2.2": (
        "sha512-Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        ["es5/tex-svg.js"],
    ),
}


def vendor(folder: Path) -> list[Path]:
    """Fetch the files that `folder` lacks from npm; paths of all of them.

    Raises Refused when npm is not there, cannot fetch a package, or gives one with other content than pinned.
    """
    files = []
    for package, (integrity, members) in _PACKAGES.items():
        # named by the pinned content: another version goes to another folder
        own = folder / hashlib.sha256(integrity.encode()).hexdigest()[:12]
        if not own.exists():
            _fetch(package, integrity, members, own)
        files += [own / Path(member).name for member in members]
    return files


def _fetch(package: str, integrity: str, members: list[str], target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Refused("the offline edition takes scripts from npm, which is not installed: install Node.js with npm")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        process = subprocess.run([npm, "pack", package], cwd=temporary, capture_output=True, text=True)
        if process.returncode:
            raise Refused(f"npm could not fetch {package}:\n{process.stderr.strip()}")
        archive = next(Path(temporary).glob("*.tgz"))
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != integrity:
            raise Refused(f"{package} from npm is not the one pinned: {found} instead of {integrity}")
        content = Path(temporary) / "content"
        content.mkdir()
        with tarfile.open(archive) as packed:
            for member in members:
                packed.extract(f"package/{member}", temporary)
                Path(temporary, "package", member).replace(content / Path(member).name)
        content.replace(target)
