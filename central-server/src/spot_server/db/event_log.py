"""The event log. Its sequence follows commit order: an auto-increment would let a reader past 10 miss a 9 committed later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from spot_server.db.tables import event_cursors, events


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has no number yet."""

    client_id: str
    kind: str
    agent_id: str | None
    instance_id: str | None
    data: dict[str, Any]


_IS_CURSOR = event_cursors.c.client_id == bindparam("this_client_id")
_ADVANCE = update(event_cursors).where(_IS_CURSOR).values(last_sequence=event_cursors.c.last_sequence + bindparam("added"))
_LAST = select(event_cursors.c.last_sequence).where(_IS_CURSOR)
_STORE = insert(events)


def append_events(connection: Connection, new_events: Sequence[NewEvent], now: datetime) -> None:
    """Number and store `new_events`, as the last thing before the commit.

    The UPDATE takes the client's cursor row and holds it until the commit, so the next number is given only after this one is visible.
    Clients are taken in a fixed order, so that two transactions with several clients cannot deadlock here.
    """
    for client_id in sorted({event.client_id for event in new_events}):
        batch = [event for event in new_events if event.client_id == client_id]
        connection.execute(_ADVANCE, {"this_client_id": client_id, "added": len(batch)})
        last: int = connection.execute(_LAST, {"this_client_id": client_id}).scalar_one()
        first = last - len(batch) + 1
        connection.execute(
            _STORE,
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
