"""A process of its own that thaws what the daemon has frozen: when it is told to, at the bound, or when the daemon is gone.

Started before anything is frozen, so that it is whole in memory by then: a frozen file system may hold up whoever begins, logs or opens a
file, and with it the thaw. It lives in a session of its own: what kills the daemon does not kill it, and a signal that does reach it thaws.
It opens no file between "ready" and the thaw.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

READY = b"ready\n"
TOLD = b"t"
TRIES = 3
OUTPUT_KEPT_BYTES = 4_096
EXIT_CODE_NOT_STARTED = 127


class _Signalled(Exception):
    """Somebody wants this process to end: then the thaw is due."""


def main(arguments: Sequence[str]) -> int:
    """`arguments`: the bound of the freeze and of each thaw, in seconds, and the thaw's command line. One JSON line on standard output."""
    freeze_seconds, thaw_seconds, command = float(arguments[0]), float(arguments[1]), list(arguments[2:])
    was_told = False
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _raise)
        os.write(sys.stdout.fileno(), READY)
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], freeze_seconds)
        was_told = bool(readable) and os.read(sys.stdin.fileno(), 1) == TOLD
    except _Signalled:
        pass
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _go_on)  # and not ignored, which the thaw's command would inherit
    exit_code, output = _thaw(command, thaw_seconds)
    body = {"was_told": was_told, "exit_code": exit_code, "output": output}
    try:
        os.write(sys.stdout.fileno(), json.dumps(body).encode() + b"\n")
    except OSError:
        return 1  # nobody is there to be told: the journal thaws once more at the daemon's start
    return 0


def _go_on(_number: int, _frame: FrameType | None) -> None:
    """The thaw is under way."""


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise _Signalled


def _thaw(command: Sequence[str], bound_seconds: float) -> tuple[int | None, str]:
    """Again and again, as a workload that stays frozen is down. (exit code, None at the bound; the end of its output)."""
    exit_code: int | None = None
    output = b""
    for _ in range(TRIES):
        exit_code, output = _run(command, bound_seconds)
        if exit_code == 0:
            break
    return exit_code, output.decode("utf-8", errors="replace").strip()


def _run(command: Sequence[str], bound_seconds: float) -> tuple[int | None, bytes]:
    """Output goes to memory that no file system is behind; what the command leaves behind must not keep us waiting for a pipe."""
    with os.fdopen(os.memfd_create("thaw"), "w+b") as output:
        try:
            process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            return EXIT_CODE_NOT_STARTED, f"cannot run {command[0]}: {error.strerror or error}".encode()
        try:
            exit_code: int | None = process.wait(bound_seconds)
        except subprocess.TimeoutExpired:
            exit_code = None
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        size_bytes = output.seek(0, os.SEEK_END)
        output.seek(max(0, size_bytes - OUTPUT_KEPT_BYTES))
        return exit_code, output.read(OUTPUT_KEPT_BYTES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
