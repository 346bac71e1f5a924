"""Notebooks run through Papermill: outputs, failures, order, what is left behind. One run serves most tests."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import psutil
import pytest
from gambook.publish.plan import plan
from gambook.publish.provenance import commit
from gambook.publish.run import kernel_environment, locked, run_jobs

WRITES = "from pathlib import Path\nimport os, sys\nPath(results_dir).mkdir(parents=True, exist_ok=True)"
SEEN = "print(sys.executable, os.environ['OMP_NUM_THREADS'], seed, Path.cwd().name, os.environ.get('MPLBACKEND'))"
LATE = "import time\ntime.sleep(0.5)\nPath(results_dir, 'table.csv').write_text('a,b\\n1,2\\n')"
WHOLE = json.dumps({"cells": [], "metadata": {"gamlib": {"digest": "of before"}}})


def git(root, *arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def ran(module_project, write_notebook, tmp_path_factory):
    """Six notebooks run once, with another kernel "python3" registered: project, what was said, the failure's text."""
    project = module_project
    write_notebook(project, "01_good", "seed = 0\nresults_dir = '.'", WRITES, SEEN, LATE)
    bad = write_notebook(project, "02_bad", "seed = 0", "1 / 0", "raise ValueError('no layer conv9')", "print('never')")
    shows = json.loads(bad.read_text())
    (cell,) = (cell for cell in shows["cells"] if cell["source"] == "1 / 0")
    cell["metadata"]["tags"] = ["raises-exception"]
    bad.write_text(json.dumps(shows))
    write_notebook(
        project, "03_reader", "results_dir = '.'", "print(open(results_dir + '/table.csv').read())", needs=["01_good"]
    )
    write_notebook(project, "04_blocked", "seed = 0", "print('never')", needs=["02_bad"])
    write_notebook(project, "05_dies", "seed = 0", "import os\nos._exit(9)")
    odd = write_notebook(project, "06_odd", "seed = 0")
    odd.write_text(odd.read_text().replace('"nbformat": 4', '"nbformat": 99'))
    for command in (["init"], ["add", "."], ["commit", "-m", "first"]):
        git(project.root, *command)
    earlier = project.executed("embedded", "02_bad")
    earlier.parent.mkdir(parents=True)
    earlier.write_text(WHOLE)

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    spec = elsewhere / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(elsewhere))
        patch.setenv("JUPYTER_DATA_DIR", str(elsewhere))
        patch.chdir(elsewhere)
        patch.setattr("click.echo", said.append)
        with pytest.raises(click.ClickException) as failed:
            run_jobs(project, plan(project, project.names(), "embedded", {"seed": "7"}, whole=True))
    return project, said, str(failed.value)


def executed(project, name):
    return json.loads(project.executed("embedded", name).read_text())


def printed(notebook):
    return "".join("".join(o.get("text", "")) for cell in notebook["cells"] for o in cell.get("outputs", []))


def test_the_kernel_is_this_python_with_one_thread_in_the_notebooks_folder(ran):
    assert f"{sys.executable} 1 7 notebooks module://matplotlib_inline" in printed(executed(ran[0], "01_good"))


def test_each_failure_is_named_with_its_cell_and_error(ran):
    project, _, failed = ran
    kept = project.executed("embedded", "02_bad").with_name("02_bad.failed.ipynb")
    first, *reasons = failed.split("\n  ")
    assert first == "4 notebooks failed:"
    assert reasons[:2] == ["02_bad, cell 3: ValueError: no layer conv9", f"  kept as {kept}"]
    assert reasons[2].startswith("05_dies, cell 2: DeadKernelError: the kernel died")
    assert reasons[4].startswith("06_odd, could not be run: ")
    assert reasons[5:] == ["04_blocked, not run: it needs 02_bad, which failed"]


def test_progress_is_a_line_for_each_notebook_with_its_seconds(ran):
    said = ran[1]
    assert said[0] == "6 notebooks: 0 unchanged, 6 to run, 2 at a time"
    assert {line for line in said if line.startswith("running ")} == {
        f"running {name} ..." for name in ("01_good", "02_bad", "03_reader", "05_dies", "06_odd")
    }
    ended = [re.sub(r"[\d.]+ s$", "0 s", line) for line in said if line.startswith("[")]
    assert sorted(line.split(" ", 1)[1] for line in ended) == [
        "01_good: 0 s", "02_bad: failed after 0 s", "03_reader: 0 s", "05_dies: failed after 0 s",
        "06_odd: failed after 0 s",
    ]  # fmt: skip
    assert [line.split("]")[0] for line in ended] == [f"[{number}/6" for number in range(1, 6)]


def test_a_failed_notebook_leaves_the_earlier_whole_one_under_its_name(ran):
    project = ran[0]
    left = {path.name for path in (project.build / "runs" / "embedded").iterdir()}
    assert left == {
        "01_good.ipynb", "02_bad.ipynb", "02_bad.failed.ipynb", "03_reader.ipynb", "05_dies.failed.ipynb"
    }  # fmt: skip
    assert project.executed("embedded", "02_bad").read_text() == WHOLE


def test_a_notebook_waits_for_those_it_needs(ran):
    assert "a,b\n1,2" in printed(executed(ran[0], "03_reader"))


def test_the_foot_says_how_the_page_was_made(ran):
    project = ran[0]
    notebook = executed(project, "01_good")
    foot = notebook["cells"][-1]
    assert foot["id"] == "provenance"
    line = r"profile embedded · seed 7 · device cpu · gamlib \S+ · torch \S+ · torchvision \S+ · timm \S+ · \d+ s · "
    line = line.replace(" · device cpu", "") + f"commit {git(project.root, 'rev-parse', '--short', 'HEAD')}"
    assert re.fullmatch(rf"---\n\n\*How this page was made:\* {line}", foot["source"])
    assert len(notebook["metadata"]["gamlib"]["digest"]) == 64


def test_nothing_of_papermill_is_left_but_the_hidden_parameters(ran):
    notebook = executed(ran[0], "01_good")
    assert "papermill" not in notebook["metadata"]
    assert not [cell for cell in notebook["cells"] if {"papermill", "execution"} & set(cell["metadata"])]
    injected = [cell for cell in notebook["cells"] if "injected-parameters" in cell["metadata"].get("tags", [])]
    assert ["remove-cell" in cell["metadata"]["tags"] for cell in injected] == [True]


def test_unchanged_notebooks_are_not_run_again(ran, capsys):
    project = ran[0]
    before = project.executed("embedded", "01_good").read_bytes()
    run_jobs(project, plan(project, ["03_reader"], "embedded", {"seed": "7"}, whole=True))
    assert capsys.readouterr().out == "2 notebooks: 2 unchanged, 0 to run, 2 at a time\n"
    assert project.executed("embedded", "01_good").read_bytes() == before


def test_a_killed_run_keeps_what_is_whole_and_goes_on(project, write_notebook, tmp_path):
    write_notebook(project, "01_quick", "seed = 0", "1")
    pid = tmp_path / "pid"
    wait = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    write_notebook(project, "02_slow", "seed = 0", wait)
    earlier = project.executed("embedded", "02_slow")
    earlier.parent.mkdir(parents=True)
    earlier.write_text(WHOLE)
    (temporary := tmp_path / "tmp").mkdir()
    run = subprocess.Popen(
        [Path(sys.executable).with_name("gam"), "run"],
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    until(lambda: pid.exists() and project.executed("embedded", "01_quick").exists())
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert [job.is_current() for job in plan(project, project.names(), "embedded")] == [True, False]
    assert earlier.read_text() == WHOLE
    # nobody writes to the folder of results when the next run begins
    until(lambda: not psutil.pid_exists(int(pid.read_text())) and not any(temporary.iterdir()))


def test_what_is_killed_is_said_to_be(project, write_notebook):
    write_notebook(project, "01_first", "seed = 0", "import os\nos.kill(os.getppid(), 9)")
    with pytest.raises(click.ClickException, match=r"01_first, killed by signal 9 \(often for want of memory\)"):
        run_jobs(project, plan(project, ["01_first"], "embedded"))


def until(done, limit=120):
    end = time.monotonic() + limit
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_place_that_cannot_be_written_to_costs_one_notebook(project, write_notebook):
    write_notebook(project, "01_first", "seed = 0")
    project.executed("embedded", "01_first.failed").mkdir(parents=True)
    with pytest.raises(click.ClickException, match="01_first, could not be run: .*Is a directory"):
        run_jobs(project, plan(project, ["01_first"], "embedded"))


def test_the_commit_of_a_checkout(project):
    assert commit(project.root) == ""
    for command in (["init"], ["add", "."], ["commit", "-m", "first"]):
        git(project.root, *command)
    short = git(project.root, "rev-parse", "--short", "HEAD")
    (project.root / "book" / "intro.md").write_text("# Text decides no number\n")
    assert commit(project.root) == short
    assert commit(project.root / "gamlib") == "", "another repository that this one lies in"
    (project.root / "gamlib" / "methods.py").write_text("SCALE = 2\n")
    assert commit(project.root) == f"{short} with local changes"


def test_the_commit_of_a_checkout_in_a_folder_with_a_space(project):
    for command in (["init"], ["add", "."], ["commit", "-m", "first"]):
        git(project.root, *command)
    moved = project.root.rename(project.root.with_name("my checkout"))
    assert commit(moved) == git(moved, "rev-parse", "--short", "HEAD")


def test_without_git_there_is_no_commit(project, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert commit(project.root) == ""


def test_environment_of_the_kernels(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAMLIB_DATA", "../open-data")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "7")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    environment = kernel_environment()
    assert environment["GAMLIB_DATA"] == str(tmp_path.parent / "open-data")
    assert environment["PYTHONPATH"] == os.pathsep.join(["/mine", str(tmp_path)])
    assert environment["OMP_NUM_THREADS"] == "1"
    # memory of one layer is kept for the next, unless the reader has said otherwise
    assert environment["MALLOC_MMAP_MAX_"] == "7"
    assert environment["MALLOC_TRIM_THRESHOLD_"] == str(2**30)


def test_a_second_run_in_a_checkout_waits(project, monkeypatch):
    order, said = [], queue.Queue()
    # not capsys: to read what one thread is just writing can lose it
    monkeypatch.setattr(click, "echo", said.put)

    def second():
        with locked(project):
            order.append("second")

    with locked(project):
        other = threading.Thread(target=second)
        other.start()
        assert said.get(timeout=60) == "waiting for another gam in this checkout to finish ..."
        order.append("first")
    other.join()
    assert order == ["first", "second"]
