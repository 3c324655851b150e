"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Time of day, steady counter and sleeper in one. Sleeping advances it. Safe to share between threads."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed_seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed_seconds)

    def monotonic_seconds(self) -> float:
        with self._lock:
            return self._elapsed_seconds

    def jump(self, duration_seconds: float) -> None:
        """Set the time of day; the steady counter goes on."""
        with self._lock:
            self._start += timedelta(seconds=duration_seconds)

    def sleep(self, duration_seconds: float) -> None:
        self.advance(duration_seconds)

    def advance(self, duration_seconds: float) -> None:
        with self._lock:
            self._elapsed_seconds += duration_seconds
