"""The page "Your own network": its blocks run one after another, as a reader types them into a notebook."""

import linecache
import re
import sys
import types
from pathlib import Path

import pytest
import torch

PAGE = Path(__file__).parents[2] / "book" / "your_own_network.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
# the first block imports, the third defines a function, the seventh looks at a corner
MAPS = {1: 2, 3: 1, 4: 1, 5: 1, 7: 1, 8: 1, 9: 1, 10: 1, 11: 3, 12: 1, 13: 1}


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """A __main__ without a file, as a kernel has it."""
    before, module = sys.modules["__main__"], types.ModuleType("__main__")
    module.results_folder = tmp_path_factory.mktemp("results")
    sys.modules["__main__"] = module
    torch.manual_seed(0)
    yield module
    sys.modules["__main__"] = before


def test_every_block_is_short_and_has_its_maps():
    assert max(block.count("\n") for block in BLOCKS) <= 15
    assert [number for number in range(len(BLOCKS)) if number not in MAPS] == [0, 2, 6]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_runs_and_draws_a_map(notebook, number):
    file = f"<block {number}>"
    linecache.cache[file] = (len(BLOCKS[number]), None, BLOCKS[number].splitlines(True), file)
    vars(notebook).pop("heat", None)
    exec(compile(BLOCKS[number], file, "exec"), vars(notebook))
    if number in MAPS:
        side = 96 if number == 13 else 224
        assert notebook.heat.shape == (MAPS[number], side, side)
        assert notebook.heat.isfinite().all()
    if number == 6:
        assert notebook.row <= 1 and notebook.column >= 12
    if number == 8:
        assert notebook.against + notebook.in_favour == pytest.approx(1)
    if number == 10:
        assert torch.equal(notebook.one.score, notebook.other.score)
    if number == 13:
        assert set(notebook.frame["method"]) == {"gam", "grad_cam"} and len(notebook.frame) == 20 * 2 * 2
