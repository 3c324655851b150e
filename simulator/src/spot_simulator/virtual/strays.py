"""Nothing that we made is without an owner for more than fifteen minutes (design, section 9), on the region's own clock.

An instance has an owner while the books say who sees to it: it has a role that keeps it, it is listed for a person, a replica waits for it,
somebody ends it, or a person was told of it. Time counts only while somebody could have seen it.
"""

from __future__ import annotations

from collections.abc import Iterator

from spot_simulator.machine import Machine, MetadataFault, State
from spot_simulator.memory.truth import Truth
from spot_simulator.model.faults import ANY_ACTION
from spot_simulator.virtual.daemon_program import DAEMON
from spot_simulator.virtual.fleet import Fleet
from spot_simulator.virtual.gateway import ROLE
from spot_simulator.virtual.server_side import JOBS
from spot_simulator.virtual.slow_ec2 import EC2
from spot_simulator.virtual.web_host import SERVER

INVARIANT = "strays-are-seen-in-fifteen-minutes"
BOUND_SECONDS = 15 * 60.0
LOOK_SECONDS = 60.0
"""As often as the sweeper looks."""
UP = frozenset({State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED})
TAG_LAUNCH_TOKEN = "spot-optimizer:launch-token"  # noqa: S105 - the name of a tag

_KNOWN = """
    SELECT instance_id FROM instances WHERE role IN ('PRIMARY', 'REPLICA') OR (role = 'ZOMBIE' AND stray_reason IS NULL)
    UNION SELECT instance_id FROM replica_instances WHERE instance_id IS NOT NULL AND ended_at IS NULL
"""
"""A ZOMBIE that was ever let in is retired by somebody, or stands in the list of instances that a person must end."""
_AWAITED = "SELECT 1 FROM replica_instances WHERE client_token = ? AND instance_id IS NULL AND ended_at IS NULL"
_TOLD = "SELECT 1 FROM notifications WHERE kind = 'stray_quarantined' AND instr(dedupe_key, ?)"
_SEERS = """
    SELECT i.instance_id, a.logical_agent_id FROM instances i JOIN agents a ON a.agent_id = i.agent_id
    WHERE i.role IN ('PRIMARY', 'REPLICA')
"""


class Strays:
    """Looks at the end of each minute in which anything happened."""

    def __init__(self, fleet: Fleet, truth: Truth) -> None:
        """Nothing was seen yet."""
        self._fleet, self._truth = fleet, truth
        self._next_seconds = 0.0
        self._ownerless: dict[str, float] = {}
        """Since when an instance has no owner."""
        self._seeing: dict[tuple[object, ...], float] = {}
        """Since when who could see it, could: one start of a daemon, the control role, the server since its last death."""

    def look(self) -> Iterator[tuple[str, str]]:
        """Give what has been without an owner for too long: (invariant, what it is)."""
        now_seconds = self._fleet.scheduler.monotonic_seconds()
        if now_seconds < self._next_seconds:
            return
        self._next_seconds = now_seconds + LOOK_SECONDS
        seers = self._seers()
        self._seeing = {seer: self._seeing.get(seer, now_seconds) for of_one in seers.values() for seer in of_one}
        found = self.ownerless()
        self._ownerless = {machine.instance_id: self._ownerless.get(machine.instance_id, now_seconds) for machine in found}
        for machine in found:
            agent = self._truth.agent_of(machine.instance_id)
            seen_since = min((self._seeing[seer] for seer in (*seers.get(agent, ()), *seers.get(None, ()))), default=now_seconds)
            seconds = now_seconds - max(seen_since, self._ownerless[machine.instance_id])
            if seconds > BOUND_SECONDS:
                yield INVARIANT, f"{machine.instance_id} of {agent} is {machine.state.value}, and nobody has owned it for {seconds:.0f} s"

    def ownerless(self) -> list[Machine]:
        """Return the instances that are up, carry the tags of an agent of ours, and that nobody sees to."""
        raw, names = self._fleet.database.raw, {member.name for member in self._fleet.members}
        known = {instance_id for (instance_id,) in raw.execute(_KNOWN)}
        unknown = [one for one in self._fleet.region.machines.by_id.values() if one.state in UP and one.instance_id not in known]
        return [one for one in unknown if self._truth.agent_of(one.instance_id) in names and not self._has_owner(one)]

    def _has_owner(self, machine: Machine) -> bool:
        """A launch whose answer is still awaited, or a person who was told."""
        raw, token = self._fleet.database.raw, self._fleet.region.books.tags(machine.instance_id).get(TAG_LAUNCH_TOKEN)
        if token is not None and raw.execute(_AWAITED, (token,)).fetchone() is not None:
            return True
        return raw.execute(_TOLD, (machine.instance_id,)).fetchone() is not None

    def _seers(self) -> dict[str | None, list[tuple[object, ...]]]:
        """Return by agent who could see a stray of it now (None: of any), named by its present beginning; nobody while none is heard."""
        server, network, region = self._fleet.server, self._fleet.network, self._fleet.region
        is_heard = server.is_whole and server.database.is_certain and any(server.processes[name].is_alive for name in JOBS)
        is_refused = any(fault.action.startswith("Describe") or fault.action == ANY_ACTION for fault in region.faults.waiting())
        if not is_heard or is_refused or server.skew_seconds:
            return {}
        if self._fleet.has_control_role and not network.is_cut(ROLE, EC2):
            return {None: [(ROLE, server.deaths)]}
        found: dict[str | None, list[tuple[object, ...]]] = {}
        for instance_id, agent in self._fleet.database.raw.execute(_SEERS):
            machine = region.machines.by_id.get(instance_id)
            if machine is not None and self._sees(machine):
                found.setdefault(agent, []).append((instance_id, region.init.status(machine, DAEMON).pid, server.deaths))
        return found

    def _sees(self, machine: Machine) -> bool:
        """Tell whether the daemon of an instance could look at EC2, and be heard."""
        network, instance_id = self._fleet.network, machine.instance_id
        is_well = machine.state is State.RUNNING and machine.metadata_fault is MetadataFault.NONE and not self._fleet.skews.get(instance_id)
        is_linked = network.is_fair_between(instance_id, SERVER) and not network.is_cut(instance_id, EC2)
        return is_well and is_linked and self._fleet.region.init.status(machine, DAEMON).pid is not None
