"""Time and waiting as ports, so that the same steps run on the wall clock and on a virtual one.

The only file that may read a clock. Durations come from `monotonic_seconds`, records from `now`.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol

from spot_agent.timestamps import UTC

SUSPENSION_READINGS = 5


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Aware UTC wall-clock time."""

    def monotonic_seconds(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    def suspended_seconds(self) -> float:
        """How long the instance has been suspended since its boot, which `monotonic_seconds` leaves out.

        Setting the time of day is no suspension.
        """

    def booted_at(self) -> datetime:
        """When the instance booted."""


def since_boot_seconds(clock: Clock) -> float:
    """Seconds since an arbitrary start, suspensions included: how old a thing is, however the time of day was set meanwhile."""
    return clock.monotonic_seconds() + clock.suspended_seconds()


class Stop(Protocol):
    """The daemon's wish to end, shared by every act that waits."""

    def is_set(self) -> bool:
        """Whether the daemon is asked to stop."""

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`; return at once, with True, when the daemon is asked to stop."""


class Bell(Protocol):
    """What one worker sleeps on between steps."""

    def wait(self, seconds: float) -> None:
        """Sleep up to `seconds`; return at once when rung or closed. A ring before the wait counts."""

    def ring(self) -> None:
        """Ask for the next step now."""

    def close(self) -> None:
        """Ask the worker to end after its present step."""

    def is_closed(self) -> bool:
        """Whether the worker is asked to end."""


class Lock(Protocol):
    """Taken with `with`. One that is held while its holder waits must come through a port, as clocks do."""

    def __enter__(self) -> bool:
        """Wait until it is free, and take it."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give it back."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Read the wall clock."""
        return datetime.now(UTC)

    def monotonic_seconds(self) -> float:
        """Read the monotonic clock."""
        return time.monotonic()

    def suspended_seconds(self) -> float:
        """Compare the clock that goes on during a suspension with the one that does not; of several readings the best.

        Each reading is too low by as long as the process is held up in it, and never too high.
        """
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic() for _ in range(SUSPENSION_READINGS))

    def booted_at(self) -> datetime:
        """Count back from the time since boot, suspended time included."""
        return datetime.now(UTC) - timedelta(seconds=round(time.clock_gettime(time.CLOCK_BOOTTIME)))


class ThreadStop:
    """Stop for threads."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the daemon to stop; wakes everyone who waits."""
        self._event.set()

    def is_set(self) -> bool:
        """Tell whether the daemon is asked to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`; True at once when asked to stop."""
        return self._event.wait(max(0.0, seconds))


class ThreadBell:
    """Bell for threads."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._closed = False

    def wait(self, seconds: float) -> None:
        """Sleep up to `seconds`, or until rung or closed."""
        if not self._closed:
            self._event.wait(max(0.0, seconds))
            self._event.clear()

    def ring(self) -> None:
        """End the present wait, or the next one."""
        self._event.set()

    def close(self) -> None:
        """End every wait from now on."""
        self._closed = True
        self._event.set()

    def is_closed(self) -> bool:
        """Tell whether the worker is asked to end."""
        return self._closed
