"""Which channels told of an interruption, and when: the first one acts, the others confirm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import interruption_sightings
from spot_server.features.interruptions import queries
from spot_server.features.interruptions.queries import InterruptionEvent
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.rules import KnownNotice, choose_confirmed
from spot_server.words import NoticeChannel


@dataclass(frozen=True, slots=True)
class Sighting:
    """One channel's first word about an event. `announced_at` is EC2's own time of it, where the channel says so."""

    event_id: str
    channel: NoticeChannel
    first_seen_at: datetime
    announced_at: datetime | None

    @property
    def delay_seconds(self) -> float | None:
        """How long after EC2's announcement the channel told; None when it does not say when that was."""
        return None if self.announced_at is None else round((self.first_seen_at - self.announced_at).total_seconds(), 3)


_COLUMNS = [interruption_sightings.c[name] for name in Sighting.__dataclass_fields__]


def find_same(tx: Transaction, agent_id: str, report: Report) -> InterruptionEvent | None:
    """Return the event that an earlier report of the same notice made, by this channel or by another, or None.

    The caller holds the agent's row, so that two channels that tell at once make one event.
    """
    event_id = find_told(tx, agent_id, report.notice_id)
    if event_id is not None:
        return queries.find_event(tx, event_id)
    events = {event.event_id: event for event in queries.events_of_instance(tx, agent_id, report.instance_id)}
    sightings = list_sightings(tx, events)
    known = [
        KnownNotice(
            event.event_id, event.kind, event.action_at, event.detected_at, frozenset(one.channel for one in sightings[event.event_id])
        )
        for event in events.values()
    ]
    confirmed = choose_confirmed(known, report.kind, report.channel, end_at=report.end_at, detected_at=report.detected_at)
    return None if confirmed is None else events[confirmed.event_id]


def find_told(tx: Transaction, agent_id: str, notice_id: str) -> str | None:
    """Return the id of the event that some channel told of under this name, or None."""
    table = interruption_sightings
    statement = select(table.c.event_id).where(table.c.agent_id == agent_id, table.c.notice_id == notice_id)
    return tx.execute(statement.limit(1)).scalar_one_or_none()


def list_names(tx: Transaction, event_id: str) -> list[str]:
    """Return the names under which channels told of the event."""
    table = interruption_sightings
    return list(tx.execute(select(table.c.notice_id).where(table.c.event_id == event_id)).scalars())


def note_sighting(tx: Transaction, event: InterruptionEvent, report: Report) -> bool:
    """Record when the report's channel first told of the event; return False when it had before. The caller holds the agent's row."""
    if any(one.channel is report.channel for one in list_sightings(tx, [event.event_id])[event.event_id]):
        return False
    values = {
        "event_id": event.event_id,
        "channel": report.channel,
        "agent_id": event.agent_id,
        "notice_id": report.notice_id,
        "announced_at": report.announced_at,
        "first_seen_at": tx.now,
    }
    tx.execute(insert(interruption_sightings).values(values))
    return True


def list_sightings(tx: Transaction, event_ids: Collection[str]) -> defaultdict[str, list[Sighting]]:
    """Return what the channels told of these events, by event, the first one first."""
    found: defaultdict[str, list[Sighting]] = defaultdict(list)
    table = interruption_sightings
    rows = tx.execute(select(*_COLUMNS).where(table.c.event_id.in_(event_ids)).order_by(table.c.first_seen_at, table.c.channel))
    for row in rows:
        found[row.event_id].append(Sighting(**row._asdict()))
    return found
