"""The one invariant about standbys that the world alone cannot show: which of them was ready is in the server's rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from spot_server.features.replicas.coordinating import SURPLUS
from spot_server.words import ReplicaStatus
from spot_simulator.virtual.database import DatabaseServer

INVARIANT = "ready-standby-is-kept"

_STANDBYS = """
    SELECT a.logical_agent_id, r.replica_id, r.status, r.status_reason FROM replica_instances r JOIN agents a USING (agent_id)
    WHERE r.kind = 'manual' AND a.manual_replica_enabled AND a.replica_count > 0
"""


class ReadyStandbys:
    """While a standby is wanted, the only one that is ready is not given up for one that is not."""

    def __init__(self, database: DatabaseServer) -> None:
        """None was seen yet."""
        self._database = database
        self._ready: dict[str, set[str]] = {}

    def look(self) -> Iterator[tuple[str, str]]:
        """Give what is wrong since the last look: (invariant, what broke it)."""
        ready: dict[str, set[str]] = defaultdict(set)
        surplus: dict[str, set[str]] = defaultdict(set)
        for agent, replica_id, status, reason in self._database.raw.execute(_STANDBYS):
            if status == ReplicaStatus.READY:
                ready[agent].add(replica_id)
            elif reason == SURPLUS:
                surplus[agent].add(replica_id)
        for agent, before in self._ready.items():
            if before <= surplus[agent] and not ready[agent]:
                yield INVARIANT, f"{agent} gave up {', '.join(sorted(before))}, and no other standby of it is ready"
        self._ready = {agent: of_one for agent, of_one in ready.items() if of_one}
