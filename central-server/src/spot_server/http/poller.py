"""One look, a few times a second and per web process, for what concerns waiting requests and cached tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import select

from spot_server.db.runner import Transaction
from spot_server.db.tables import commands
from spot_server.features.commands.queries import IS_OPEN
from spot_server.features.commands.rules import is_deliverable
from spot_server.features.events.queries import last_sequences
from spot_server.features.events.stream import EVENTS, wait_key
from spot_server.features.tokens.queries import revoked_digests
from spot_server.http.context import AppContext
from spot_server.http.waiting import WaitKey
from spot_server.words import Actor

KNOWN_WINDOW_SECONDS = 60.0
"""How far back a look knows of every revocation. After a longer gap between two looks the token cache begins anew."""

REVOCATION_WINDOW_SECONDS = 2 * KNOWN_WINDOW_SECONDS
"""How far back revocations are read, with room for clocks that differ and transactions that commit late."""

_OPEN_OF_DAEMONS = select(commands.c.agent_id, commands.c.open_instance_id, commands.c.status, commands.c.last_delivered_at).where(
    IS_OPEN, commands.c.actor == Actor.DAEMON
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    deliverable: frozenset[WaitKey]
    revoked_sha256: tuple[str, ...]
    sequences: dict[str, int] | None
    """The number of each client's latest event; None when nobody asked."""


def look(tx: Transaction, *, with_events: bool) -> Look:
    """Read whose commands could be delivered now, which tokens were revoked of late, and, if asked, how far each client's events go.

    Two or three short statements, each by an index.
    """
    deliverable = frozenset(
        (agent_id, instance_id)
        for agent_id, instance_id, status, delivered_at in tx.execute(_OPEN_OF_DAEMONS)
        if is_deliverable(status, delivered_at, tx.now)
    )
    revoked = tuple(revoked_digests(tx, within_seconds=REVOCATION_WINDOW_SECONDS))
    return Look(deliverable, revoked, last_sequences(tx) if with_events else None)


class Poller:
    """Looks every `period_seconds` until stopped; wakes waiters and keeps the token cache honest."""

    def __init__(self, context: AppContext, *, period_seconds: float, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """`is_stopping` is asked before every look: when the process stops, waiters are sent home first."""
        self._context = context
        self._period_seconds = period_seconds
        self._is_stopping = is_stopping
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)
        self._has_failed = False
        self._sequences: dict[str, int] = {}

    def start(self) -> None:
        """Begin to look, in a thread of its own (a greenlet under gevent)."""
        self._thread.start()

    def stop(self) -> None:
        """Send all waiters home and stop looking."""
        self._stop.set()
        self._context.waiting_room.close()

    def step(self) -> None:
        """Look once. A failure is counted, and logged when it is the first in a row."""
        context = self._context
        started_seconds = context.clock.monotonic_seconds()
        try:
            # Who comes while events were not looked at is woken at the next look, if there was any since the last one that did.
            with_events = context.waiting_room.is_waited_for(EVENTS)
            found = context.database.read(lambda tx: look(tx, with_events=with_events))
        except Exception as error:  # noqa: BLE001 - the poller must outlive whatever the database does
            context.metrics.poll_failures.inc()
            if not self._has_failed:
                log.warning("poll_failed", error=str(error))
            self._has_failed = True
            return
        self._has_failed = False
        known_since_seconds = started_seconds - KNOWN_WINDOW_SECONDS
        context.token_cache.watched(found.revoked_sha256, since_seconds=known_since_seconds, looked_seconds=started_seconds)
        sequences = self._sequences if found.sequences is None else found.sequences
        grown = {wait_key(client_id) for client_id, last in sequences.items() if self._sequences.get(client_id) != last}
        self._sequences = sequences
        context.waiting_room.looked(found.deliverable | grown)
        context.metrics.waiters.set(context.waiting_room.occupied)
        context.metrics.poll_duration_seconds.observe(context.clock.monotonic_seconds() - started_seconds)

    def _run(self) -> None:
        while not self._stop.wait(self._period_seconds):
            if self._is_stopping():
                self.stop()
                return
            self.step()


def start_poller(context: AppContext, *, is_stopping: Callable[[], bool]) -> Poller:
    """Start the poller of this web process."""
    poller = Poller(context, period_seconds=context.settings.poller_period_ms / 1000, is_stopping=is_stopping)
    poller.start()
    return poller
