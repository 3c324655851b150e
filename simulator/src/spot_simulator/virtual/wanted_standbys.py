"""Whether each agent that is to keep standbys has as many as are wanted when all is mended and still: ready, and running in EC2."""

from __future__ import annotations

from collections.abc import Iterator

from spot_server.words import ReplicaStatus
from spot_simulator.machine import State
from spot_simulator.virtual.beyond_help import Help
from spot_simulator.virtual.endings import Endings
from spot_simulator.virtual.fleet import Fleet, Member

INVARIANT = "one-standby-where-wanted"
_WANTED = "SELECT replica_count FROM agents WHERE logical_agent_id = ? AND deleted_at IS NULL AND enabled AND manual_replica_enabled"
_STANDBYS = """
    SELECT r.status, r.instance_id FROM replica_instances r JOIN agents a ON a.agent_id = r.agent_id
    WHERE a.logical_agent_id = ? AND r.kind = 'manual' AND r.status IN ('launching', 'syncing', 'ready')
"""


class WantedStandbys:
    """Looks at the server's rows, and at EC2 for whether a standby runs."""

    def __init__(self, fleet: Fleet, helping: Help, endings: Endings) -> None:
        """Look at this fleet."""
        self._fleet, self._help, self._endings = fleet, helping, endings

    def look(self) -> Iterator[tuple[str, str]]:
        """Give what is too few or too many: (invariant, what it is).

        Too few are right where nobody can help the agent, EC2 has no image of it, or its guard allows no more live replicas.
        """
        for member in self._fleet.members:
            wanted = self._fleet.database.raw.execute(_WANTED, (member.name,)).fetchone()
            if wanted is None or not wanted[0]:
                continue
            standbys = self._fleet.database.raw.execute(_STANDBYS, (member.name,)).fetchall()
            ready = [instance_id for status, instance_id in standbys if status == ReplicaStatus.READY and self._runs(instance_id)]
            if len(standbys) > wanted[0] or (len(ready) < wanted[0] and self._could_have_more(member)):
                told = ", ".join(f"{instance_id or 'not launched'} {status}" for status, instance_id in standbys)
                yield INVARIANT, f"{member.name} is to keep {wanted[0]}, and has {told or 'none'}"

    def _could_have_more(self, member: Member) -> bool:
        return not self._help.is_beyond(member) and self._help.has_image(member) and not self._endings.is_full(member.name)

    def _runs(self, instance_id: str | None) -> bool:
        machine = self._fleet.region.machines.by_id.get(instance_id or "")
        return machine is not None and machine.state is State.RUNNING
