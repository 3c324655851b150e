"""Time as a port, so that the same code runs on the wall clock and on a virtual one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two readings: the time of day for records, and a steady counter for durations."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""

    def monotonic_seconds(self) -> float:
        """Return seconds since some fixed point; never goes back."""


class Sleeper(Protocol):
    """Waiting as a port: tests and the virtual clock pass time without spending it."""

    def sleep(self, duration_seconds: float) -> None:
        """Return after `duration_seconds` (>= 0) have passed on this sleeper's clock."""


class SystemClock:
    """The machine's own clock; also the sleeper that goes with it."""

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return datetime.now(UTC)

    def monotonic_seconds(self) -> float:
        """Return the machine's monotonic counter."""
        return time.monotonic()

    def sleep(self, duration_seconds: float) -> None:
        """Block this thread (or, under gevent, this greenlet)."""
        time.sleep(duration_seconds)
