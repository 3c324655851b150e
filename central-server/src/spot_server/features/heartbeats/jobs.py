"""Looking for silence and for oddities that daemons reported."""

from __future__ import annotations

from datetime import datetime

from spot_server.features.heartbeats import service
from spot_server.jobs.registry import JobContext

HEARD_WITHIN_SECONDS = 120.0


class OfflineSweep:
    """Marks silent agents. Begins to count when it first runs: before that nobody was listening."""

    def __init__(self) -> None:
        """Know of no run yet."""
        self._listening_since: datetime | None = None

    def __call__(self, context: JobContext) -> str:
        """Mark the agents that are silent now, and tell of clocks and modes in doubt."""
        listening_since = self._listening_since = self._listening_since or context.clock.now()
        patience_seconds = context.settings.offline_after_seconds
        marked = context.database.write(lambda tx: service.mark_offline(tx, listening_since, offline_after_seconds=patience_seconds))
        warned = context.database.write(lambda tx: service.warn_of_odd_instances(tx, heard_within_seconds=HEARD_WITHIN_SECONDS))
        return f"marked {marked} agents offline, warned of {warned} instances" if marked or warned else ""
