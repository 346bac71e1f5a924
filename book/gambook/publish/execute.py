"""Run one notebook through Papermill: `python execute.py`, with a JSON object on standard input.

A process of its own for each notebook, since Papermill changes the working folder of its process and a kernel that
dies must not take other runs with it. It imports nothing of gamlib: only the kernel should load torch.

Input: source, target, folder (paths), parameters; folder is for what the kernel needs besides, and goes with the run.
Exit code 0: target is the executed notebook. With failure.txt in folder, which names cell and error: up to that cell.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
import time
from pathlib import Path


def _main() -> None:
    """Read the job, run it, write down what failed."""
    job = json.load(sys.stdin)
    target, folder = Path(job["target"]), Path(job["folder"])
    threading.Thread(target=_end_with, args=(os.getppid(), folder), daemon=True).start()
    _use_this_python(folder)
    failure = _execute(Path(job["source"]), target, job["parameters"])
    if failure:
        cell = _last_started(json.loads(target.read_text("utf-8")))
        (folder / "failure.txt").write_text(f"cell {cell}: {failure}", "utf-8")
        sys.exit(1)


def _end_with(parent: int, folder: Path) -> None:
    """End when the run that wants this notebook has been killed; the kernel then ends by itself."""
    while os.getppid() == parent:
        time.sleep(0.5)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _use_this_python(folder: Path) -> None:
    """Let the kernel "python3" be this interpreter, without the user's kernel specs, start-up files and backends."""
    from ipykernel.kernelspec import write_kernel_spec

    write_kernel_spec(folder / "kernels" / "python3")
    os.environ["JUPYTER_PATH"] = str(folder)
    os.environ["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
    os.environ["IPYTHONDIR"] = str(folder / "ipython")
    # jupyter_client leaves files there where it is killed
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = str(folder / "tmp")
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"


def _execute(source: Path, target: Path, parameters: dict) -> str:
    """Run `source` with `parameters`, writing `target` as it goes; what failed, if anything."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    # sockets, since of several kernels that start at a time two may choose the same free TCP port; a path that is
    # longer than 107 characters is none
    transport = {"transport": "ipc", "ip": f"{os.environ['JUPYTER_PATH']}/k"}
    options = {"kernel_name": "python3", "progress_bar": False, "cwd": source.parent}
    try:
        papermill.execute_notebook(source, target, parameters, config=Config({"KernelManager": transport}), **options)
    except papermill.PapermillExecutionError as error:
        return re.sub(r"\x1b\[[0-9;]*m", "", f"{error.ename}: {error.evalue}")
    except DeadKernelError:
        return "DeadKernelError: the kernel died (often for want of memory)"
    return ""


def _last_started(notebook: dict) -> int:
    """Number of the code cell that ran last, counted from 1 as in a run of the source from top to bottom."""
    code = [cell["metadata"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code = [metadata for metadata in code if "injected-parameters" not in metadata.get("tags", [])]
    return max((n for n, metadata in enumerate(code, 1) if metadata.get("papermill", {}).get("start_time")), default=0)


if __name__ == "__main__":
    _main()
