"""Run the jobs of a plan on doit, several at a time, each notebook as a process of its own."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from doit.control import TaskControl
from doit.dependency import Dependency, SqliteDB
from doit.reporter import ZeroReporter
from doit.runner import MThreadRunner
from doit.task import Task

from gambook.publish.execute import CELL_FAILED, KERNEL_DIED
from gambook.publish.plan import Job
from gambook.publish.project import Project, notebook_bytes
from gambook.publish.provenance import add_provenance, commit, versions

# One thread for each notebook: sums are then added up in the same order whatever runs beside it.
THREADS = {f"{name}_THREADS": "1" for name in ("OMP_NUM", "MKL_NUM", "OPENBLAS_NUM", "NUMEXPR_NUM", "VECLIB_MAXIMUM")}
# glibc gives each large tensor back to the system and asks for fresh pages at the next layer: a third of a forward's
# time on a CPU. These keep the memory for the next layer; other C libraries ignore them.
MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**30)}
# What name the user's kernel specs and start-up files.
KERNEL_FOLDERS = ("JUPYTER_PATH", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")


@contextmanager
def locked(project: Project) -> Generator[None]:
    """Keep two runs in one checkout from writing the same files."""
    project.build.mkdir(exist_ok=True)
    with open(project.build / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            click.echo("waiting for another gam in this checkout to finish ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_jobs(project: Project, jobs: Sequence[Job], workers: int = 2, force: bool = False) -> None:
    """Run the jobs that are not current, at most `workers` at a time; a failed one stops only those that need it.

    The order, the workers and whom a failure stops are doit's. What is current stands in the executed notebooks: doit
    writes its own memory when it ends, so that a killed run would have lost all that it had made.

    jobs: each after what it needs. force: run the current ones, too. Raises ClickException with the reason for each
    that failed, once all others are done.
    """
    due = {job.name for job in jobs if force or not job.is_current()}
    click.echo(f"{_count(jobs)}: {len(jobs) - len(due)} unchanged, {len(due)} to run, {workers} at a time")
    environment, made_at, done = kernel_environment(), commit(project.root), itertools.count(1)
    failed: dict[str, str] = {}

    def run(job: Job) -> bool:
        click.echo(f"running {job.name} ...")
        start = time.perf_counter()
        try:
            reason = _run(job, environment, made_at)
        except Exception as error:  # of whatever kind: the reporter would say nothing of it
            reason = f"could not be run: {type(error).__name__}: {error}"
        if reason:
            failed[job.name] = reason
        took = f"{'failed after ' if reason else ''}{time.perf_counter() - start:.1f} s"
        click.echo(f"[{next(done)}/{len(due)}] {job.name}: {took}")
        return not reason

    needed = {need for job in jobs for need in job.needs}
    tasks = [
        # doit would catch output by exchanging sys.stdout, which all threads share
        Task(job.name, [(run, [job])], task_dep=[*due & {*job.needs}], io={"capture": False})
        # what others wait for comes first, so that the end of a run is not one long notebook alone
        for job in sorted(jobs, key=lambda job: job.name not in needed)
        if job.name in due
    ]
    control, silent = TaskControl(tasks), ZeroReporter(sys.stdout, {})
    control.process(None)
    runner = MThreadRunner(Dependency(SqliteDB, ":memory:"), silent, continue_=True, num_process=workers)
    runner.run_all(control.task_dispatcher())
    for job in jobs:
        if unmet := [need for need in job.needs if need in failed]:
            failed[job.name] = f"not run: it needs {', '.join(unmet)}, which failed"
    if failed:
        lines = [f"  {job.name}, {failed[job.name]}" for job in jobs if job.name in failed]
        raise click.ClickException("\n".join([f"{_count(lines)} failed:", *lines]))


def _count(notebooks: Sequence) -> str:
    return f"{len(notebooks)} notebook{'' if len(notebooks) == 1 else 's'}"


def _run(job: Job, environment: dict[str, str], made_at: str) -> str | None:
    """Run one job; why it failed. What was whole stays until the new one is, and its name is never on a part."""
    start = time.perf_counter()
    job.target.parent.mkdir(parents=True, exist_ok=True)
    job.failed.write_text("")
    paths = {"input_path": str(job.source), "output_path": str(job.failed), "cwd": str(job.source.parent)}
    # cleanup errors: a kernel that is being shut down may still write
    with tempfile.TemporaryDirectory(prefix="gam-kernel-", ignore_cleanup_errors=True) as folder:
        # jupyter_client leaves files there when it is killed, and a cell may empty it
        Path(folder, "tmp").mkdir()
        process = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("execute.py"))],
            input=json.dumps({**paths, "parameters": job.passed}),
            env=environment | dict.fromkeys(KERNEL_FOLDERS, folder) | {"TMPDIR": f"{folder}/tmp"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    text = job.failed.read_text("utf-8")
    if process.returncode == 0:
        notebook = json.loads(text)
        record = {"digest": job.digest, "profile": job.profile, "parameters": job.shown, "versions": versions()}
        add_provenance(notebook, record | {"seconds": round(time.perf_counter() - start, 1), "commit": made_at})
        job.failed.write_bytes(notebook_bytes(notebook))
        os.replace(job.failed, job.target)
        return None
    if process.returncode in (CELL_FAILED, KERNEL_DIED):
        return f"{_failure(json.loads(text), process.returncode)}\n    kept as {job.failed}"
    if not text:
        job.failed.unlink()
    if process.returncode < 0:
        return f"killed by signal {-process.returncode} (often for want of memory)"
    return f"could not be run: {(process.stderr.strip().splitlines() or ['no message'])[-1]}"


def _failure(notebook: Mapping, exit_code: int) -> str:
    """The cell that failed, counted from 1 as in a run of the source, and its error."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code = [cell for cell in code if "injected-parameters" not in cell["metadata"].get("tags", [])]
    if exit_code == KERNEL_DIED:
        begun = [cell for cell in code if cell["metadata"]["papermill"]["start_time"]]
        return f"cell {len(begun)}: DeadKernelError: the kernel died (often for want of memory)"
    # the last: a cell before it may show one that it is to show
    errors = [(n, o) for n, cell in enumerate(code, 1) for o in cell["outputs"] if o["output_type"] == "error"]
    number, error = errors[-1]
    return re.sub(r"\x1b\[[0-9;]*m", "", f"cell {number}: {error['ename']}: {error['evalue']}")


def kernel_environment() -> dict[str, str]:
    """Environment of kernels: one thread, memory kept, the user's modules importable, GAMLIB_DATA absolute."""
    environment = {**MEMORY, **os.environ, **THREADS, "PYTHONHASHSEED": "0"}
    environment["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    # what one kernel has compiled the next one need not
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # a kernel runs in the notebook's folder; what the user typed is relative to theirs
    if environment.get("GAMLIB_DATA"):
        environment["GAMLIB_DATA"] = str(Path(environment["GAMLIB_DATA"]).expanduser().resolve())
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), str(Path.cwd())]))
    return environment
