"""Notebooks run through Papermill: outputs, failures, order, what is left behind. One run serves most tests."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from gambook.publish.plan import plan
from gambook.publish.run import kernel_environment, locked, run_jobs

WRITES = "from pathlib import Path\nimport os, sys\nPath(results_dir).mkdir(parents=True, exist_ok=True)"
SEEN = "print(sys.executable, os.environ['OMP_NUM_THREADS'], seed, Path.cwd().name, os.environ.get('MPLBACKEND'))"
LATE = "import time\ntime.sleep(1)\nPath(results_dir, 'table.csv').write_text('a,b\\n1,2\\n')"


@pytest.fixture(scope="module")
def ran(module_project, write_notebook, tmp_path_factory):
    """Four notebooks run once, with another kernel "python3" registered: project, failures, what was said."""
    project = module_project
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_notebook(project, "01_good", "seed = 0\nresults_dir = '.'", WRITES, SEEN, LATE)
    write_notebook(project, "02_bad", "seed = 0", "x = 1", "raise ValueError('no layer conv9')", "print('never')")
    write_notebook(
        project, "03_reader", "results_dir = '.'", "print(open(results_dir + '/table.csv').read())", needs=["01_good"]
    )
    write_notebook(project, "04_blocked", "seed = 0", "print('never')", needs=["02_bad"])
    stale = project.executed("embedded", "02_bad")
    stale.parent.mkdir(parents=True)
    stale.write_text(json.dumps({"metadata": {}}))

    spec = elsewhere / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(elsewhere))
        patch.setenv("JUPYTER_DATA_DIR", str(elsewhere))
        failures = run(project, elsewhere, said, given={"seed": 7})
    return project, failures, said


def run(project, caller, said=None, given=None, force=False):
    jobs = plan(project, project.names(), "embedded", given or {}, caller, whole=True)
    return run_jobs(jobs, workers=2, force=force, caller=caller, say=(said if said is not None else []).append)


def executed(project, name):
    return json.loads(project.executed("embedded", name).read_text())


def printed(notebook):
    return "".join("".join(o.get("text", "")) for cell in notebook["cells"] for o in cell.get("outputs", []))


def test_the_kernel_is_this_python_with_one_thread_in_the_notebooks_folder(ran):
    assert f"{sys.executable} 1 7 notebooks module://matplotlib_inline" in printed(executed(ran[0], "01_good"))


def test_a_failed_notebook_is_named_with_cell_and_error(ran):
    project, failures, said = ran
    assert [failure.name for failure in failures] == ["02_bad", "04_blocked"]
    assert failures[0].reason.startswith("cell 3: ValueError: no layer conv9")
    assert failures[1].reason == "not run: it needs 02_bad, which failed"
    assert any(line.startswith("running 03_reader") for line in said)


def test_a_failed_notebook_leaves_nothing_under_its_final_name(ran):
    files = sorted(path.name for path in (ran[0].build / "runs" / "embedded").iterdir())
    assert files == ["01_good.ipynb", "02_bad.failed.ipynb", "03_reader.ipynb"]


def test_a_notebook_waits_for_those_it_needs(ran):
    assert "a,b\n1,2" in printed(executed(ran[0], "03_reader"))


def test_the_foot_says_how_the_page_was_made(ran):
    notebook = executed(ran[0], "01_good")
    foot = notebook["cells"][-1]
    digest = notebook["metadata"]["gamlib"]["digest"]
    assert foot["id"] == "provenance"
    for part in ("profile embedded", "seed 7", "torch ", "torchvision ", "timm ", f"digest {digest[:12]}"):
        assert part in foot["source"]


def test_nothing_of_papermill_is_left_but_the_hidden_parameters(ran):
    notebook = executed(ran[0], "01_good")
    assert "papermill" not in notebook["metadata"]
    assert not [cell for cell in notebook["cells"] if {"papermill", "execution"} & set(cell["metadata"])]
    injected = [cell for cell in notebook["cells"] if "injected-parameters" in cell["metadata"].get("tags", [])]
    assert ["remove-cell" in cell["metadata"]["tags"] for cell in injected] == [True]


def test_unchanged_notebooks_are_not_run_again_and_a_changed_source_runs_them(ran, tmp_path):
    project = ran[0]
    said = []
    before = project.executed("embedded", "01_good").read_bytes()
    jobs = plan(project, ["03_reader"], "embedded", {"seed": 7}, tmp_path, whole=True)
    assert run_jobs(jobs, workers=2, force=False, caller=tmp_path, say=said.append) == []
    assert said == ["2 notebooks: 2 unchanged, 0 to run, 2 at a time"]
    assert project.executed("embedded", "01_good").read_bytes() == before
    (project.root / "gamlib" / "methods.py").write_text("SCALE = 2\n")
    jobs = plan(project, ["03_reader"], "embedded", {"seed": 7}, tmp_path, whole=True)
    assert [job.is_current() for job in jobs] == [False, False]


def test_a_kernel_that_dies_is_a_failure_of_its_notebook_only(project, write_notebook, tmp_path):
    write_notebook(project, "01_dies", "seed = 0", "import os\nos._exit(9)")
    (failure,) = run(project, tmp_path)
    assert failure.reason.startswith("cell 2: DeadKernelError: the kernel died")


def test_a_notebook_that_cannot_be_read_is_a_failure(project, write_notebook, tmp_path):
    path = write_notebook(project, "01_odd", "seed = 0")
    path.write_text(path.read_text().replace('"nbformat": 4', '"nbformat": 99'))
    (failure,) = run(project, tmp_path)
    assert failure.reason.startswith("could not be run: ")


def test_environment_of_the_kernels(monkeypatch):
    monkeypatch.setenv("GAMLIB_DATA", "../shared/open-data")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "7")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    environment = kernel_environment(Path("/home/reader/book"))
    assert environment["GAMLIB_DATA"] == "/home/reader/shared/open-data"
    assert environment["PYTHONPATH"] == os.pathsep.join(["/mine", "/home/reader/book"])
    assert environment["OMP_NUM_THREADS"] == "1"
    # memory of one layer is kept for the next, unless the reader has said otherwise
    assert environment["MALLOC_MMAP_MAX_"] == "7"
    assert environment["MALLOC_TRIM_THRESHOLD_"] == str(2**30)


def test_a_second_run_in_a_checkout_waits(project):
    said, order = [], []

    def second():
        with locked(project, said.append):
            order.append("second")

    with locked(project, said.append):
        other = threading.Thread(target=second)
        other.start()
        while not said:
            time.sleep(0.01)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    assert said == ["waiting for another gam in this checkout to finish ..."]
