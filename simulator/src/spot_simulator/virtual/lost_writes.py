"""Writes that were acknowledged and are nowhere in the end: which of them a move is known to have lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from spot_server.words import StepName, StepStatus
from spot_simulator.memory.truth import Truth
from spot_simulator.virtual.database import moment_of
from spot_simulator.virtual.fleet import Fleet, Member
from spot_simulator.virtual.schedule import CARRY_BY_VOLUME

CARRY_NOTHING = "stateless"
SLACK_SECONDS = 2.0
"""A moment in the rows is read a little before or after what it is the moment of."""
_LOSING = f"""
    SELECT s.switch_id, s.loses_writes_since, s.completed_at, p.status, p.finished_at FROM switches s
    JOIN agents a ON a.agent_id = s.agent_id JOIN switch_steps p ON p.switch_id = s.switch_id
    WHERE a.logical_agent_id = ? AND s.loses_writes_since IS NOT NULL AND p.name = '{StepName.PROMOTE.value}' AND p.finished_at IS NOT NULL
"""  # noqa: S608 - our own words
_TOLD = "SELECT 1 FROM notifications WHERE kind = 'writes_lost' AND instr(text, ?)"


class LostWrites:
    """Looks at what the disks hold; what a move says that it loses is in the server's rows."""

    def __init__(self, fleet: Fleet, truth: Truth) -> None:
        """Look at this fleet."""
        self._fleet, self._truth = fleet, truth

    def look(self, member: Member) -> Iterator[tuple[str, str]]:
        """Give what was acknowledged to clients of an agent that carries state, is not where it is served, and is not known to be lost."""
        traffic = self._fleet.region.traffic
        for front in member.fronts:
            acceptor = traffic.acceptor_behind(front)
            if member.plan.carry == CARRY_NOTHING or acceptor is None:
                continue
            lost = traffic.lost(front, self._truth.held(acceptor.instance_id, front))
            for since, until in self._known_losses(member) if lost else ():
                lost = lost.minus(traffic.sent_between(front, since, until))
            if lost:
                of_moments = f"the first of {traffic.sent_at(front, next(iter(lost))):%H:%M:%S}"
                text = f"{len(lost)} acknowledged writes are not at {acceptor.instance_id}, and no move says so ({of_moments})"
                yield "no-confirmed-write-is-lost", f"{member.name} ({member.plan.carry}): {text}"

    def _known_losses(self, member: Member) -> list[tuple[datetime, datetime]]:
        """Return from when until when writes are known to be lost, by moves that took effect.

        A move loses what was written between the moment whose state it brought and its promotion; one that is taken back, what its new
        side acknowledged between its promotion and the end of the way back. With data volumes a person must have been told besides.
        """
        slack = timedelta(seconds=SLACK_SECONDS + self._fleet.server.widest_skew_seconds)
        raw, found = self._fleet.database.raw, []
        for switch_id, since, completed_at, status, promoted_at in raw.execute(_LOSING, (member.name,)).fetchall():
            is_there = status == StepStatus.DONE
            if not is_there and since < promoted_at:
                continue  # what it would have lost by going forward it did not
            until = moment_of(promoted_at) if is_there else self._fleet.scheduler.now() if completed_at is None else moment_of(completed_at)
            if member.plan.carry != CARRY_BY_VOLUME or raw.execute(_TOLD, (switch_id,)).fetchone():
                found.append((moment_of(since) - slack, until + slack))
        return found
