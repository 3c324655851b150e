"""What must hold over the simulated world, whatever the product's own rows say. Design, section 9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from spot_simulator.machine import State
from spot_simulator.memory.truth import Truth
from spot_simulator.virtual.fleet import TAG_AGENT, Fleet, Member

TAG_REPLICA = "spot-optimizer:replica-id"
TAG_LAUNCH_TOKEN = "spot-optimizer:launch-token"  # noqa: S105 - the name of a tag
UP = frozenset({State.PENDING.value, State.RUNNING.value, State.STOPPING.value, State.STOPPED.value})


class Invariants:
    """Checked after every step (`always`) and once more when everything was mended and has settled (`finally_`)."""

    def __init__(self, fleet: Fleet) -> None:
        """Look at this fleet."""
        self._fleet = fleet
        self.truth = Truth(fleet.region, TAG_AGENT)
        self._epochs: dict[str, int] = {}

    def always(self) -> list[str]:
        """Return what is wrong now and may never be."""
        return [*self._double_serving(), *self._doubles(), *self._falling_epochs()]

    def finally_(self) -> list[str]:
        """Return what is wrong at the end."""
        found = [line for member in self._fleet.members for line in self._end_of(member)]
        return [*self.always(), *found, *self._unknown_instances(), *self._forgotten()]

    def unserved(self) -> list[str]:
        """Return the agents that nobody answers for."""
        return [member.name for member in self._fleet.members if self._fleet.region.traffic.acceptor_behind(member.public_ip) is None]

    def _double_serving(self) -> list[str]:
        counts = Counter(agent for agent in self.truth.accepting().values() if agent is not None)
        return [f"{agent}: {count} instances accept writes at once" for agent, count in counts.items() if count > 1]

    def _doubles(self) -> list[str]:
        instances = self.truth.instances()
        found = _doubles("launch token", (thing.tags.get(TAG_LAUNCH_TOKEN) for thing in instances))
        return found + _doubles("replica", (thing.tags.get(TAG_REPLICA) for thing in instances))

    def _falling_epochs(self) -> list[str]:
        rows = self._fleet.database.raw.execute("SELECT logical_agent_id, epoch FROM agents WHERE deleted_at IS NULL").fetchall()
        fell = ((name, epoch) for name, epoch in rows if epoch < self._epochs.get(name, 0))
        found = [f"{name}: the epoch fell from {self._epochs[name]} to {epoch}" for name, epoch in fell]
        self._epochs.update(dict(rows))
        return found

    def _end_of(self, member: Member) -> list[str]:
        traffic = self._fleet.region.traffic
        accepting = [instance_id for instance_id, agent in self.truth.accepting().items() if agent == member.name]
        found = []
        if len(accepting) != 1:
            found.append(f"{member.name}: accepted by {accepting or 'no instance'}")
        if traffic.acceptor_behind(member.public_ip) is None:
            found.append(f"{member.name}: nobody answers through its address, which is at {self.truth.holders().get(member.public_ip)}")
        book = self._primary_in_the_book(member)
        if accepting and book not in accepting:
            found.append(f"{member.name}: {accepting[0]} serves, the book's PRIMARY is {book}")
        return found

    def _primary_in_the_book(self, member: Member) -> str | None:
        row = self._fleet.database.raw.execute(
            "SELECT i.instance_id FROM instances i JOIN agents a ON a.agent_id = i.primary_of WHERE a.logical_agent_id = ?", (member.name,)
        ).fetchone()
        return None if row is None else str(row[0])

    def _unknown_instances(self) -> list[str]:
        """Every instance that is up has a row: nothing that we made is without an owner."""
        known = {row[0] for row in self._fleet.database.raw.execute("SELECT instance_id FROM instances").fetchall()}
        return [
            f"{thing.thing_id} of {thing.tags.get(TAG_AGENT)} is {thing.state} and in no book"
            for thing in self.truth.instances()
            if thing.state in UP and thing.thing_id not in known
        ]

    def _forgotten(self) -> list[str]:
        """What was acknowledged to a person is there."""
        raw, found = self._fleet.database.raw, []
        for kind, answered_id in self._fleet.operator.acknowledged:
            table, key = {"switch": ("switches", "switch_id"), "replica": ("replica_instances", "replica_id")}[kind]
            if raw.execute(f"SELECT 1 FROM {table} WHERE {key} = ?", (answered_id,)).fetchone() is None:  # noqa: S608 - our own two names
                found.append(f"{kind} {answered_id} was acknowledged and is gone")
        return found


def _doubles(what: str, values: Iterable[str | None]) -> list[str]:
    counts = Counter(value for value in values if value is not None)
    return [f"{what} {value} made {count} instances" for value, count in counts.items() if count > 1]
