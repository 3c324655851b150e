"""What the daemon knows for as long as its process lives: nothing here must outlive a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from spot_agent.clock import Clock
from spot_agent.model import JsonObject, Mode


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """One snapshot. `halted` says why the daemon may not act at all; `registration_problem` why it waits.

    `is_start_held`: the instance has just booted, and the server is asked once before the workload starts.
    `scheduled_events` is None until metadata was asked, `attached_volumes` until EC2 was, which only the carry `volume` does.
    `resources_seen_seconds` is `since_boot_seconds` of the last look at EC2.
    `configuration` is what EC2 says of this instance that a move must bring along; None before the first look.
    `platform_details` is what EC2 bills this instance as, such as "Red Hat Enterprise Linux".
    """

    started_at: datetime
    mode: Mode = Mode.UNKNOWN
    mode_evidence: JsonObject = field(default_factory=dict)
    resources: JsonObject = field(default_factory=lambda: {"instances": [], "images": [], "volumes": []})
    resources_seen_seconds: float | None = None
    configuration: JsonObject | None = None
    platform_details: str | None = None
    scheduled_events: tuple[JsonObject, ...] | None = None
    attached_volumes: tuple[JsonObject, ...] | None = None
    token_refused: bool = False
    halted: str | None = None
    registration_problem: str | None = None
    last_heartbeat_at: datetime | None = None
    server_clock_ahead: timedelta = timedelta(0)
    metadata_failures: int = 0
    unknown_fields: int = 0
    serving: bool | None = None
    start_pending: bool = False
    is_start_held: bool = False
    stop_pending: bool = False
    is_parked: bool = False
    is_server_missed: bool = False
    """The last call to the server got no answer."""


class Live:
    """The snapshot that all threads share."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._facts = LiveFacts(started_at=clock.now())

    def read(self) -> LiveFacts:
        """Return the present snapshot."""
        return self._facts

    def change(self, change: Callable[[LiveFacts], LiveFacts]) -> LiveFacts:
        """Apply a pure change."""
        with self._lock:
            self._facts = change(self._facts)
            return self._facts

    def server_now(self) -> datetime:
        """The present time on the server's clock, as the last heartbeat's answer lets us estimate it."""
        return self._clock.now() + self._facts.server_clock_ahead
