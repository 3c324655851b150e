"""Become another program that dies with the process that started it: `python -I -S tied.py PARENT_PID PROGRAM ARGUMENT...`.

The kernel kills it (PR_SET_PDEATHSIG) when the parent's *thread* that started it ends: start from a thread that stays.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_ORPHAN = 127


def main() -> int:
    """Tie this process to its parent and become the program; returns only if the parent is dead already."""
    parent_pid, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == parent_pid:
        os.execvp(program[0], program)  # noqa: S606 - an argument list, never a shell line
    return EXIT_ORPHAN


if __name__ == "__main__":
    raise SystemExit(main())
