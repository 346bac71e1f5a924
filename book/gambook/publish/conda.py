"""Write environment.yml for conda users from requirements.lock: `python -m gambook.publish.conda LOCK ENVIRONMENT`."""

from __future__ import annotations

import sys
from pathlib import Path

HEADER = "# Made from requirements.lock by `make lock`: the same versions, for conda users.\n"
START = "name: gamlib\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n"


def environment(lock: str) -> str:
    """Text of environment.yml with the pins of the lock file's text and gamlib itself."""
    pins = [line for line in lock.splitlines() if line and not line.startswith("#")]
    return HEADER + START + "".join(f'      - "{pin}"\n' for pin in [*pins, "-e ."])


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(environment(Path(sys.argv[1]).read_text()))
