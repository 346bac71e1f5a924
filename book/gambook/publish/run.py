"""Run the jobs of a plan, several at a time, each notebook as a process of its own."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gambook.publish.plan import Job
from gambook.publish.project import Project
from gambook.publish.provenance import add_provenance

# One thread for each notebook: sums are then added up in the same order whatever runs beside it.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# glibc gives each large tensor back to the system and asks for fresh pages at the next layer: a third of a forward's
# time on a CPU. These keep the memory for the next layer; other C libraries ignore them.
MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**30)}


@dataclass(frozen=True)
class Failure:
    """A notebook that did not get through, and why."""

    name: str
    reason: str


@contextmanager
def locked(project: Project, say: Callable[[str], None]) -> Iterator[None]:
    """Keep two runs in one checkout from writing the same files."""
    project.build.mkdir(exist_ok=True)
    with open(project.build / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another gam in this checkout to finish ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_jobs(jobs: Sequence[Job], workers: int, force: bool, caller: Path, say: Callable[[str], None]) -> list[Failure]:
    """Run the jobs that are not current, at most `workers` at a time; a failed one stops only those that need it.

    jobs: in an order in which each comes after what it needs. force: run the current ones, too.
    Returns the failures in the order of the jobs.
    """
    due = [job for job in jobs if force or not job.is_current()]
    count = f"{len(jobs)} notebook{'' if len(jobs) == 1 else 's'}"
    say(f"{count}: {len(jobs) - len(due)} unchanged, {len(due)} to run, {workers} at a time")
    environment = kernel_environment(caller)
    failures: dict[str, Failure] = {}
    # what others wait for comes first, so that the end of a run is not one long notebook alone
    needed = {need for job in due for need in job.needs}
    waiting, running = sorted(due, key=lambda job: job.name not in needed), {}
    done = 0
    with ThreadPoolExecutor(workers) as pool:
        while waiting or running:
            for job in list(waiting):
                unfinished = {other.name for other in [*waiting, *running.values()]}
                if len(running) == workers or unfinished & set(job.needs):
                    continue
                waiting.remove(job)
                missing = [need for need in job.needs if need in failures]
                if missing:
                    done += 1
                    failures[job.name] = Failure(job.name, f"not run: it needs {', '.join(missing)}, which failed")
                    say(f"[{done}/{len(due)}] {job.name}: not run")
                else:
                    say(f"running {job.name} ...")
                    running[pool.submit(_run, job, environment)] = job
            finished: set[Future] = wait(running, return_when=FIRST_COMPLETED).done if running else set()
            for future in finished:
                job = running.pop(future)
                seconds, reason = future.result()
                done += 1
                say(f"[{done}/{len(due)}] {job.name}: {'failed after ' if reason else ''}{seconds:.1f} s")
                if reason:
                    failures[job.name] = Failure(job.name, reason)
    return [failures[job.name] for job in jobs if job.name in failures]


def _run(job: Job, environment: dict[str, str]) -> tuple[float, str | None]:
    """Run one job; seconds and, for a failure, its reason. The target appears only when the whole notebook ran."""
    job.target.parent.mkdir(parents=True, exist_ok=True)
    partial = job.target.with_name(f".{job.target.stem}.partial.ipynb")
    failed = job.target.with_name(f"{job.target.stem}.failed.ipynb")
    for stale in (partial, failed):
        stale.unlink(missing_ok=True)
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("execute.py"))],
        input=json.dumps({"source": str(job.source), "target": str(partial), "parameters": job.passed}),
        env=environment,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    notebook = json.loads(partial.read_text()) if partial.exists() else {"metadata": {}}
    if process.returncode == 0:
        add_provenance(notebook, job, seconds)
        partial.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
        os.replace(partial, job.target)
        return seconds, None
    job.target.unlink(missing_ok=True)
    failure = notebook["metadata"].get("gamlib", {}).get("failure")
    if failure is None:
        return seconds, f"could not be run: {(process.stderr.strip().splitlines() or ['no message'])[-1]}"
    os.replace(partial, failed)
    return seconds, f"cell {failure['cell']}: {failure['error']}: {failure['message']}\n    kept as {failed}"


def kernel_environment(caller: Path) -> dict[str, str]:
    """Environment of the kernels.

    One thread each, memory kept, the caller's own modules importable, GAMLIB_DATA absolute.
    """
    environment = {**MEMORY, **os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONHASHSEED": "0"}
    # a kernel runs in the notebook's folder; what the user typed is relative to theirs
    if environment.get("GAMLIB_DATA"):
        environment["GAMLIB_DATA"] = str((caller / Path(environment["GAMLIB_DATA"]).expanduser()).resolve())
    paths = [environment.get("PYTHONPATH", ""), str(caller)]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment
