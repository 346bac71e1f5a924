"""What CONTRIBUTING.md says of style."""

import subprocess
import sys
from pathlib import Path

import pytest

RUFF = str(Path(sys.executable).with_name("ruff"))


@pytest.mark.parametrize(
    "command", ["check --no-cache gamlib tests notebooks", "format --no-cache --check gamlib tests"]
)
def test_ruff_finds_nothing(root, command):
    run = subprocess.run([RUFF, *command.split()], cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
