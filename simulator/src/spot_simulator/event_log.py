"""The region's numbered log: in memory for the control API, and as JSON lines on disk."""

import json
import threading
from pathlib import Path

from spot_simulator.clock import Clock, rfc3339


class EventLog:
    """What happened in the region, numbered from 1 in the order of happening; safe for several threads."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Append to ``path``."""
        self._clock, self._lock = clock, threading.Lock()
        self._events: list[dict[str, object]] = []
        self._file = path.open("a", encoding="utf-8")

    def append(self, kind: str, **facts: object) -> None:
        """Record an event; ``facts`` are JSON values."""
        with self._lock:
            if self._file.closed:
                return
            event = {"number": len(self._events) + 1, "at": rfc3339(self._clock.now()), "kind": kind, **facts}
            self._events.append(event)
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()

    def after(self, number: int) -> list[dict[str, object]]:
        """Return the events with a number above ``number``, oldest first."""
        with self._lock:
            return self._events[max(0, number) :]

    def close(self) -> None:
        """Close the file; later events are dropped."""
        with self._lock:
            self._file.close()
