"""Evaluations of what a user brings: networks and data sets of a notebook's cells, photographs that cannot be read."""

import io
import linecache
import sys
import types

import numpy as np
import pytest
from PIL import Image

import gamlib
from gamlib.data import BrokenImage, Dataset, Object, Sample
from gamlib.evaluation import Settings
from gamlib.evaluation.store import factory_digest

CELLS = """
import torch
from torch import nn
import gamlib
GAIN = 1.0

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 2)

    def features(self, x):
        return GAIN * self.conv(x).relu().mean((2, 3))

def factory():
    torch.manual_seed(0)
    net = Net()
    transform = gamlib.Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)
    return gamlib.Model(net, ["conv"], net.features, net.fc, transform, ["a", "b"])

def another():
    return 1
"""


class Mine(Dataset):
    """Eight photographs of noise, of which those in `broken` cannot be read; `how` says what happens then."""

    name, classes = "mine", {"a": "a", "b": "b"}

    def __init__(self, broken=(), how="cut"):
        self.broken, self.how = broken, how

    def __len__(self):
        return 8

    def labels(self, index):
        return ("ab"[index % 2],)

    def areas(self, index):
        return (0.25,)

    def __getitem__(self, index):
        image = Image.fromarray(np.random.default_rng(index).integers(0, 255, (40, 40, 3), dtype=np.uint8))
        if index in self.broken:
            if self.how == "raise":
                raise {0: RuntimeError, 1: SyntaxError, 2: EOFError}[index % 3]("no such luck")
            image = {"cut": cut(image), "float": Image.fromarray(np.ones((4, 4), np.float32)), "none": None}[self.how]
        return Sample(f"photo-{index}", image, (Object(*self.labels(index), (0, 0, 20, 20)),))


def cut(image):
    """The first half of a file; Pillow opens it and finds out when it decodes."""
    whole = io.BytesIO()
    image.save(whole, format="png")
    return Image.open(io.BytesIO(whole.getvalue()[: len(whole.getvalue()) // 2]))


@pytest.fixture
def notebook(monkeypatch):
    """Runs a cell in a __main__ that has no file, as a kernel's has none."""
    module, cells = types.ModuleType("__main__"), []
    monkeypatch.setitem(sys.modules, "__main__", module)

    def cell(code):
        cells.append(f"<cell {len(cells)}>")
        linecache.cache[cells[-1]] = (len(code), None, code.splitlines(True), cells[-1])
        exec(compile(code, cells[-1], "exec"), vars(module))
        return module

    yield cell
    for name in cells:
        linecache.cache.pop(name, None)


def run(out, name="__main__:factory", dataset=None, tasks="class", **options):
    return gamlib.evaluate(name, dataset or Mine(), Settings(tasks, "gam", 1), out, **options)


def test_a_network_of_a_cell_is_told_from_its_next_version(notebook, tmp_path):
    notebook(CELLS)
    first = run(tmp_path)
    assert len(first) == 8 and first["before"].between(0, 1).all()
    keys = {first.attrs["key"]}
    # another function beside it changes nothing
    notebook(CELLS.replace("return 1", "return 2"))
    keys.add(run(tmp_path).attrs["key"])
    assert len(keys) == 1
    # a constant that the class reads, the class and the factory do, and the new network is the one that is used
    for old, new in (("GAIN = 1.0", "GAIN = 2.0"), ("relu()", "exp()"), ("manual_seed(0)", "manual_seed(1)")):
        notebook(CELLS.replace(old, new))
        second = run(tmp_path)
        assert second.attrs["key"] not in keys and not np.allclose(first["before"], second["before"])
        keys.add(second.attrs["key"])


ONE_OF_MANY = "torch.arange(2000).float().index_fill(0, torch.tensor([999]), 1.0)"


@pytest.mark.parametrize("value", ["[1.0]", "{'by': 1.0}", "(1.0,)", "np.ones(1)", ONE_OF_MANY])
def test_a_value_that_a_cell_reads_counts_by_what_it_holds(notebook, value):
    code = f"import numpy as np\nfrom torch import Tensor\n{CELLS}".replace(
        "def factory():", "def factory() -> Tensor:"
    )
    code = code.replace("GAIN = 1.0", f"HELD = {value}").replace("GAIN *", "sum([*HELD]) *")
    notebook(code)
    before = factory_digest("__main__:factory")
    notebook(code)
    assert factory_digest("__main__:factory") == before
    notebook(code.replace("1.0", "2.0").replace("ones(", "zeros("))
    assert factory_digest("__main__:factory") != before


DATA = """
from PIL import Image
from gamlib.data import Dataset, Object, Sample

class Own(Dataset):
    name, classes = "own", {"a": "a"}
    def __len__(self): return 4
    def labels(self, index): return ("a",)
    def __getitem__(self, index):
        return Sample(str(index), Image.new("RGB", (8, 8), (10, 20, 30)), (Object("a", (0, 0, 4, 4)),))
"""


def test_a_data_set_of_a_cell_is_told_from_its_next_version(notebook, tmp_path):
    notebook(CELLS)
    keys = [
        run(tmp_path, dataset=notebook(code).Own()).attrs["key"] for code in (DATA, DATA.replace("10, 20", "11, 20"))
    ]
    assert keys[0] != keys[1]


def test_a_cell_without_source_is_refused(notebook):
    notebook(CELLS)
    linecache.cache.clear()
    with pytest.raises(ValueError, match="'factory' of __main__ has no source to be had.*; put it in a file"):
        factory_digest("__main__:factory")


class Elsewhere:
    def map(self, function, items):
        raise AssertionError("nothing is to be computed elsewhere")


def test_other_processes_cannot_help_with_a_cell(notebook, tmp_path):
    notebook(CELLS)
    with pytest.raises(ValueError, match="map: network '__main__:factory' defined in a notebook, which other process"):
        run(tmp_path, map=Elsewhere().map)
    assert not list(tmp_path.iterdir())


def test_a_cell_that_was_not_run(notebook, tmp_path):
    notebook(CELLS)
    with pytest.raises(ValueError, match="'nothing' is not defined|model: '__main__:nothing' cannot be imported"):
        run(tmp_path, "__main__:nothing")


@pytest.mark.parametrize("how", ["cut", "raise", "float", "none"])
def test_a_photograph_that_cannot_be_read_is_skipped_counted_and_named(notebook, tmp_path, how):
    notebook(CELLS)
    frame = run(tmp_path, dataset=Mine((1, 5, 6), how))
    ids = [f"mine[{i}]" if how == "raise" else f"photo-{i}" for i in (1, 5, 6)]
    assert [entry["sample"] for entry in frame.attrs["skipped"]] == ids
    assert set(frame["sample"]) == {f"photo-{i}" for i in (0, 2, 3, 4, 7)}
    with pytest.raises(BrokenImage, match="cannot be read"):
        Mine((1,), how).read(1)


def test_a_network_without_a_head_is_evaluated_by_similarity(notebook, tmp_path):
    notebook(CELLS.replace('net.fc, transform, ["a", "b"]', "None, transform"))
    frame = run(tmp_path, tasks=("cosine", "dot"))
    assert set(frame["task"]) == {"cosine", "dot"} and len(frame) == 2 * 8
    with pytest.raises(ValueError, match="head: custom has none, so there are no classes.*tasks of Settings"):
        run(tmp_path)


def test_one_logit_is_evaluated_as_two_classes(notebook, tmp_path):
    model = notebook(CELLS.replace("nn.Linear(8, 2)", "nn.Linear(8, 1)")).factory()
    frame = run(tmp_path).set_index("sample")["before"]
    for index in range(8):
        yes = model.logits(model.batch([Mine()[index].image])).sigmoid().item()
        assert frame[f"photo-{index}"] == pytest.approx(yes if index % 2 else 1 - yes, abs=1e-6)
