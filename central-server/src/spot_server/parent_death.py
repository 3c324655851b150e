"""What the kernel does with a process whose parent dies. Linux only: elsewhere nothing happens, and the process has to look itself."""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
"""linux/prctl.h."""


def signal_on_parent_death(signal_number: signal.Signals) -> None:
    """Have the kernel send `signal_number` to this process when the thread that forked it ends; replaces what was asked for before.

    A parent that is dead already sends nothing: compare `os.getppid()` afterwards.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
