"""Evaluations of what a user brings: networks and data sets of a notebook's cells, photographs that cannot be read."""

import io
import linecache
import os
import subprocess
import sys
import types
from dataclasses import InitVar, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import gamlib
from gamlib.data import BrokenImage, Dataset, Object, Sample, Subset
from gamlib.evaluation import Settings
from gamlib.evaluation.plan import cached_model, make_plan
from gamlib.evaluation.store import dataset_digest, factory_digest, formula_digest
from gamlib.methods import METHODS, Method

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


FILE = CELLS.replace("def factory():", "def factory(weights=None):").replace(
    "net = Net()", "net = Net(); load(net, weights)"
)
FILE += """
def load(net, weights):
    if weights:
        net.load_state_dict(torch.load(weights))
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes a module of a user's own; its name is another for each test, since a process imports a name once."""
    name = f"own_{tmp_path.name}"
    monkeypatch.syspath_prepend(tmp_path)

    def write(code):
        (tmp_path / f"{name}.py").write_text(code)
        return name

    yield write
    sys.modules.pop(name, None)


def test_an_edited_module_that_is_still_in_memory_is_refused(package, tmp_path):
    name = package(FILE)
    first = run(tmp_path / "out", f"{name}:factory")
    assert run(tmp_path / "out", f"{name}:factory").attrs["key"] == first.attrs["key"]
    package(FILE.replace("GAIN = 1.0", "GAIN = 2.0"))
    with pytest.raises(
        ValueError, match=f"'{name}' has been edited since this process has imported it, and may run as it"
    ):
        run(tmp_path / "out", f"{name}:factory")


def test_a_checkpoint_that_was_trained_on_is_read_again(package, tmp_path):
    name, weights = package(FILE), tmp_path / "w.pth"
    net = gamlib.load_model(f"{package(FILE)}:factory").module
    found = []
    for factor in (1, 3):
        torch.save({key: factor * value for key, value in net.state_dict().items()}, weights)
        settings = gamlib.Settings("class", "gam", 1, weights=weights)
        found.append(gamlib.evaluate(f"{name}:factory", Mine(), settings, tmp_path / "out"))
    assert found[0].attrs["key"] != found[1].attrs["key"]
    model = gamlib.load_model(f"{name}:factory", weights)
    expected = model.probabilities(model.batch([sample.image for sample in Mine()]))
    rows = found[1].sort_values("sample")
    assert rows["before"].tolist() == pytest.approx([float(p[i % 2]) for i, p in enumerate(expected)], abs=1e-6)


def test_a_network_made_anew_beside_its_factory_is_the_one_that_is_used(notebook, tmp_path):
    code = CELLS.replace("    torch.manual_seed(0)\n    net = Net()\n", "").replace(
        "def factory", "torch.manual_seed(SEED)\nnet = Net()\n\ndef factory"
    )
    first, second = (notebook(code.replace("SEED", seed)) and run(tmp_path) for seed in ("0", "1"))
    assert not np.allclose(first["before"], second["before"])


class Held(Mine):
    def __init__(self, held):
        super().__init__()
        self.held = held


@pytest.mark.parametrize(
    "one, other",
    [
        ((0, 1), (0, 2)),
        (Path("a"), Path("b")),
        ({"a": [1, None]}, {"a": [2, None]}),
        (np.zeros(2000), np.eye(1, 2000, 1000)[0]),
        (torch.zeros(2000), torch.eye(2000)[1000]),
        (pd.DataFrame({"x": range(200)}), pd.DataFrame({"x": [*range(199), 0]})),
        (Image.new("L", (9, 9)), Image.new("L", (9, 9), 1)),
        (Sample("a", Image.new("L", (9, 9))), Sample("b", Image.new("L", (9, 9)))),
        ({1, 2}, {1, 3}),
        (lambda x: x, lambda x: -x),
    ],
)
def test_a_data_set_counts_with_all_that_it_holds(one, other):
    assert dataset_digest(Held(one)) == dataset_digest(Held(one)) != dataset_digest(Held(other))


def test_what_cannot_be_told_from_another_version_is_refused_unless_the_samples_say_it():
    class Said(Held):
        def fingerprint(self, index):
            return index

    with pytest.raises(
        ValueError, match=r"data set 'mine': 'held' holds a object, of .*; give the class a fingerprint"
    ):
        dataset_digest(Held(object()))
    assert dataset_digest(Said(object())) == dataset_digest(Said(object()))


class Dark(Subset):
    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return Sample(sample.id, sample.image.point(lambda value: value // 8), sample.objects)


class DarkMine(Mine):
    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return Sample(sample.id, sample.image.point(lambda value: value // 8), sample.objects)


def test_a_part_that_changes_what_it_hands_on_is_another_data_set_and_measured_as_such(notebook, tmp_path):
    assert dataset_digest(Dark(Mine(), range(8))) != dataset_digest(Subset(Mine(), range(8)))
    notebook(CELLS)
    names = ("part", "whole", "plain")
    sets = (Dark(Mine(), range(8)), DarkMine(), Mine())
    score = {name: run(tmp_path, dataset=each)["before"] for name, each in zip(names, sets, strict=True)}
    assert score["part"].equals(score["whole"])
    assert not np.allclose(score["part"], score["plain"], rtol=0.01)


def test_a_table_that_a_cell_reads_counts_by_what_it_holds(notebook, tmp_path):
    code = "import pandas as pd\nTABLE = pd.DataFrame({'gain': [1.0]})\n" + CELLS.replace(
        "GAIN *", "TABLE['gain'][0] *"
    )
    keys = {(notebook(text), run(tmp_path))[1].attrs["key"] for text in (code, code, code.replace("[1.0]", "[2.0]"))}
    assert len(keys) == 2


def test_a_formula_of_one_s_own_is_told_from_its_next_version(monkeypatch):
    def digest_of(formula):
        monkeypatch.setitem(METHODS, "mine", Method(formula, "Mine", "Mine", "#332288"))
        return formula_digest(("gam", "mine"))

    def scaled(gain):
        return lambda a, g, s: gain * a.sum(1)

    given = [scaled(1), scaled(2), lambda a, g, s: (a * g).sum(1)]
    assert len({digest_of(formula) for formula in given}) == 3
    assert digest_of(scaled(1)) == digest_of(scaled(1)) != formula_digest(("gam",))


def test_labels_that_the_samples_do_not_have_are_refused(package, tmp_path):
    class Other(Mine):
        def labels(self, index):
            return ("a",)

        def __getitem__(self, index):
            return Mine()[index]

    with pytest.raises(
        ValueError, match=r"data set 'mine': 'photo-1' has objects \['b'\], where labels\(1\) says \['a'\]"
    ):
        run(tmp_path, f"{package(FILE)}:factory", Other())


def test_a_network_of_ours_is_loaded_once_for_all_that_ask():
    one = cached_model("squeezenet1_1", "default", "cpu", 0)
    assert make_plan("squeezenet1_1", Mine(), Settings("cosine", "gam", 1)).model() is one


def test_a_group_larger_than_a_shard_is_a_shard_of_its_own(package, tmp_path):
    class Many(Mine):
        def __len__(self):
            return 36

        def labels(self, index):
            return ("a",)

    plan = make_plan(f"{package(FILE)}:factory", Many(), Settings("cosine", "gam", 1, partners=17))
    assert [sum(len(unit.images) for unit in shard) for shard in plan.shards] == [18, 18]


def test_an_evaluation_with_another_formula_has_another_key(monkeypatch):
    keys = []
    for formula in (lambda a, g, s: a.sum(1), lambda a, g, s: (a * g).sum(1)):
        monkeypatch.setitem(METHODS, "mine", Method(formula, "Mine", "Mine", "#332288"))
        keys.append(make_plan("squeezenet1_1", Mine(), Settings("cosine", "mine", 1)).key)
    assert keys[0] != keys[1]


# --- what counts in a key, and what is refused ---


class Scaled(Subset):
    def __init__(self, dataset, gain):
        super().__init__(dataset, range(len(dataset)))
        self.gain = gain


class Marked(Subset):
    def fingerprint(self, index):
        return "first" if index else "second"


def test_a_part_counts_with_what_it_holds_itself_and_what_it_says_of_its_samples():
    held = [Scaled(Mine(), np.zeros(3)), Scaled(Mine(), np.zeros(3)), Scaled(Mine(), np.ones(3))]
    one, same, other = map(dataset_digest, held)
    assert one == same != other
    assert dataset_digest(Marked(Mine(), range(8))) != dataset_digest(Subset(Mine(), range(8)))
    with pytest.raises(ValueError, match="data set 'mine': 'gain' holds a object"):
        dataset_digest(Scaled(Mine(), object()))


def test_what_a_factory_has_kept_counts(notebook):
    code = CELLS + "\ndef make(gain):\n    return lambda: (gain, factory())\nmine = make(1.0)\n"
    keys = [notebook(text) and factory_digest("__main__:mine") for text in (code, code, code.replace("(1.0)", "(2.0)"))]
    assert keys[0] == keys[1] != keys[2]


def test_a_record_of_a_cell_s_own_class_counts_by_what_it_holds(notebook):
    record = "from dataclasses import dataclass\n\n@dataclass\nclass Gain:\n    by: float\n"
    code = record + "    def given(self):\n        return self.by\n" + CELLS.replace("GAIN = 1.0", "GAIN = Gain(1.0)")
    code = code.replace("GAIN *", "GAIN.given() *")
    keys = [notebook(text) and factory_digest("__main__:factory") for text in (code, code.replace("(1.0)", "(2.0)"))]
    assert keys[0] != keys[1]


def test_a_data_set_of_a_cell_may_hold_records_whose_class_has_no_code(notebook):
    code = "from dataclasses import dataclass\n\n@dataclass\nclass Gain:\n    by: float\n" + DATA
    one, same, other = (notebook(code) and Held(notebook(code).Gain(by)) for by in (1.0, 1.0, 2.0))
    assert dataset_digest(one) == dataset_digest(same) != dataset_digest(other)


def test_functions_that_name_each_other_are_read_once(notebook):
    ring = "def even(n):\n    return n == 0 or odd(n - 1)\n\ndef odd(n):\n    return n != 0 and even(n - 1)\n"
    code = ring + CELLS.replace("torch.manual_seed(0)", "torch.manual_seed(int(even(0)))")
    keys = [notebook(text) and factory_digest("__main__:factory") for text in (code, code.replace("n != 0", "n > 0"))]
    assert keys[0] != keys[1]


@dataclass(slots=True)
class Linked:
    by: float
    to: object = None


def test_records_and_functions_that_occur_twice_or_hold_themselves_are_told_apart():
    def ring(by):
        first, second = Linked(1.0), Linked(by)
        first.to, second.to = second, first
        return first

    one, other = [(lambda x: x), (lambda x: -x)]
    held = [ring(2.0), ring(2.0), ring(3.0), [one, other, one], [one, other, other]]
    keys = [dataset_digest(Held(each)) for each in held]
    assert keys[0] == keys[1] and len(set(keys)) == 4


def test_two_formulas_on_one_line_are_two(monkeypatch):
    def digest_of(formula):
        monkeypatch.setitem(METHODS, "mine", Method(formula, "Mine", "Mine", "#332288"))
        return formula_digest(["mine"])

    first, second = [lambda a, g, s: a.sum(1), lambda a, g, s: a.mean(1)]
    assert digest_of(first) != digest_of(second)


def test_an_edited_module_that_a_cell_uses_is_refused(package, notebook, monkeypatch, tmp_path):
    name = package("GAIN = 1.0")
    notebook(f"import {name}\n" + CELLS.replace("GAIN *", f"{name}.GAIN *"))
    run(tmp_path / "out")
    package("GAIN = 2.0")
    with pytest.raises(ValueError, match=f"'{name}' has been edited since this process has imported it"):
        run(tmp_path / "out")


def test_an_edited_module_is_refused_though_it_has_failed_before(package, tmp_path):
    name = package(FILE.replace("return gamlib.Model", "return gamlib.Modl"))
    with pytest.raises(AttributeError, match="Modl"):
        run(tmp_path / "out", f"{name}:factory")
    package(FILE)
    with pytest.raises(ValueError, match=f"'{name}' has been edited"):
        run(tmp_path / "out", f"{name}:factory")


@dataclass
class Drawn:
    seed: int
    sigma: InitVar[float]

    def __post_init__(self, sigma):
        self.table = [sigma] * 3


def test_a_record_counts_with_all_that_it_holds():
    one, same, other, later = Drawn(1, 0.1), Drawn(1, 0.1), Drawn(1, 0.9), Drawn(1, 0.1)
    later.gain = 2.0
    keys = [dataset_digest(Held(each)) for each in (one, same, other, later)]
    assert keys[0] == keys[1] and len(set(keys)) == 3


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("def block(i):\n    return i * 1\n\nfactory = lambda: sum(block(i) for i in range(3))\n", ("* 1", "* 2")),
        ("def block(i):\n    return i * 1\n\nfactory = lambda: (lambda: block(1))\n", ("* 1", "* 2")),
        (
            "import functools\ndef build(w):\n    return w\nfactory = functools.partial(build, 2)\n",
            ("build, 2", "build, 3"),
        ),
        (
            "import functools\n@functools.cache\ndef f():\n    return 1\ndef factory():\n    return f()\n",
            ("n 1", "n 2"),
        ),
        ("class Sizes:\n    width = 3\n\nHELD = [Sizes()]\ndef factory():\n    return HELD\n", ("= 3", "= 4")),
        (
            "from enum import Enum\nclass Mode(Enum):\n    A = 1\nM = [Mode.A]\ndef factory():\n    return M\n",
            ("A = 1", "A = 2"),
        ),
        ("class Net:\n    @classmethod\n    def make(cls):\n        return 1\nfactory = Net\n", ("n 1", "n 2")),
    ],
)
def test_what_code_of_a_cell_names_counts_wherever_it_is_named(notebook, code, change):
    keys = [notebook(text) and factory_digest("__main__:factory") for text in (code, code, code.replace(*change))]
    assert keys[0] == keys[1] != keys[2]


def test_a_set_counts_alike_in_every_process():
    code = """
from dataclasses import InitVar, dataclass
from gamlib.contents import held
@dataclass(frozen=True)
class Record:
    name: str
a, b, c = map(Record, "abc")
print(held([{a, b, c}, b, {(a, 1), (b, 2), (a, 3)}]))
"""
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(said) == 1
