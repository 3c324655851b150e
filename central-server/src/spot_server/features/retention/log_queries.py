"""Cutting the clients' event logs off at their beginning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Column, ScalarSelect, and_, delete, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import event_cursors, events
from spot_server.features.retention.rules import LogEntry, prunable_ends

T = TypeVar("T")

MOST_CLIENTS = 50
"""Of how many clients one batch cuts the logs: each is one range of the primary key in the statement."""

LogEnd = tuple[str, int]
"""A client, and the number up to which its log is cut off."""


def find_log_ends(tx: Transaction, before: datetime, most: int) -> list[LogEnd]:
    """Return which logs to cut off and where, at most about `most` events in all."""
    # From the few cursors to the first event of each by the primary key; as a join, SQLite would begin with the events.
    oldest = (
        select(event_cursors.c.client_id, _of_first_event(events.c.sequence).label("sequence"))
        .where(_of_first_event(events.c.at) < before)
        .limit(min(MOST_CLIENTS, most))
    )
    begins = tx.execute(oldest).all()
    if not begins:
        return []
    share = most // len(begins)
    ranges = [and_(events.c.client_id == row.client_id, events.c.sequence < row.sequence + share) for row in begins]
    places = select(events.c.client_id, events.c.sequence, events.c.at).where(or_(*ranges))
    beginnings = places.order_by(events.c.client_id, events.c.sequence)
    entries = [LogEntry(row.client_id, row.sequence, row.at) for row in tx.execute(beginnings)]
    return list(prunable_ends(entries, before).items())


def _of_first_event(column: Column[T]) -> ScalarSelect[T]:
    of_client = select(column).where(events.c.client_id == event_cursors.c.client_id)
    return of_client.order_by(events.c.sequence).limit(1).scalar_subquery()


def delete_log_ends(tx: Transaction, ends: Sequence[LogEnd]) -> int:
    """Delete the events up to these numbers; return how many there were."""
    ranges = [and_(events.c.client_id == client_id, events.c.sequence <= end) for client_id, end in ends]
    return tx.execute(delete(events).where(or_(*ranges))).rowcount
