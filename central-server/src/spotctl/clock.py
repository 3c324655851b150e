"""Time as a port: the time of day to tell ages, and waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What commands need of time."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""

    def sleep(self, duration_seconds: float) -> None:
        """Return after `duration_seconds` (>= 0)."""


class SystemClock:
    """The machine's own."""

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return datetime.now(UTC)

    def sleep(self, duration_seconds: float) -> None:
        """Block."""
        time.sleep(duration_seconds)
