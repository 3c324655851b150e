"""Commands that take minutes, on their way from the commands thread to the replica manager's."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from spot_agent.clock import Bell, Clock
from spot_agent.model import Command


@dataclass(frozen=True, slots=True)
class Waiting:
    """A slow command in hand. Both times are the clock's monotonic seconds."""

    command: Command
    began_seconds: float
    due_seconds: float


class SlowLane:
    """Holds each request once. Those in hand are asked in turn, so that none waits behind another."""

    def __init__(self, clock: Clock, bell: Bell) -> None:
        self._clock = clock
        self._bell = bell
        self._lock = threading.Lock()
        self._waiting: dict[str, Waiting] = {}

    def offer(self, command: Command) -> None:
        """Take it, unless it is in hand; wakes the replica manager."""
        now_seconds = self._clock.monotonic_seconds()
        with self._lock:
            self._waiting.setdefault(command.request_id, Waiting(command, now_seconds, now_seconds))
        self._bell.ring()

    def holds(self, request_id: str) -> bool:
        """Whether it is in hand."""
        with self._lock:
            return request_id in self._waiting

    def due(self) -> tuple[Waiting, ...]:
        """Those to ask now, highest priority first."""
        now_seconds = self._clock.monotonic_seconds()
        with self._lock:
            ready = [waiting for waiting in self._waiting.values() if waiting.due_seconds <= now_seconds]
        return tuple(sorted(ready, key=lambda waiting: -waiting.command.priority))

    def put_off(self, waiting: Waiting, seconds: float) -> None:
        """Ask again in `seconds`."""
        due_seconds = self._clock.monotonic_seconds() + seconds
        with self._lock:
            self._waiting[waiting.command.request_id] = Waiting(waiting.command, waiting.began_seconds, due_seconds)

    def drop(self, request_id: str) -> None:
        """It has an answer."""
        with self._lock:
            self._waiting.pop(request_id, None)

    def next_due_in_seconds(self, at_most_seconds: float) -> float:
        """How long nothing is due."""
        now_seconds = self._clock.monotonic_seconds()
        with self._lock:
            due = [waiting.due_seconds - now_seconds for waiting in self._waiting.values()]
        return max(0.0, min([at_most_seconds, *due]))
