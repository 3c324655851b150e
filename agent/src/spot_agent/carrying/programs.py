"""The programs that the rsync carry runs, and how those that this daemon no longer knows of are ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from spot_agent.clock import Stop

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = ("rsync", "ssh", "sshd", "ssh-keygen", "find", "sync", "nice", "setpriv")
"""Every instance is a sender at one time and a receiver at another."""

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Before a command: the kernel kills it when this daemon is gone, however it went."""

END_BOUND_SECONDS = 5.0
LOOK_SECONDS = 0.01
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C"}


def find_program(name: str) -> str | None:
    """The whole path: an SSH server does not start by its name alone."""
    return shutil.which(name, path=PATH)


def can_run(word: str, path: str | None) -> bool:
    """Whether the first word of a command is a program, found as its start finds it."""
    return shutil.which(word, path=path) is not None


def missing_programs() -> tuple[str, ...]:
    """Return which of them are not installed here."""
    return tuple(name for name in NEEDED if find_program(name) is None)


def is_program(pid: int, *marks: str) -> bool:
    """Whether this process runs with all of `marks` in its command line: its id may have been given to another."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return bool(line) and all(mark.encode() in line for mark in marks)


def end_program(pid: int, stop: Stop, *marks: str, with_group: bool) -> None:
    """Kill it, if it is still what we started, and wait until it is gone; TimeoutError when it does not go."""
    if pid <= 1 or not is_program(pid, *marks):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if with_group else os.kill)(pid, signal.SIGKILL)
    await_end([pid], stop, *marks)


def await_end(pids: Sequence[int], stop: Stop, *marks: str) -> None:
    """Wait for processes that were killed; one that its parent has not reaped yet counts as gone."""
    for _ in range(int(END_BOUND_SECONDS / LOOK_SECONDS)):
        if not any(is_program(pid, *marks) for pid in pids):
            return
        stop.wait(LOOK_SECONDS)
    raise TimeoutError(f"processes {list(pids)} do not end")
