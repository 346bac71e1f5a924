"""The chapters on a reader's own network: two layers, of classes without names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOURCE = """
import torch
from torch import nn

import gamlib


def make():
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 16, 7, stride=4, padding=3), nn.Conv2d(16, 32, 3, stride=2, padding=1)
    body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(32, 1000))
    transform = gamlib.Preprocess((96, 96), (0.5,) * 3, (0.25,) * 3)
    return gamlib.Model(body, ["3", "1"], lambda x: body[:4](x).mean(dim=(2, 3)), body[4], transform, None, "own")
"""


@pytest.mark.parametrize(
    "name, said",
    [
        ("01_first_look", "A and G: (3, 32, 12, 12)"),
        ("05_classification", ">GAM, n = 2</th>"),
        ("07_layer_ablation", ">GAM (2) − GAM (1)</td>"),
        ("13_explorers", "Maps of GAM, n = 2"),
    ],
)
def test_a_chapter_runs_on_a_network_of_two_layers_without_names(tmp_path, name, said):
    (tmp_path / "ownnet.py").write_text(SOURCE)
    keep = ["-p", "results_dir", str(tmp_path / "kept")] * (name in ("05_classification", "07_layer_ablation"))
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(NOTEBOOKS / f"{name}.ipynb"), "out.ipynb"]
    run = subprocess.run(
        [*command, "-p", "model", "ownnet:make", *keep],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert said in json.dumps(json.loads((tmp_path / "out.ipynb").read_text()), ensure_ascii=False)
