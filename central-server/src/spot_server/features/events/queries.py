"""Reading the event log. Its sequence follows the order of commits: who has seen N has seen all before N."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import event_cursors, events


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, with its number in the client's log."""

    sequence: int
    at: datetime
    kind: str
    agent_id: str | None
    instance_id: str | None
    data: dict[str, Any]


_COLUMNS = [events.c[name] for name in Event.__dataclass_fields__]


def events_after(tx: Transaction, client_id: str, after_sequence: int, *, most: int) -> list[Event]:
    """Return up to `most` of the client's events with a greater number, in order."""
    statement = select(*_COLUMNS).where(events.c.client_id == client_id, events.c.sequence > after_sequence)
    return [Event(**row._asdict()) for row in tx.execute(statement.order_by(events.c.sequence).limit(most))]


def events_of_agent(tx: Transaction, agent_id: str, *, before_sequence: int | None, most: int) -> list[Event]:
    """Return up to `most` of one agent's events, newest first, those with a smaller number than `before_sequence`."""
    statement = select(*_COLUMNS).where(events.c.agent_id == agent_id)
    if before_sequence is not None:
        statement = statement.where(events.c.sequence < before_sequence)
    return [Event(**row._asdict()) for row in tx.execute(statement.order_by(events.c.sequence.desc()).limit(most))]


def oldest_sequence(tx: Transaction, client_id: str) -> int | None:
    """Return the number of the client's oldest event that is kept; None when none is."""
    oldest: int | None = tx.execute(select(func.min(events.c.sequence)).where(events.c.client_id == client_id)).scalar_one()
    return oldest


def last_sequence(tx: Transaction, client_id: str) -> int:
    """Return the number of the client's latest event; 0 when nothing ever happened."""
    statement = select(event_cursors.c.last_sequence).where(event_cursors.c.client_id == client_id)
    return int(tx.execute(statement).scalar_one_or_none() or 0)


_LAST_SEQUENCES = select(event_cursors.c.client_id, event_cursors.c.last_sequence)


def last_sequences(tx: Transaction) -> dict[str, int]:
    """Return the number of the latest event of every client."""
    return {row.client_id: row.last_sequence for row in tx.execute(_LAST_SEQUENCES)}
