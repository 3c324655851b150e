"""What must hold over the simulated world, whatever the product's own rows say. Design, section 9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from spot_simulator.machine import Machine, ReasonCode, State
from spot_simulator.memory.truth import Truth
from spot_simulator.virtual.beyond_help import Help
from spot_simulator.virtual.endings import Endings
from spot_simulator.virtual.fleet import TAG_AGENT, Fleet, Member
from spot_simulator.virtual.judging import Violation
from spot_simulator.virtual.leftovers import Leftovers
from spot_simulator.virtual.lost_writes import LostWrites
from spot_simulator.virtual.ready_standbys import ReadyStandbys
from spot_simulator.virtual.schedule import CARRY_BY_VOLUME
from spot_simulator.virtual.service_gaps import ServiceGaps
from spot_simulator.virtual.strays import Strays
from spot_simulator.virtual.wanted_standbys import WantedStandbys

TAG_REPLICA = "spot-optimizer:replica-id"
TAG_LAUNCH_TOKEN = "spot-optimizer:launch-token"  # noqa: S105 - the name of a tag
UP = frozenset({State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED})
ENDING = frozenset({State.SHUTTING_DOWN, State.TERMINATED})
_LAUNCHED = "SELECT instance_id, 'REPLICA' FROM replica_instances WHERE instance_id IS NOT NULL AND ended_at IS NULL"
_FENCED = (
    "SELECT 1 FROM commands WHERE kind = 'terminate_instance' AND json_extract(payload, '$.instance_id') = ?"
    " AND (request_id LIKE 'switch/%/start/undo/%' OR request_id LIKE 'switch/%/mount/undo/%' OR request_id LIKE 'switch/%/attach/undo/%')"
)
Finding = tuple[str, str]
"""Name of the invariant, what broke it."""


class Invariants:
    """Checked after every step (`always`) and once more when everything was mended and has settled (`finally_`)."""

    def __init__(self, fleet: Fleet) -> None:
        """Look at this fleet."""
        self._fleet = fleet
        self.truth = Truth(fleet.region, TAG_AGENT)
        self._epochs: dict[str, int] = {}
        self._led: frozenset[str] = frozenset()
        self._named: frozenset[str] = frozenset()
        self._ended: set[str] = set()
        self._standbys = ReadyStandbys(fleet.database)
        self._strays, self._leftovers = Strays(fleet, self.truth), Leftovers(fleet, self.truth)
        self._help, self._lost_writes = Help(fleet, self.truth), LostWrites(fleet, self.truth)
        self._endings = Endings(fleet, self._help)
        self._wanted = WantedStandbys(fleet, self._help, self._endings)
        self._gaps = ServiceGaps(fleet.scheduler, self.unserved)

    def always(self) -> list[Violation]:
        """Return what is wrong now and may never be."""
        return self._violations(
            [
                *self._double_serving(),
                *self._doubles(),
                *self._falling_epochs(),
                *self._wrong_ends(),
                *self._standbys.look(),
                *self._without_volume(),
                *self._strays.look(),
                *self._gaps.look(),
            ]
        )

    def begin_bounds(self) -> None:
        """Judge from now on how long nobody serves: everything is mended."""
        self._gaps.begin()

    def finally_(self) -> list[Violation]:
        """Return what is wrong at the end."""
        found = [finding for member in self._fleet.members for finding in self._end_of(member)]
        found += [*self._instances_and_books(), *self._forgotten(), *self._leftovers.in_the_end()]
        found += [*self._endings.still_open(), *self._wanted.look(), *self._moments_of_double_serving()]
        return [*self.always(), *self._violations(found)]

    def is_left_over(self) -> bool:
        """Tell whether anything is in EC2 that nobody has seen yet who must: that takes some minutes."""
        return bool(self._strays.ownerless() or self._leftovers.untold_volumes())

    def is_under_way(self) -> bool:
        """Tell whether anything is still to end, or a standby to come or to go: a hold takes half an hour, a guard's bound an hour."""
        return self._endings.is_under_way() or any(True for _ in self._wanted.look())

    def unserved(self) -> list[str]:
        """Return the agents that nobody answers for, though somebody could."""
        lost = self.beyond_help()
        return [member.name for member in self._fleet.members if self._unanswered(member) and member.name not in lost]

    def untold(self) -> list[str]:
        """Return the agents that nobody can help and of which no person was told: that takes some minutes of silence."""
        return [member.name for member in self._fleet.members if self._help.is_beyond(member) and not self._help.is_told(member)]

    def _unanswered(self, member: Member) -> list[str]:
        """Return the fronts of an agent's handles through which nobody answers."""
        return [front for front in member.fronts if self._fleet.region.traffic.acceptor_behind(front) is None]

    def beyond_help(self) -> list[str]:
        """Return the agents that have no instance left, and from whose images, or by whose rights, nobody can make another."""
        return [member.name for member in self._fleet.members if self._help.is_beyond(member)]

    def _violations(self, findings: Iterable[Finding]) -> list[Violation]:
        now_seconds = self._fleet.scheduler.monotonic_seconds()
        return [Violation(invariant, now_seconds, text) for invariant, text in findings]

    def _double_serving(self) -> Iterator[Finding]:
        counts = Counter(agent for agent in self.truth.accepting().values() if agent is not None)
        for agent, count in counts.items():
            if count > 1:
                yield "one-serves", f"{count} instances of {agent} accept writes at once"

    def _moments_of_double_serving(self) -> Iterator[Finding]:
        """As the looks of `always`, between them too: two of an agent accepted writes at once, be it for a moment."""
        for double in self.truth.double_serving():
            until = "still" if double.until is None else f"until {double.until.time()}"
            both = " and ".join(double.instance_ids)
            yield "one-serves", f"{both} of {double.agent} accepted writes at once from {double.since.time()}, {until}"

    def _doubles(self) -> Iterator[Finding]:
        tags = [self._fleet.region.books.tags(instance_id) for instance_id in self._fleet.region.machines.by_id]
        for key in (TAG_LAUNCH_TOKEN, TAG_REPLICA):
            counts = Counter(of_one[key] for of_one in tags if key in of_one)
            for value, count in counts.items():
                if count > 1:
                    yield "one-instance-per-wish", f"{count} instances carry {key}={value}"

    def _falling_epochs(self) -> Iterator[Finding]:
        rows = self._fleet.database.raw.execute("SELECT logical_agent_id, epoch FROM agents WHERE deleted_at IS NULL").fetchall()
        for name, epoch in rows:
            if epoch < self._epochs.get(name, 0):
                yield "epochs-rise", f"the epoch of {name} fell from {self._epochs[name]} to {epoch}"
        self._epochs.update(dict(rows))

    def _wrong_ends(self) -> Iterator[Finding]:
        """Nothing is terminated by a call that holds a handle; nor, with auto-terminate off, what has served.

        A book that named an instance at the last look and still does named it in between, when it was terminated. Traffic that still went
        to one that no book names any more counts where it was accepted. The fence may fall on one that is named (design, section 7): a new
        side that does not serve, and does not answer or give the volumes back, is ended before the old one takes the handle back.
        """
        named = self.truth.handle_holders()
        held = self._led | {holder for holder in self._named & named if not self._is_fenced(holder)}
        plans = {member.name: member.plan for member in self._fleet.members}
        for machine in self._fleet.region.machines.by_id.values():
            if machine.state not in ENDING or machine.instance_id in self._ended:
                continue
            self._ended.add(machine.instance_id)
            if machine.reason is not ReasonCode.USER:
                continue
            agent = self.truth.agent_of(machine.instance_id)
            if machine.instance_id in held:
                yield "nothing-terminated-that-holds-a-handle", f"{machine.instance_id} of {agent} was terminated while it held a handle"
            if agent in plans and not plans[agent].is_auto_terminated and machine.serving:
                yield "auto-terminate-off-is-obeyed", f"{machine.instance_id} of {agent} was terminated"
        self._led = frozenset(holder for holder in self.truth.holders().values() if holder in self.truth.accepting())
        self._named = named

    def _is_fenced(self, instance_id: str) -> bool:
        """Tell whether a move that is taken back asked for the end of this new side: what for, the world does not show."""
        return self._fleet.database.raw.execute(_FENCED, (instance_id,)).fetchone() is not None

    def _without_volume(self) -> Iterator[Finding]:
        """Whoever accepts writes for an agent with a data volume keeps them on one that EC2 has attached to it, and to nobody else."""
        with_volume = {member.name for member in self._fleet.members if member.plan.carry == CARRY_BY_VOLUME}
        for instance_id, agent in self.truth.accepting().items():
            if agent in with_volume and not self.truth.writes_on(instance_id):
                yield "writes-are-on-the-volume", f"{instance_id} of {agent} accepts writes and keeps them on no data volume"

    def _end_of(self, member: Member) -> Iterator[Finding]:
        if self._help.is_beyond(member):
            if not self._help.is_told(member):
                yield "told-when-nobody-can-help", f"{member.name} has no instance left, nobody can make another, and nobody was told"
            return
        yield from self._lost_writes.look(member)
        accepting = [instance_id for instance_id, agent in self.truth.accepting().items() if agent == member.name]
        if len(accepting) != 1:
            yield "served-in-the-end", f"{member.name}: accepted by {accepting or 'no instance'}"
        for front in self._unanswered(member):
            yield "reached-in-the-end", f"{member.name}: nobody answers through {front}"
        book = self._primary_in_the_book(member)
        if accepting and book not in accepting:
            yield "book-knows-who-serves", f"{member.name}: {accepting[0]} serves, the book's PRIMARY is {book}"

    def _primary_in_the_book(self, member: Member) -> str | None:
        row = self._fleet.database.raw.execute(
            "SELECT i.instance_id FROM instances i JOIN agents a ON a.agent_id = i.primary_of WHERE a.logical_agent_id = ?", (member.name,)
        ).fetchone()
        return None if row is None else str(row[0])

    def _instances_and_books(self) -> Iterator[Finding]:
        """Every instance that is billed has a row, be it that of its replica, and no row says of it that it is gone."""
        raw = self._fleet.database.raw
        roles = dict(raw.execute(_LAUNCHED).fetchall()) | dict(raw.execute("SELECT instance_id, role FROM instances").fetchall())
        for machine in self._up():
            role, agent = roles.get(machine.instance_id), self.truth.agent_of(machine.instance_id)
            if role is None:
                yield "nothing-without-an-owner", f"{machine.instance_id} of {agent} is {machine.state.value} and in no book"
            if role == "TERMINATED":
                yield "what-is-billed-is-known", f"{machine.instance_id} of {agent} is {machine.state.value}, the book says TERMINATED"

    def _up(self) -> list[Machine]:
        machines, foreign = self._fleet.region.machines.by_id.values(), self._fleet.foreign.ids
        return [machine for machine in machines if machine.state in UP and machine.instance_id not in foreign]

    def _forgotten(self) -> Iterator[Finding]:
        """What was acknowledged to a person is there."""
        for kind, answered_id in self._fleet.operator.acknowledged:
            table, key = {"switch": ("switches", "switch_id"), "replica": ("replica_instances", "replica_id")}[kind]
            found = self._fleet.database.raw.execute(f"SELECT 1 FROM {table} WHERE {key} = ?", (answered_id,)).fetchone()  # noqa: S608 - our own two names
            if found is None:
                yield "acknowledged-is-there", f"{kind} {answered_id} was acknowledged and is gone"
