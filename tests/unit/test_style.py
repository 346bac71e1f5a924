"""What CONTRIBUTING.md says of style."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "command",
    ["ruff check --no-cache .", "ruff format --no-cache --check gamlib book/gambook tests", "ty check"],
)
def test_the_tools_find_nothing(root, command):
    tool, *options = command.split()
    run = subprocess.run([Path(sys.executable).with_name(tool), *options], cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
