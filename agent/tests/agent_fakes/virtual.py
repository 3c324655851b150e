"""Time that only moves when somebody waits."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta

from spot_agent.logs import Log, start_logging
from spot_agent.timestamps import UTC

START = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualClock:
    """Starts at START, moves when told."""

    def __init__(self) -> None:
        self.passed_seconds = 0.0
        self.asleep_seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed_seconds + self.asleep_seconds)

    def monotonic_seconds(self) -> float:
        return self.passed_seconds

    def suspended_seconds(self) -> float:
        return self.asleep_seconds

    def booted_at(self) -> datetime:
        return START - timedelta(seconds=60)

    def advance(self, seconds: float) -> None:
        self.passed_seconds += seconds

    def suspend(self, seconds: float) -> None:
        """The instance is frozen for so long, and comes back."""
        self.asleep_seconds += seconds


class VirtualStop:
    """Waiting moves the clock; `on_wait` lets a test change the world meanwhile."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.is_asked = False
        self.waits: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None

    def set(self) -> None:
        self.is_asked = True

    def is_set(self) -> bool:
        return self.is_asked

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if not self.is_asked:
            self._clock.advance(seconds)
            self.on_wait()
        return self.is_asked


class CountingBell:
    """Remembers its rings."""

    def __init__(self) -> None:
        self.rings = 0
        self._closed = False

    def wait(self, seconds: float) -> None:
        del seconds

    def ring(self) -> None:
        self.rings += 1

    def close(self) -> None:
        self._closed = True

    def is_closed(self) -> bool:
        return self._closed


class LogLines:
    """A log whose lines a test can read."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.log: Log = start_logging("DEBUG", self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()
