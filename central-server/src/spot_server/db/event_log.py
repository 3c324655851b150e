"""The event log. Its sequence follows commit order: an auto-increment would let a reader past 10 miss a 9 committed later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from spot_server.db.tables import event_cursors, events


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has no number yet."""

    client_id: str
    kind: str
    agent_id: str | None
    instance_id: str | None
    data: dict[str, Any]


def append_events(connection: Connection, new_events: Sequence[NewEvent], now: datetime) -> None:
    """Number and store `new_events`, as the last thing before the commit.

    The UPDATE takes the client's cursor row and holds it until the commit, so the next number is given only after this one is visible.
    Clients are taken in a fixed order, so that two transactions with several clients cannot deadlock here.
    """
    for client_id in sorted({event.client_id for event in new_events}):
        batch = [event for event in new_events if event.client_id == client_id]
        connection.execute(
            update(event_cursors)
            .where(event_cursors.c.client_id == client_id)
            .values(last_sequence=event_cursors.c.last_sequence + len(batch))
        )
        last: int = connection.execute(select(event_cursors.c.last_sequence).where(event_cursors.c.client_id == client_id)).scalar_one()
        first = last - len(batch) + 1
        connection.execute(
            insert(events),
            [
                {
                    "client_id": client_id,
                    "sequence": first + offset,
                    "at": now,
                    "kind": event.kind,
                    "agent_id": event.agent_id,
                    "instance_id": event.instance_id,
                    "data": event.data,
                }
                for offset, event in enumerate(batch)
            ],
        )
