"""What the unit tests share: networks, photographs, and a small checkout for the tests of gambook.publish."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import skimage.data
import torch
from gambook.publish.project import Project
from PIL import Image
from torch import Tensor, nn

import gamlib

WriteNotebook = Callable[..., Path]


@pytest.fixture(scope="module")
def write_notebook() -> WriteNotebook:
    """write_notebook(project, name, parameters, *code, needs=()): a notebook with a title and these code cells."""

    def write(project: Project, name: str, parameters: str, *code: str, needs: Sequence[str] = ()) -> Path:
        cells = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": f"# {name}"}]
        for number, source in enumerate([parameters, *code]):
            tags = ["parameters"] if number == 0 else []
            cell = {"cell_type": "code", "id": f"code-{number}", "metadata": {"tags": tags}, "source": source}
            cells.append({**cell, "outputs": [], "execution_count": None})
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        metadata = {"kernelspec": kernel, "gamlib": {"needs": list(needs)}}
        path = project.source(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
        return path

    return write


def new_project(root: Path) -> Project:
    """A checkout without notebooks: one page, two profiles, one source file, a lock."""
    for name, text in {
        "_config.yml": 'title: "A book"\nrepository:\n  url: ""\n',
        "_toc.yml": "format: jb-book\nroot: book/intro\n",
        "book/intro.md": "# Intro\n",
        "notebooks/profiles/embedded.yml": "profile: embedded\nseed: 0\ndevice: cpu\n",
        "notebooks/profiles/open.yml": "profile: open\n",
        "gamlib/methods.py": "SCALE = 1\n",
        "requirements.lock": "numpy==2.4.6\n",
        "pyproject.toml": '[project]\nname = "gamlib"\nversion = "0"\n[tool.hatch.build]\npackages = ["gamlib"]\n',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Project(root)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "checkout")


@pytest.fixture(scope="module")
def module_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return new_project(tmp_path_factory.mktemp("module") / "checkout")


@pytest.fixture(scope="session")
def lite0() -> gamlib.Model:
    return gamlib.load_model("efficientnet_lite0")


@pytest.fixture(scope="session")
def photographs(lite0: gamlib.Model) -> Tensor:
    """Cat, rocket, coffee and astronaut: (4, 3, 224, 224), as lite0 wants them."""
    images = (skimage.data.chelsea(), skimage.data.rocket(), skimage.data.coffee(), skimage.data.astronaut())
    return torch.stack([lite0.transform(Image.fromarray(image)) for image in images])


class TinyNet(nn.Module):
    """Two convolutions with ReLUs in place, average pooling, a linear layer: 8x8 -> 6 channels of 4x4 -> 5 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1, stride=2)
        self.relu2 = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 5)

    def features(self, x: Tensor) -> Tensor:
        x = self.relu1(self.conv1(x))
        return self.relu2(self.conv2(x)).mean(dim=(2, 3))


@pytest.fixture
def tiny() -> Callable[..., gamlib.Model]:
    """Makes a TinyNet of float64 random weights, wrapped; keyword arguments go to gamlib.Model."""

    def make(**options: object) -> gamlib.Model:
        torch.manual_seed(0)
        net = TinyNet().double()
        transform = gamlib.Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3)
        return gamlib.Model(net, ["relu2", "relu1"], net.features, net.head, transform, **options)

    return make
