"""Scripts of the offline edition: formulas and widgets are drawn by these instead of copies on the network."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gamlib.publish.project import Refused


@dataclass(frozen=True)
class Script:
    """A file of an npm package. `integrity` is the SHA-512 of the package as npm states it."""

    package: str
    member: str
    integrity: str


SCRIPTS = {
    "vendor/require.js": Script(
        "requirejs@2.3.8",
        "package/require.js",
        "sha512-7/cTSLOdYkNBNJcDMWf+luFvMriVm7eYxp4BcFCsAX0wF421Vyce5SXP17c+Jd5otXKGNehIonFlyQXSowL6Mw==",
    ),
    "vendor/embed-amd.js": Script(
        "@jupyter-widgets/html-manager@1.0.15",
        "package/dist/embed-amd.js",
        "sha512-5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
    ),
    "vendor/tex-svg.js": Script(
        "mathjax@3.2.2",
        "package/es5/tex-svg.js",
        "sha512-Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
    ),
}


def vendor(folder: Path) -> dict[str, Path]:
    """Fetch the scripts that `folder` lacks from npm; path below the static folder -> file.

    Raises Refused when npm is not there, cannot fetch a package, or gives one with other content than pinned.
    """
    for script in SCRIPTS.values():
        if not _path(folder, script).exists():
            _fetch(script, _path(folder, script))
    return {name: _path(folder, script) for name, script in SCRIPTS.items()}


def _path(folder: Path, script: Script) -> Path:
    return folder / script.package.lstrip("@").replace("/", "-") / Path(script.member).name


def _fetch(script: Script, target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Refused(
            "the offline edition takes three scripts from npm, which is not installed: install Node.js with npm"
        )
    with tempfile.TemporaryDirectory() as temporary:
        process = subprocess.run([npm, "pack", script.package], cwd=temporary, capture_output=True, text=True)
        if process.returncode:
            raise Refused(f"npm could not fetch {script.package}:\n{process.stderr.strip()}")
        archive = next(Path(temporary).glob("*.tgz"))
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != script.integrity:
            raise Refused(f"{script.package} from npm is not the one pinned: {found} instead of {script.integrity}")
        with tarfile.open(archive) as packed:
            content = packed.extractfile(script.member).read()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(target)
