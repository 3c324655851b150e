"""What must have come to its end when all is mended and still, and what may stay open, each with its reason.

May stay open, and is not judged:

- everything of an agent that nobody can help and for which nobody may act (known gap 19), which a person must be told of;
- a rescue that gave up, of an agent that nobody can help because EC2 has no image of it: it is looked at again and again; and a command for
  the last instance of that agent, which stays PRIMARY in the book although it is gone (known gap 34);
- a standby that a person asked for: kept until a person retires it;
- one that the bound on live replicas holds back, for as long as others live;
- a command for an instance that EC2 has stopped: whoever starts it again finds it there, and above all the word that it serves no more;
- an old instance with auto-terminate off, and one that survives a rescue which failed after its promotion (known gap 18): both are listed
  for a person, who ends them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from spot_server.words import LIVE_REPLICA_STATUSES, ReplicaKind, ReplicaStatus
from spot_simulator.machine import State
from spot_simulator.virtual.beyond_help import Help
from spot_simulator.virtual.database import stored
from spot_simulator.virtual.fleet import Fleet

INVARIANT = "everything-ends"
COMMAND_BOUND_SECONDS = 15 * 60.0
"""Beyond its deadline a command that nobody answered is closed, at the latest when its instance is known to be gone."""
STOPPED = frozenset({State.STOPPING, State.STOPPED})
UP = frozenset({State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED})

_MOVES = """
    SELECT a.logical_agent_id, s.trigger || ' ' || s.switch_id || ' is ' || s.status
    FROM switches s JOIN agents a ON a.agent_id = s.agent_id WHERE s.status IN ('running', 'rolling_back') OR s.active_key IS NOT NULL
"""
_AFTER_MOVES = """
    SELECT a.logical_agent_id, s.trigger || ' ' || s.switch_id || ' is completed, its ' || p.name || ' is ' || p.status
    FROM switch_steps p JOIN switches s ON s.switch_id = p.switch_id JOIN agents a ON a.agent_id = s.agent_id
    WHERE s.status = 'completed' AND p.status IN ('pending', 'running')
"""
_COMMANDS = """
    SELECT a.logical_agent_id, c.instance_id, c.kind, c.issued_at, coalesce(c.deadline_at, c.issued_at)
    FROM commands c JOIN agents a ON a.agent_id = c.agent_id WHERE c.status IN ('queued', 'delivered')
"""
_GIVEN_UP = """
    SELECT a.logical_agent_id, 'the rescue ' || s.switch_id || ' gave up, and is neither taken up again nor called needless'
    FROM switches s JOIN agents a ON a.agent_id = s.agent_id WHERE s.resume_at IS NOT NULL
"""
_REPLICAS = """
    SELECT a.logical_agent_id, r.replica_id, r.kind, r.status, r.hold_until FROM replica_instances r
    JOIN agents a ON a.agent_id = r.agent_id WHERE r.ended_at IS NULL AND r.status != 'promoted'
"""
_LIVE = """
    SELECT count(*) FROM replica_instances r JOIN agents a ON a.agent_id = r.agent_id
    WHERE a.logical_agent_id = ? AND r.status IN ('launching', 'syncing', 'ready') AND r.replica_id != ?
"""
_ZOMBIES = """
    SELECT a.logical_agent_id, i.instance_id FROM instances i JOIN agents a ON a.agent_id = i.agent_id
    WHERE i.role = 'ZOMBIE' AND i.stray_reason IS NULL AND i.released_at IS NULL AND a.auto_terminate_enabled
    AND NOT EXISTS (
        SELECT 1 FROM switches s JOIN switch_steps p ON p.switch_id = s.switch_id
        WHERE s.from_instance_id = i.instance_id AND s.status = 'failed' AND p.name = 'promote' AND p.status = 'done'
    )
"""
"""The last condition is known gap 18."""


class Endings:
    """Looks at the server's rows, and at EC2 for what it still bills."""

    def __init__(self, fleet: Fleet, helping: Help) -> None:
        """Look at this fleet."""
        self._fleet, self._help = fleet, helping

    def is_under_way(self) -> bool:
        """Tell whether anything is waited for: what must end, or the answer to a command."""
        lost = self._lost()
        return any(agent not in lost for agent, _what in self._commands(0.0)) or any(True for _ in self.still_open())

    def still_open(self) -> Iterator[tuple[str, str]]:
        """Give what must end and has not: (invariant, what it is)."""
        lost = self._lost()
        unaided = set() if self._fleet.has_control_role else lost
        found = [*self._moves(), *self._replicas(), *self._zombies()]
        yield from ((INVARIANT, f"{agent}: {what}") for agent, what in found if agent not in unaided)
        waiting = [*self._commands(COMMAND_BOUND_SECONDS), *self._fleet.database.raw.execute(_GIVEN_UP).fetchall()]
        yield from ((INVARIANT, f"{agent}: {what}") for agent, what in waiting if agent not in lost)

    def is_full(self, agent: str, replica_id: str = "") -> bool:
        """Tell whether as many other replicas of an agent live as its guard allows: one more is not launched, however long one waits."""
        (others,) = self._fleet.database.raw.execute(_LIVE, (agent, replica_id)).fetchone()
        return int(others) >= self._fleet.server.settings.spending_replica_count

    def _lost(self) -> set[str]:
        """Return the agents that nobody can help; without a control role nobody acts for them either."""
        return {member.name for member in self._fleet.members if self._help.is_beyond(member)}

    def _moves(self) -> Iterator[tuple[str, str]]:
        for question in (_MOVES, _AFTER_MOVES):
            yield from self._fleet.database.raw.execute(question).fetchall()

    def _commands(self, bound_seconds: float) -> Iterator[tuple[str, str]]:
        """Give those that are open for so long after their deadline."""
        machines, until = self._fleet.region.machines.by_id, stored(self._fleet.scheduler.now() - timedelta(seconds=bound_seconds))
        for agent, instance_id, kind, issued_at, deadline_at in self._fleet.database.raw.execute(_COMMANDS).fetchall():
            machine = machines.get(instance_id)
            is_late = bound_seconds == 0.0 or deadline_at < until
            if is_late and (machine is None or machine.state not in STOPPED):
                yield agent, f"{kind} for {instance_id} is open since {issued_at}"

    def _replicas(self) -> Iterator[tuple[str, str]]:
        for agent, replica_id, kind, status, hold_until in self._fleet.database.raw.execute(_REPLICAS).fetchall():
            if status not in LIVE_REPLICA_STATUSES:
                yield agent, f"the {kind} replica {replica_id} is {status}, and what was launched for it is not known to be gone"
            elif status != ReplicaStatus.READY and not self.is_full(agent, replica_id):
                yield agent, f"the {kind} replica {replica_id} is {status} without end"
            elif status == ReplicaStatus.READY and kind != ReplicaKind.MANUAL:
                held = "held for nobody" if hold_until is None else f"held until {hold_until}"
                yield agent, f"the {kind} replica {replica_id} is {held}"

    def _zombies(self) -> Iterator[tuple[str, str]]:
        machines = self._fleet.region.machines.by_id
        for agent, instance_id in self._fleet.database.raw.execute(_ZOMBIES).fetchall():
            machine = machines.get(instance_id)
            if machine is not None and machine.state in UP:
                yield agent, f"the old instance {instance_id} is {machine.state.value}, and auto-terminate is on"
