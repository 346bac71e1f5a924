"""Evaluations of what a user brings: networks and data sets of a notebook's cells, photographs that cannot be read."""

import functools
import importlib.util
import io
import os
import subprocess
import sys
import threading
import time
import types
from dataclasses import InitVar, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import gamlib
from gamlib import sources
from gamlib.data import BrokenImage, Dataset, Object, Sample, Subset
from gamlib.data.subset import read_sample
from gamlib.evaluation import Settings
from gamlib.evaluation.plan import cached_model, make_plan
from gamlib.evaluation.store import dataset_digest, formula_digest
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
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)

    def cell(code):
        exec(code, vars(module))
        return module

    return cell


def run(out, name="__main__:factory", dataset=None, tasks="class", **options):
    return gamlib.evaluate(name, dataset or Mine(), Settings(tasks, "gam", 1), out, **options)


def test_a_network_of_a_cell_is_the_one_of_its_last_run(notebook, tmp_path):
    notebook(CELLS)
    with pytest.warns(UserWarning, match="nothing tells the code of '__main__' from its next version"):
        first, same = run(tmp_path), run(tmp_path)
    assert len(first) == 8 and first["before"].between(0, 1).all()
    assert first["before"].equals(same["before"])
    keys = {first.attrs["key"], same.attrs["key"]}
    # a constant that the class reads, the class and the factory
    for old, new in (("GAIN = 1.0", "GAIN = 2.0"), ("relu()", "exp()"), ("manual_seed(0)", "manual_seed(1)")):
        notebook(CELLS.replace(old, new))
        second = run(tmp_path)
        assert not np.allclose(first["before"], second["before"])
        keys.add(second.attrs["key"])
    assert len(keys) == 5


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


def test_a_data_set_of_a_cell_is_unlike_any(notebook):
    with pytest.warns(UserWarning, match="nothing tells the code of '__main__'"):
        keys = {dataset_digest(notebook(code).Own()) for code in (DATA, DATA, DATA.replace("10, 20", "11, 20"))}
    assert len(keys) == 3


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
        read_sample(Mine((1,), how), 1)


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

    def forget():
        """As a new process begins."""
        sys.modules.pop(name, None)
        sources._IMPORTED.pop(name, None)

    write.forget = forget
    yield write
    forget()


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
        (np.sin, np.cos),
        (functools.partial(round, ndigits=1), functools.partial(round, ndigits=2)),
    ],
)
def test_a_data_set_counts_with_all_that_it_holds(one, other):
    assert dataset_digest(Held(one)) == dataset_digest(Held(one)) != dataset_digest(Held(other))


class Said(Held):
    def fingerprint(self, index):
        return index


def test_what_cannot_be_told_from_another_version_is_unlike_any_unless_the_samples_say_it(notebook):
    class Local(Mine):
        pass

    def reads(image):
        return image

    text = r"nothing tells data set 'mine' from its next version \(.*pickle.*\), so results are computed anew each time"
    for held in (lambda x: x, reads, [threading.Lock()]):
        with pytest.warns(UserWarning, match=text):
            assert dataset_digest(Held(held)) != dataset_digest(Held(held))
        assert dataset_digest(Said(held)) == dataset_digest(Said(held))
    with pytest.warns(UserWarning, match=text):
        assert dataset_digest(Local()) != dataset_digest(Local())
    held = notebook("def transform(image):\n    return image\n").transform
    with pytest.warns(UserWarning, match="nothing tells the code of '__main__'"):
        assert dataset_digest(Held(held)) != dataset_digest(Held(held))


def test_a_function_that_a_data_set_holds_counts_with_its_file(package):
    keys = []
    for code in ("def f(x):\n    return x\n", "def f(x):\n    return -x\n"):
        name = package(code)
        keys.append(dataset_digest(Held(importlib.import_module(name).f)))
        package.forget()
    assert keys[0] != keys[1]


def test_a_class_that_no_import_finds_is_unlike_any(tmp_path, monkeypatch):
    (tmp_path / "loaded.py").write_text(DATA)
    spec = importlib.util.spec_from_file_location("loaded", tmp_path / "loaded.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "loaded", module)
    spec.loader.exec_module(module)
    with pytest.warns(UserWarning, match="nothing tells the code of 'loaded' from its next version"):
        assert dataset_digest(module.Own()) != dataset_digest(module.Own())


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


def test_a_formula_of_one_s_own_is_told_from_its_next_version(package, monkeypatch):
    def digest_of(formula):
        monkeypatch.setitem(METHODS, "mine", Method(formula, "Mine", "Mine", "#332288"))
        return formula_digest(["gam", "mine"])

    code, keys = "def f(a, g, s):\n    return a.sum(1)\n", []
    for text in (code, code, code.replace("sum", "mean")):
        name = package(text)
        keys.append(digest_of(importlib.import_module(name).f))
        package.forget()
    assert keys[0] == keys[1] != keys[2] and formula_digest(["gam"]) not in keys
    first, second = [lambda a, g, s: a.sum(1), lambda a, g, s: a.sum(1)]
    with pytest.warns(UserWarning, match="nothing tells method 'mine' from its next version"):
        assert len({*map(digest_of, (first, first, second))}) == 3


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


@dataclass(slots=True)
class Linked:
    by: float
    to: object = None


def test_records_that_hold_themselves_are_told_apart():
    def ring(by):
        first, second = Linked(1.0), Linked(by)
        first.to, second.to = second, first
        return first

    one, same, other = [dataset_digest(Held(ring(by))) for by in (2.0, 2.0, 3.0)]
    assert one == same != other


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


def test_a_set_counts_alike_in_every_process(package, tmp_path):
    name = package(DATA + "    def __init__(self): self.held = [{*'abcdefghij'}, {('a', 1), ('b', 2), ('a', 3)}]\n")
    code = f"import {name}; from gamlib.evaluation.store import dataset_digest; print(dataset_digest({name}.Own()))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(said) == 1


def test_a_script_is_told_from_its_next_version(tmp_path):
    script, keys = tmp_path / "script.py", []

    def key(gain, age):
        script.write_text(f"GAIN = {gain}\nfrom gamlib.sources import code_state\nprint(code_state('__main__'))\n")
        os.utime(script, (time.time() - age, time.time() - age))
        ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
        keys.append(ran.stdout)
        return ran.stderr

    assert [key(1.0, 60), key(1.0, 60), key(2.0, 60)] == ["", "", ""]
    assert keys[0] == keys[1] != keys[2]
    # as if it were edited after it had been read
    assert all("nothing tells the code of '__main__' from its next version" in key(2.0, -60) for _ in range(2))
    assert len(set(keys)) == 4
