"""Where requests wait for commands. Knows nothing of HTTP or the database: keys, seats and wake-ups."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from spot_server.clock import Clock

WaitKey = tuple[str, str]
"""(agent_id, instance_id): whose commands are waited for."""


class Event(Protocol):
    """As threading.Event; a virtual clock brings its own."""

    def set(self) -> None:
        """End the present wait, or the next one."""

    def clear(self) -> None:
        """Let the next wait wait."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until set, at most `timeout` seconds; return whether it is."""


@dataclass(eq=False, slots=True)
class Seat:
    """One waiting request."""

    key: WaitKey
    _woken: Event

    def wait(self, duration_seconds: float) -> bool:
        """Wait until woken, at most `duration_seconds`; return whether it was. Then listen again."""
        was_woken = self._woken.wait(duration_seconds)
        self._woken.clear()
        return was_woken

    def wake(self) -> None:
        """End the present (or the next) wait."""
        self._woken.set()


class WaitingRoom:
    """Seats for waiting requests, and the poller's last look at what is there to be delivered. Safe to share between threads."""

    def __init__(self, clock: Clock, *, seats: int, fresh_seconds: float, new_event: Callable[[], Event] = threading.Event) -> None:
        """Have room for `seats`; a look older than `fresh_seconds` says nothing any more."""
        self._clock = clock
        self._seats = seats
        self._fresh_seconds = fresh_seconds
        self._new_event = new_event
        self._waiting: dict[WaitKey, list[Seat]] = {}
        self._occupied = 0
        self._deliverable: frozenset[WaitKey] = frozenset()
        self._looked_seconds: float | None = None
        self._lock = threading.Lock()
        self.is_closed = False

    @property
    def seats(self) -> int:
        """How many requests may wait at once."""
        return self._seats

    @property
    def has_seats(self) -> bool:
        """Whether waiting is possible here at all, and not all seats are taken."""
        return self._occupied < self._seats and not self.is_closed

    @property
    def occupied(self) -> int:
        """How many requests wait now."""
        return self._occupied

    @contextmanager
    def seat(self, key: WaitKey) -> Iterator[Seat | None]:
        """Hold a seat for the length of the block; None when the room is full."""
        seat = self._sit(key)
        try:
            yield seat
        finally:
            if seat is not None:
                self._leave(seat)

    def looked(self, deliverable: Iterable[WaitKey]) -> None:
        """Take what the poller just saw, and wake those whom it concerns."""
        keys = frozenset(deliverable)
        with self._lock:
            self._deliverable = keys
            self._looked_seconds = self._clock.monotonic_seconds()
            woken = [seat for key in keys for seat in self._waiting.get(key, ())]
        for seat in woken:
            seat.wake()

    def wake(self, keys: Iterable[WaitKey]) -> None:
        """Wake those who wait for what this process has just made deliverable, without waiting for the poller's next look."""
        fresh = frozenset(keys)
        with self._lock:
            self._deliverable |= fresh
            woken = [seat for key in fresh for seat in self._waiting.get(key, ())]
        for seat in woken:
            seat.wake()

    def has_deliverable(self, key: WaitKey) -> bool | None:
        """Tell whether a command was there for `key` at the last look; None when no look is fresh enough to say."""
        with self._lock:
            looked_seconds = self._looked_seconds
            if looked_seconds is None or self._clock.monotonic_seconds() - looked_seconds > self._fresh_seconds:
                return None
            return key in self._deliverable

    def is_waited_for(self, kind: str) -> bool:
        """Tell whether anybody waits under a key that begins with `kind`."""
        with self._lock:
            return any(first == kind for first, _second in self._waiting)

    def close(self) -> None:
        """End every wait and let nobody sit down again: the process is about to stop."""
        self.is_closed = True
        with self._lock:
            woken = [seat for seats in self._waiting.values() for seat in seats]
        for seat in woken:
            seat.wake()

    def _sit(self, key: WaitKey) -> Seat | None:
        with self._lock:
            if self.is_closed or self._occupied >= self._seats:
                return None
            seat = Seat(key, self._new_event())
            self._waiting.setdefault(key, []).append(seat)
            self._occupied += 1
            return seat

    def _leave(self, seat: Seat) -> None:
        with self._lock:
            seats = self._waiting[seat.key]
            seats.remove(seat)
            self._occupied -= 1
            if not seats:
                del self._waiting[seat.key]
