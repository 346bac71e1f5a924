"""Run one notebook through Papermill: `python execute.py`, with Papermill's arguments as JSON on standard input.

A process of its own for each notebook, since Papermill changes the working folder of its process and a kernel that
dies must not take other runs with it. It imports nothing of gamlib: only the kernel should load torch.
What the kernel needs besides lies in the folder that JUPYTER_PATH names, and goes with the run.
Exit codes CELL_FAILED, KERNEL_DIED: the notebook is there, up to the cell that failed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time

# Exit codes; Python's own are 1 and 2.
CELL_FAILED, KERNEL_DIED = 3, 4


def _end_with(parent: int, folder: str) -> None:
    """End when the run that wants this notebook has been killed; the kernel then ends by itself."""
    while os.getppid() == parent:
        time.sleep(0.5)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _main() -> None:
    """Read what is to be run, and run it."""
    folder = os.environ["JUPYTER_PATH"]
    threading.Thread(target=_end_with, args=(os.getppid(), folder), daemon=True).start()
    # from here on, since they take a second
    import papermill
    from ipykernel.kernelspec import write_kernel_spec
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    # the kernel "python3" is this interpreter, whatever the user has registered under that name
    write_kernel_spec(f"{folder}/kernels/python3")
    # sockets, since of several kernels that start at a time two may choose the same free TCP port; a path that is
    # longer than 107 characters is none
    sockets = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/k"}})
    try:
        papermill.execute_notebook(**json.load(sys.stdin), kernel_name="python3", progress_bar=False, config=sockets)
    except papermill.PapermillExecutionError:
        sys.exit(CELL_FAILED)
    except DeadKernelError:
        sys.exit(KERNEL_DIED)


if __name__ == "__main__":
    _main()
