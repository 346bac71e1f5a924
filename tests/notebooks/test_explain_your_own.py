"""The notebook for the reader's own images, run by Papermill as a reader does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

import gamlib
from gamlib.data.photos import photograph
from gamlib.plots import overlay

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "explain_your_own.ipynb"
TABBY = 281


def papermill(folder: Path, *given: str) -> subprocess.CompletedProcess:
    """Run the notebook from `folder`, so that paths are relative to it."""
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(NOTEBOOK), "out.ipynb", *given]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def upright() -> list[Image.Image]:
    return [Image.fromarray(photograph(name)).resize((150, 110)) for name in ("cat", "coffee")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, upright) -> Path:
    """A run on two files, of which one lies on its side and says so."""
    folder = tmp_path_factory.mktemp("own")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    upright[0].transpose(Image.Transpose.ROTATE_90).save(folder / "side.png", exif=exif)
    upright[1].save(folder / "b.png")
    run = papermill(
        folder, *"-p image_a side.png -p image_b b.png -p target tabby -p layers 3 -p results_dir kept".split()
    )
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def expected(upright) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    model = gamlib.load_model("efficientnet_lite0")
    a, b = (model.transform(image)[None] for image in upright)
    by_pair = gamlib.trace_pair(model, a, b, "cosine", layers=3)
    by_class = [gamlib.trace_class(model, x, TABBY, layers=3) for x in (a, b)]
    return {
        name: tuple(gamlib.gam(trace, n=3)[0] for trace in traces)
        for name, traces in {"cosine": by_pair, "class": by_class}.items()
    }


@pytest.mark.parametrize("score", ["cosine", "class"])
@pytest.mark.parametrize("side", ["a", "b"])
def test_the_kept_map_is_gam_of_the_upright_image(folder, expected, score, side):
    kept = np.load(folder / "kept" / f"explained_{side}_{score}_gam.npy")
    # Another number of threads adds up in another order (2e-5 in an activation); where that crosses a kink of ReLU6,
    # a gradient appears or goes. A map of the image on its side, or of another method, differs by more than 0.3.
    np.testing.assert_allclose(kept, expected[score]["ab".index(side)].numpy(), atol=0.02)


def test_the_overlay_has_the_size_of_the_upright_image_and_the_colours_of_the_figures(folder, upright):
    kept = np.asarray(Image.open(folder / "kept" / "explained_a_cosine_gam.png"))
    assert kept.shape == (110, 150, 3)
    map_ = np.load(folder / "kept" / "explained_a_cosine_gam.npy")
    assert np.abs(kept - 255 * overlay(upright[0], torch.from_numpy(map_))).max() < 1.5


def test_what_is_kept(folder):
    names = sorted(path.name for path in (folder / "kept").iterdir())
    raw = {"gam": 3, "grad_cam": 1, "grad_cam_pp_stable": 1}
    assert names == sorted(
        f"explained_{side}_{score}_{method}{end}"
        for side in "ab"
        for score in ("cosine", "class")
        for method, layers in raw.items()
        for end in (".png", ".npy", *(f"_raw_{n}.npy" for n in range(1, layers + 1)))
    )
    assert np.load(folder / "kept" / "explained_a_class_gam_raw_1.npy").shape == (7, 7)
    assert np.load(folder / "kept" / "explained_a_class_gam_raw_3.npy").shape == (28, 28)


def test_nothing_on_standard_error_and_an_explorer_of_both_scores(folder):
    notebook = json.loads((folder / "out.ipynb").read_text())
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert [o for o in outputs if o.get("name") == "stderr"] == []
    pages = ["".join(output["data"].get("text/html", "")) for output in outputs if "data" in output]
    (explorer,) = [BeautifulSoup(page, "html.parser") for page in pages if "gam-explorer" in page]
    assert [field.legend.text for field in explorer.find_all("fieldset")] == ["Score", "Method"]


def test_a_map_that_is_not_finite_keeps_its_numbers_and_no_picture(tmp_path, monkeypatch):
    # a network of one layer, too
    (tmp_path / "broken.py").write_text("""
import gamlib
from torch import nn

def make():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    nn.init.constant_(net[0].bias, float("nan"))
    return gamlib.Model(net, ["1"], net[:4], net[4], gamlib.Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3))
""")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = papermill(tmp_path, *"-p model broken:make -p results_dir kept".split())
    assert run.returncode == 0, run.stderr
    assert not list((tmp_path / "kept").glob("*.png"))
    assert np.isnan(np.load(tmp_path / "kept" / "explained_a_class_gam.npy")).all()
    assert "not kept: the map is not finite" in (tmp_path / "out.ipynb").read_text()


def test_an_unknown_class_is_named_with_the_nearest_one(tmp_path):
    run = papermill(tmp_path, *"-p target tabbby -p results_dir kept".split())
    assert run.returncode != 0
    assert "class 'tabbby' is not one of the model's 1000 categories; did you mean 'tabby'?" in run.stderr
    assert not (tmp_path / "kept").exists()
