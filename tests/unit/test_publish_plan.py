"""What a request is planned to run, and which requests are refused before anything runs."""

import json
import subprocess
import sys
from graphlib import CycleError

import pytest
from click.testing import CliRunner
from gambook.publish import reference
from gambook.publish.cli import main
from gambook.publish.plan import defaults, plan, typed
from gambook.publish.project import Project, Refused

FIRST = """
profile = 'embedded'
device = 'cpu'
raccoon_root = ''
reference_dir = '../book/results'
seed = 0
n_images = 60
image_a = ''
width: float = 1.5
layers = 2
target = None
fast = False
"""


@pytest.fixture
def book(project, write_notebook, monkeypatch):
    write_notebook(project, "01_first_look", FIRST, "print(seed)")
    write_notebook(project, "08_confidence", "seed = 0\nresults_dir = '.'", "print(seed)")
    monkeypatch.chdir(project.root)
    return project


def passed(project, name, **given):
    (job,) = plan(project, [name], "embedded", given)
    return job.passed


def test_a_model_is_refused_where_each_data_set_brings_its_own(project, write_notebook):
    (project.root / "notebooks" / "profiles" / "paper.yml").write_text("profile: paper\n")
    write_notebook(project, "09_localization", "profile = 'paper'\nmodel = 'm'\nimagenet_root = ''\ndataset = ''", "1")
    with pytest.raises(
        Refused, match="parameter model: under the paper profile 09_localization takes the network that"
    ):
        plan(project, ["09_localization"], "paper", {"model": "resnet50"})
    (job,) = plan(project, ["09_localization"], "embedded", {"model": "resnet50"})
    assert job.passed["model"] == "resnet50"


def test_defaults_are_read_from_the_tagged_cell_only():
    cells = [
        {"cell_type": "code", "metadata": {}, "source": "other = 1"},
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["seed = 3\n", "box: tuple = (1, 2)\n"]},
    ]
    assert defaults({"cells": cells}) == {"seed": 3, "box": (1, 2)}


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        # where the default is text, to the letter
        ("maps", "2024_05_03", "2024_05_03"), ("", "1e3", "1e3"), ("", "0x10", "0x10"), ("a", "", ""),
        ("default", "None", None),
        (0, "3", 3), (1.5, "2", 2), (1.5, "1e-3", 0.001), (False, "True", True), ([1], "[1, 2]", [1, 2]),
        (None, "281", 281), (None, "tabby", "tabby"), (None, "None", None),
    ],
)  # fmt: skip
def test_typed_values(default, text, value):
    found = typed("01_first_look", "any", text, default)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("layer4,layer3", ["layer4", "layer3"]), ("bn2", ["bn2"]), ("3,1", ["3", "1"]), ("3,", ["3"])],
)
def test_layers_are_counted_or_named(text, value):
    assert typed("01_first_look", "layers", text, 2) == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "01_first_lok"], "Error: notebook: unknown '01_first_lok'; did you mean '01_first_look'?"),
        (["run", "notebooks/01_first_look.ipynb", "-p", "sed", "1"],
         "parameter of 01_first_look: unknown 'sed'; did you mean 'seed'?"),
        (["run", "01_first_look", "08_confidence", "-p", "n_images", "4"],
         "parameter of 08_confidence: unknown 'n_images'"),
        (["run", "-p", "n_image", "4"], "parameter: unknown 'n_image'; did you mean 'n_images'?"),
        (["run", "-p", "n_images", "many"], "n_images of 01_first_look is of type int (default 60), not 'many'"),
        (["run", "-p", "fast", "1"], "fast of 01_first_look is of type bool (default False), not 1"),
        (["run", "-p", "profile", "open"], "results of another profile have their own folder; give --profile open"),
        (["run", "-p", "device", "gpu"], "parameter device: unknown 'gpu'; accepted: cpu, cuda, cuda:1, mps"),
        (["run", "-p", "device", "cuda:99"], "parameter device: this machine offers PyTorch no 'cuda:99'; give cpu"),
        (["run", "-p", "raccoon_root", "nope"], "parameter raccoon_root: there is no folder 'nope'"),
        (["run", "-p", "reference_dir", "nope"], "parameter reference_dir: there is no folder 'nope'"),
        (["run", "-p", "results_dir", ""], "'' is no folder that can be written to"),
        (["run", "-p", "results_dir", "01_first_look.ipynb/x"], "is no folder that can be written to"),
        (["run", "-p", "results_dir", "/proc/x"], "'/proc/x' is no folder that can be written to"),
        (["book", "--profile", "embeded"],
         "profile: unknown 'embeded'; did you mean 'embedded'? accepted: embedded, open"),
        (["results", "--profile", "paper"], "'paper' is not one of 'embedded', 'open'"),
    ],
)  # fmt: skip
def test_a_refused_command_runs_nothing(book, monkeypatch, arguments, message):
    monkeypatch.chdir(book.notebooks)
    outcome = CliRunner().invoke(main, arguments)
    assert outcome.exit_code != 0
    assert message in outcome.output
    assert not (book.build / "runs").exists()


def test_outside_of_a_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = CliRunner().invoke(main, ["run"])
    assert (outcome.exit_code, "is not inside a checkout of the book" in outcome.output) == (1, True)


def test_of_all_notebooks_one_must_have_the_parameter(book):
    first, second = plan(book, book.names(), "embedded", {"n_images": "4"}, whole=True)
    assert (first.passed["n_images"], "n_images" in second.passed) == (4, False)


def test_profile_keys_that_a_notebook_lacks_are_left_out(book):
    assert passed(book, "01_first_look") == {"profile": "embedded", "seed": 0, "device": "cpu"}


def test_results_go_to_the_profile_folder_unless_given(book):
    (job,) = plan(book, ["08_confidence"], "open")
    assert job.passed["results_dir"] == str(book.root / "_build/results/open")
    assert passed(book, "08_confidence", results_dir="2024_05")["results_dir"] == str(book.root / "2024_05")


def test_image_paths_are_the_users(book):
    (book.root / "my.jpg").write_bytes(b"")
    assert passed(book, "01_first_look", image_a="my.jpg")["image_a"] == str(book.root / "my.jpg")
    assert passed(book, "01_first_look", image_a="cat")["image_a"] == "cat"


def test_a_notebook_runs_after_those_it_needs_which_come_along(book, write_notebook):
    write_notebook(book, "02_verdicts", "seed = 0", needs=["08_confidence"])
    assert [job.name for job in plan(book, ["02_verdicts"], "embedded")] == ["08_confidence", "02_verdicts"]


def test_needs_are_checked(book, write_notebook):
    write_notebook(book, "02_verdicts", "seed = 0", needs=["09_confidence"])
    with pytest.raises(
        Refused, match="notebook that 02_verdicts needs: unknown '09_confidence'; did you mean '08_confidence'"
    ):
        plan(book, ["02_verdicts"], "embedded")
    write_notebook(book, "02_verdicts", "seed = 0", needs=["03_circle"])
    write_notebook(book, "03_circle", "seed = 0", needs=["02_verdicts"])
    with pytest.raises(CycleError, match="in a cycle.*03_circle"):
        plan(book, ["02_verdicts"], "embedded")


def test_what_makes_a_notebook_due_besides_its_digest(book):
    (job,) = plan(book, ["08_confidence"], "embedded")
    made = json.dumps({"metadata": {"gamlib": {"digest": job.digest}}})
    assert not job.is_current()
    job.target.parent.mkdir(parents=True)
    job.target.write_text(made)
    assert not job.is_current(), "its folder of results is not there"
    book.results("embedded").mkdir(parents=True)
    assert job.is_current()
    # a later run that was stopped or failed may have changed the results
    job.failed.write_text("")
    assert not job.is_current()
    job.failed.unlink()
    job.target.write_text(made[:-5])
    assert not job.is_current(), "the file is damaged"


def test_the_reference_runs_are_planned_for_each_network(root, monkeypatch):
    runs = []
    monkeypatch.setattr(reference, "run_jobs", lambda project, jobs, workers: runs.append(jobs))
    monkeypatch.setattr(reference, "kernel_environment", dict)
    monkeypatch.setattr(reference, "CURVE_BACKBONES", ())
    monkeypatch.setattr(reference, "_publish", lambda project, profile: None)
    reference.make_results(Project(root), "embedded", 1)
    assert [jobs[-1].name for jobs in runs] == ["12_verdicts"] * 4
    asked = [[jobs[-1].passed[name] for name in ("model", "n_images", "reference_dir")] for jobs in runs]
    models = ["efficientnet_lite0", "squeezenet1_1", "efficientnet_lite1", "efficientnet_lite2"]
    assert asked == [[model, 192, ""] for model in models]
    # all are masked
    assert not any("masked" in jobs[-1].passed for jobs in runs)
    assert ["06_sanity_checks" in {job.name for job in jobs} for jobs in runs] == [True, True, False, False]


def test_the_command_line_does_not_wait_for_torch():
    code = "import sys, gambook.publish.cli; print({'torch', 'timm', 'papermill', 'pandas'} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "set()\n"
