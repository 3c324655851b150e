"""What happened in a run, without the names that were drawn for it: so that two runs of one schedule can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spot_simulator.virtual.fleet import START, Fleet

_STEPS = (
    "SELECT p.finished_at, a.logical_agent_id, s.trigger, p.name, p.part, p.status, p.attempt FROM switch_steps p"
    " JOIN switches s ON s.switch_id = p.switch_id JOIN agents a ON a.agent_id = s.agent_id WHERE p.finished_at IS NOT NULL"
)
_COMMANDS = "SELECT c.issued_at, a.logical_agent_id, c.kind, c.actor, c.status FROM commands c JOIN agents a ON a.agent_id = c.agent_id"


@dataclass(frozen=True, slots=True, order=True)
class Happening:
    """One thing that happened, `at_seconds` after the start."""

    what: str
    at_seconds: float


def history_of(fleet: Fleet) -> tuple[Happening, ...]:
    """Return what EC2 did and was asked to do, every step of every move that is settled, and every command; sorted."""
    of_ec2 = [
        Happening(
            " ".join(str(part) for part in (kind, *(facts[name] for name in ("action", "outcome", "service", "why") if name in facts))),
            seconds,
        )
        for at, kind, facts in fleet.region.log.entries
        for seconds in ((at - START).total_seconds(),)
    ]
    rows = [row for question in (_STEPS, _COMMANDS) for row in fleet.database.raw.execute(question).fetchall()]
    return tuple(sorted([*of_ec2, *(Happening(" ".join(map(str, what)), _seconds(at)) for at, *what in rows)]))


def _seconds(moment: str) -> float:
    return (datetime.fromisoformat(moment).replace(tzinfo=START.tzinfo) - START).total_seconds()
