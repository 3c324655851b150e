"""Reads the figures of a run that is over: notices and instances from the region's log, outages from the outside prober's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from spot_simulator.machine import NoticeAction
from spot_simulator.probe_rules import Outage
from spot_simulator.virtual.database import stored
from spot_simulator.virtual.figures import Answer, Figures
from spot_simulator.virtual.fleet import TAG_AGENT, Fleet, Member

_MOVE_OF = "SELECT initiated_at FROM switches WHERE from_instance_id = ? AND initiated_at >= ? ORDER BY initiated_at LIMIT 1"
_MOVED_BY = "SELECT trigger, carry FROM switches WHERE from_instance_id = ? AND to_instance_id = ? ORDER BY initiated_at DESC LIMIT 1"
_READY = """
    SELECT 1 FROM replica_instances r JOIN agents USING (agent_id)
    WHERE logical_agent_id = ? AND r.ready_at <= ? AND (r.ended_at IS NULL OR r.ended_at > ?)
    AND NOT EXISTS (SELECT 1 FROM switches WHERE to_instance_id = r.instance_id AND serving_at <= ?)
"""
"""What took over before is a replica no more."""
NO_MOVE = "no move"
"""Stands for the move of an outage after which the same instance answered, such as a reboot's."""


@dataclass(slots=True)
class _Life:
    """When the region began and ended what it does to bring an instance up, and the workload on it for the first time."""

    launched_at: datetime | None = None
    booted_at: datetime | None = None
    started_at: datetime | None = None
    served_at: datetime | None = None

    def own_seconds(self, since: datetime) -> float:
        """Return how much of that fell after `since`."""
        return _seconds_after(since, self.launched_at, self.booted_at) + _seconds_after(since, self.started_at, self.served_at)


def figures_of(fleet: Fleet, since: datetime | None = None) -> Figures:
    """Read everything; with `since`, only outages that ended after it, and notices that were not answered before it."""
    lives = _lives(fleet)
    answers: list[Answer] = []
    downtimes: dict[str, list[float]] = defaultdict(list)
    longest_seconds = 0.0
    outages = {
        member.name: [outage for front in member.fronts for outage in fleet.region.traffic.figures(front).outages]
        for member in fleet.members
    }
    members = {member.name: member for member in fleet.members}
    for of_one in outages.values():
        for outage in of_one:
            if since is None or outage.ended_at is None or outage.ended_at > since:
                downtimes[_move_of(fleet, outage)].append(outage.seconds)
                longest_seconds = max(longest_seconds, outage.seconds if outage.ended_at is not None else 0.0)
    for at, instance_id, action in _notices(fleet):
        member = members[fleet.region.books.tags(instance_id)[TAG_AGENT]]
        answer = _answer(fleet, member, at, instance_id, outages[member.name], lives)
        if since is None or answer.traffic is None or at + timedelta(seconds=answer.traffic) > since:
            answers.append(replace(answer, is_hibernation=action == NoticeAction.HIBERNATE))
    return Figures(tuple(answers), {name: tuple(values) for name, values in downtimes.items()}, longest_seconds)


def _answer(fleet: Fleet, member: Member, at: datetime, instance_id: str, outages: Sequence[Outage], lives: dict[str, _Life]) -> Answer:
    raw, moment = fleet.database.raw, stored(at)
    move = raw.execute(_MOVE_OF, (instance_id, moment)).fetchone()
    is_ready = raw.execute(_READY, (member.name, moment, moment, moment)).fetchone() is not None
    traffic, beyond = None, None
    for outage in outages:
        successor, ended_at = outage.after_instance_id, outage.ended_at
        if outage.before_instance_id == instance_id and successor not in (None, instance_id) and ended_at is not None and ended_at > at:
            traffic = (ended_at - at).total_seconds()
            beyond = traffic - lives[str(successor)].own_seconds(at)
            break
    return Answer(is_ready, None if move is None else (_moment(move[0]) - at).total_seconds(), traffic, beyond)


def _notices(fleet: Fleet) -> Iterator[tuple[datetime, str, str]]:
    """Give the notices of instances that accepted writes when they came, and what each said that EC2 would do."""
    serving: set[str] = set()
    for at, kind, facts in fleet.region.log.entries:
        instance_id = str(facts.get("instance_id"))
        if kind == "serving":
            serving.add(instance_id)
        elif kind == "serving-ended":
            serving.discard(instance_id)
        elif kind == "notice" and instance_id in serving:
            yield at, instance_id, str(facts["action"])


def _lives(fleet: Fleet) -> dict[str, _Life]:
    lives: dict[str, _Life] = defaultdict(_Life)
    for at, kind, facts in fleet.region.log.entries:
        life = lives[str(facts.get("instance_id"))]
        if kind == "state" and facts["state"] == "pending":
            life.launched_at = life.launched_at or at
        elif kind == "booted":
            life.booted_at = life.booted_at or at
        elif kind == "service-started" and facts["why"] == "asked":
            life.started_at = life.started_at or at
        elif kind == "serving":
            life.served_at = life.served_at or at
    return lives


def _move_of(fleet: Fleet, outage: Outage) -> str:
    row = fleet.database.raw.execute(_MOVED_BY, (outage.before_instance_id, outage.after_instance_id)).fetchone()
    return NO_MOVE if row is None else f"{row[0]} {row[1]}"


def _seconds_after(since: datetime, began_at: datetime | None, ended_at: datetime | None) -> float:
    if began_at is None or ended_at is None:
        return 0.0
    return max(0.0, (ended_at - max(since, began_at)).total_seconds())


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
