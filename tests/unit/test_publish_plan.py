"""What a request is planned to run, and which requests are refused before anything runs."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from gambook.publish.cli import main
from gambook.publish.parameters import defaults, parse_value
from gambook.publish.plan import plan
from gambook.publish.project import Refused

FIRST = "seed = 0\nn_images = 60\nmodel = 'efficientnet_lite0'\nimage_a = ''\nwidth: float = 1.5"


@pytest.fixture
def book(project, write_notebook):
    write_notebook(project, "01_first_look", FIRST, "print(seed)")
    write_notebook(project, "08_confidence", "seed = 0\nresults_dir = '.'", "print(seed)")
    return project


def jobs(project, names, whole=False, profile="embedded", **given):
    return plan(project, names, profile, given, project.root, whole)


def test_defaults_are_read_from_the_tagged_cell_only():
    cells = [
        {"cell_type": "code", "metadata": {}, "source": "other = 1"},
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["seed = 3\n", "box: tuple = (1, 2)\n"]},
    ]
    assert defaults({"cells": cells}) == {"seed": 3, "box": (1, 2)}


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("1e-3", 0.001), ("True", True), ("None", None), ("my.jpg", "my.jpg"), ("[1, 2]", [1, 2]), ("", "")],
)
def test_typed_values(text, value):
    assert parse_value(text) == value


def test_unknown_notebook_names_the_nearest(book):
    with pytest.raises(Refused, match="unknown notebook '01_first_lok'; did you mean '01_first_look'"):
        jobs(book, ["01_first_lok"])


def test_unknown_profile_names_the_accepted(book):
    with pytest.raises(Refused, match="unknown profile 'paper'. Accepted: embedded, open"):
        jobs(book, ["01_first_look"], profile="paper")


def test_unknown_parameter_of_a_named_notebook(book):
    with pytest.raises(Refused, match="parameter of 01_first_look 'sed'; did you mean 'seed'"):
        jobs(book, ["01_first_look"], sed=1)


def test_each_named_notebook_must_have_the_parameter(book):
    with pytest.raises(Refused, match="unknown parameter of 08_confidence 'n_images'"):
        jobs(book, ["01_first_look", "08_confidence"], n_images=4)


def test_of_all_notebooks_one_must_have_the_parameter(book):
    first, second = jobs(book, book.names(), whole=True, n_images=4)
    assert (first.passed["n_images"], "n_images" in second.passed) == (4, False)
    with pytest.raises(Refused, match="unknown parameter 'n_image'; did you mean 'n_images'"):
        jobs(book, book.names(), whole=True, n_image=4)


def test_a_value_of_another_type_is_refused(book):
    with pytest.raises(Refused, match=r"n_images of 01_first_look is a int \(default 60\), not 'many'"):
        jobs(book, ["01_first_look"], n_images="many")


def test_text_and_whole_numbers_are_fitted_to_the_default(book):
    (job,) = jobs(book, ["01_first_look"], image_a=17, width=2)
    assert (job.passed["image_a"], job.passed["width"]) == ("17", 2)


def test_profile_keys_that_a_notebook_lacks_are_left_out(book):
    (job,) = jobs(book, ["01_first_look"])
    assert job.passed == {"seed": 0}


def test_results_go_to_the_profile_folder_unless_given(book):
    (job,) = jobs(book, ["08_confidence"], profile="open")
    assert job.passed["results_dir"] == str(book.root / "_build/results/open")
    (job,) = jobs(book, ["08_confidence"], results_dir="mine")
    assert job.passed["results_dir"] == str(book.root / "mine")


def test_image_paths_are_the_callers(book):
    photograph = book.root / "my.jpg"
    photograph.write_bytes(b"")
    (job,) = jobs(book, ["01_first_look"], image_a="my.jpg")
    assert job.passed["image_a"] == str(photograph)
    (job,) = jobs(book, ["01_first_look"], image_a="cat")
    assert job.passed["image_a"] == "cat"


def test_a_notebook_runs_after_those_it_needs_which_come_along(book, write_notebook):
    write_notebook(book, "02_verdicts", "seed = 0", needs=["08_confidence"])
    assert [job.name for job in jobs(book, ["02_verdicts"])] == ["08_confidence", "02_verdicts"]


def test_needs_are_checked(book, write_notebook):
    write_notebook(book, "02_verdicts", "seed = 0", needs=["09_confidence"])
    with pytest.raises(Refused, match="notebook that 02_verdicts needs '09_confidence'; did you mean '08_confidence'"):
        jobs(book, ["02_verdicts"])
    write_notebook(book, "02_verdicts", "seed = 0", needs=["03_circle"])
    write_notebook(book, "03_circle", "seed = 0", needs=["02_verdicts"])
    with pytest.raises(Refused, match="in a circle"):
        jobs(book, ["02_verdicts"])


def digest(project, name="01_first_look", **given):
    return {job.name: job.digest for job in jobs(project, [name], **given)}[name]


@pytest.mark.parametrize("path", ["gamlib/methods.py", "requirements.lock"])
def test_a_change_of_the_sources_changes_the_digest(book, path):
    before = digest(book)
    (book.root / path).write_text("SCALE = 2\n")
    assert digest(book) != before


def test_a_new_source_file_changes_the_digest(book):
    before = digest(book)
    (book.root / "gamlib" / "registry.txt").write_text("")
    assert digest(book) != before


def test_code_and_parameters_change_the_digest_and_text_does_not(book, write_notebook):
    before = digest(book)
    assert digest(book, seed=1) != before
    path = book.source("01_first_look")
    path.write_text(path.read_text().replace("# 01_first_look", "# A first look"))
    assert digest(book) == before
    write_notebook(book, "01_first_look", FIRST, "print(seed + 1)")
    assert digest(book) != before


def test_digest_holds_what_is_needed_and_the_content_of_files(book, write_notebook):
    write_notebook(book, "02_verdicts", "x = 0", needs=["08_confidence"])
    before = digest(book, "02_verdicts")
    write_notebook(book, "08_confidence", "seed = 0", "print(seed, seed)")
    assert digest(book, "02_verdicts") != before
    photograph = book.root / "my.jpg"
    photograph.write_bytes(b"a")
    before = digest(book, image_a="my.jpg")
    photograph.write_bytes(b"ab")
    assert digest(book, image_a="my.jpg") != before


def test_digest_holds_the_source_of_a_network_and_the_files_of_a_folder(book, write_notebook):
    write_notebook(book, "03_own", "model = ''\nimagenet_root = ''")
    nets, data = book.root / "nets", book.root / "data"
    for folder in (nets, data):
        folder.mkdir()
    (nets / "mine.py").write_text("def net(): ...")
    given = {"model": "nets.mine:net", "imagenet_root": "data"}
    digests = [digest(book, "03_own", **given)]
    (nets / "mine.py").write_text("def net(weights): ...")
    digests.append(digest(book, "03_own", **given))
    (data / "one.jpg").write_bytes(b"a")
    digests.append(digest(book, "03_own", **given))
    assert len(set(digests)) == 3
    assert digest(book, "03_own", **given) == digests[-1]


def test_a_damaged_target_or_a_lost_folder_of_results_makes_a_notebook_due(book):
    (job,) = jobs(book, ["08_confidence"])
    made = json.dumps({"metadata": {"gamlib": {"digest": job.digest}}})
    results = book.results("embedded")
    results.mkdir(parents=True)
    job.target.parent.mkdir(parents=True)
    job.target.write_text(made)
    assert job.is_current()
    job.target.write_text(made[:-5])
    assert not job.is_current()
    job.target.write_text(made)
    results.rmdir()
    assert not job.is_current()


def test_digest_holds_the_folders_a_notebook_says_it_reads(book):
    path = book.source("01_first_look")
    notebook = json.loads(path.read_text())
    notebook["metadata"]["gamlib"] = {"reads": ["book/results"]}
    path.write_text(json.dumps(notebook))
    without = digest(book)
    table = book.root / "book" / "results" / "embedded" / "ledger.csv"
    table.parent.mkdir(parents=True)
    table.write_text("id\n")
    before = digest(book)
    assert before != without
    table.write_text("id\nC1.1\n")
    assert digest(book) != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "01_first_lok"], "Error: unknown notebook '01_first_lok'; did you mean '01_first_look'?"),
        (["run", "notebooks/01_first_look.ipynb", "-p", "sed", "1"], "did you mean 'seed'?"),
        (["book", "--profile", "embeded"], "did you mean 'embedded'?"),
        (["results", "--profile", "paper"], "'paper' is not one of 'embedded', 'open'"),
    ],
)
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


def test_the_command_line_does_not_wait_for_torch():
    code = "import sys, gambook.publish.cli; print({'torch', 'timm', 'papermill', 'pandas'} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "set()\n"
