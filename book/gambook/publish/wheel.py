"""The wheel of gamlib and gambook for students who have no checkout.

It is put together from the checkout and from what pip knows of the package: no build backend, no network, and so the
same in every environment that the book is built in.
"""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

from wheel.wheelfile import WheelFile

from gambook.publish.project import Project

PACKAGES = {"gamlib": "gamlib", "book/gambook": "gambook"}
WHEEL = "Wheel-Version: 1.0\nGenerator: gambook\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(project: Project, folder: Path) -> Path:
    """Write gamlib-VERSION-py3-none-any.whl into `folder`, which is made where it is missing; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    installed = distribution("gamlib")
    name = f"gamlib-{installed.version}"
    path = folder / f"{name}-py3-none-any.whl"
    with WheelFile(path, "w") as wheel:
        for package, imported in PACKAGES.items():
            place = project.root / package
            for file in sorted(place.rglob("*")):
                inside = file.relative_to(place)
                if file.is_file() and not any(part.startswith((".", "__pycache__")) for part in inside.parts):
                    wheel.write(str(file), f"{imported}/{inside.as_posix()}")
        for text in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
            wheel.writestr(f"{name}.dist-info/{text}", installed.read_text(text) or "")
        wheel.writestr(f"{name}.dist-info/WHEEL", WHEEL)
    return path
