"""SIGTERM and SIGINT as something that the main thread can wait for."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType


class StopSignals:
    """The handler only writes one byte: nothing that a lock, held by the very thread it interrupts, could stop."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        self._seen = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def wait(self, seconds: float) -> bool:
        """Up to `seconds`; True at once, and from then on always, when the daemon is asked to stop."""
        if not self._seen:
            select.select([self._read_end], [], [], max(0.0, seconds))
        return self._seen

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._seen = True
        try:
            os.write(self._write_end, b"!")
        except BlockingIOError:
            return
