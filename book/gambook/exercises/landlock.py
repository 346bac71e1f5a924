"""A wall that Linux puts around a process and all that it starts (Landlock, since Linux 5.13); it needs no rights."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
# The signal when the parent has ended, who becomes the parent of orphans, and what a wall asks for.
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
EXECUTE, READ_FILE, READ_DIR = 1 << 0, 1 << 2, 1 << 3
# Signals to processes outside, since the sixth version.
SCOPE_SIGNAL = 1 << 1


def version() -> int:
    """Of this system's Landlock; below 1 where there is none."""
    return ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, 1) if sys.platform == "linux" else 0


def confine(rules: Mapping[str, bool], own: Sequence[str]) -> None:
    """Let this process read what `rules` allow, change what is below `own`, and signal nobody outside.

    A file is read where the longest path in `rules` that holds it says True, or none holds it. Folders can be listed.
    Nothing happens where the system has no such wall.
    """
    if (known := version()) < 1:
        return
    rules = {"/": True, **rules}
    every = (1 << 12 + min(known, 3)) - 1
    wanted = struct.pack("QQQ", every, 0, SCOPE_SIGNAL) if known >= 6 else struct.pack("Q", every)
    ruleset = _call(CREATE_RULESET, wanted, len(wanted), 0)

    def allow(path: str, access: int) -> None:
        # a name that has gone since is nothing to read
        with contextlib.suppress(FileNotFoundError):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            _call(ADD_RULE, ruleset, 1, struct.pack("=Qi", access, place), 0)
            os.close(place)

    def walk(path: str) -> None:
        """A rule holds for all below its path, so that around what is withheld every neighbour has its own."""
        if not any(Path(path) in Path(rule).parents for rule in rules):
            allow(path, READ_FILE)
            return
        with contextlib.suppress(PermissionError):
            for name in os.listdir(path):
                inside = os.path.join(path, name)
                if inside not in rules and not os.path.islink(inside):
                    walk(inside)

    allow("/", READ_DIR | EXECUTE)
    for path in (path for path, allowed in rules.items() if allowed):
        walk(path)
    for path in (*own, "/dev"):
        allow(path, every)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def prctl(option: int, value: int) -> None:
    """Set what Linux keeps for this process; nothing happens on other systems."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _call(number: int, *arguments: object) -> int:
    answer = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), "Landlock refuses a rule")
    return answer
