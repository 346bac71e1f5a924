"""Scripts of the offline edition: formulas and widgets are drawn by these instead of copies on the network."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gambook.publish.project import Refused


@dataclass(frozen=True)
class Package:
    """Files of an npm package. `integrity` is the SHA-512 of the package as npm states it."""

    name: str
    integrity: str
    members: tuple[str, ...]


PACKAGES = (
    Package(
        "requirejs@2.3.8",
        "sha512-7/cTSLOdYkNBNJcDMWf+luFvMriVm7eYxp4BcFCsAX0wF421Vyce5SXP17c+Jd5otXKGNehIonFlyQXSowL6Mw==",
        ("require.js",),
    ),
    # the widgets, and the icons on their buttons
    Package(
        "@jupyter-widgets/html-manager@1.0.15",
        "sha512-5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
        ("dist/embed-amd.js", "dist/1551f4f60c37af51121f.woff2", "dist/7a3337626410ca2f4071.woff2"),
    ),
    Package(
        "mathjax@3.2.2",
        "sha512-Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        ("es5/tex-svg.js",),
    ),
)


def vendor(folder: Path) -> list[Path]:
    """Fetch the files that `folder` lacks from npm; paths of all of them.

    Raises Refused when npm is not there, cannot fetch a package, or gives one with other content than pinned.
    """
    files = []
    for package in PACKAGES:
        # named by the pinned content: another version goes to another folder
        own = folder / hashlib.sha256(package.integrity.encode()).hexdigest()[:12]
        if not own.exists():
            _fetch(package, own)
        files += [own / PurePosixPath(member).name for member in package.members]
    return files


def _fetch(package: Package, target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Refused(
            "the offline edition takes a few scripts from npm, which is not installed: install Node.js with npm"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        process = subprocess.run([npm, "pack", package.name], cwd=temporary, capture_output=True, text=True)
        if process.returncode:
            raise Refused(f"npm could not fetch {package.name}:\n{process.stderr.strip()}")
        archive = next(Path(temporary).glob("*.tgz"))
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != package.integrity:
            raise Refused(f"{package.name} from npm is not the one pinned: {found} instead of {package.integrity}")
        content = Path(temporary) / "content"
        content.mkdir()
        with tarfile.open(archive) as packed:
            for member in package.members:
                file = packed.extractfile(f"package/{member}")
                (content / PurePosixPath(member).name).write_bytes(file.read())
        content.replace(target)
