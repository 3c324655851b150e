"""Telling a client something, once."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import insert, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import notifications
from spot_server.db.upsert import insert_or_ignore
from spot_server.features.notifications import queries
from spot_server.words import Severity


def notify(
    tx: Transaction,
    *,
    client_id: str,
    agent_id: str | None,
    severity: Severity,
    kind: str,
    text: str,
    dedupe_key: str | None = None,
) -> bool:
    """Store a notification and emit `notification`; return False, and do neither, when `dedupe_key` (<= 255 characters) was used before."""
    notification_id = str(uuid4())
    row = {
        "notification_id": notification_id,
        "client_id": client_id,
        "agent_id": agent_id,
        "dedupe_key": dedupe_key,
        "severity": severity,
        "kind": kind,
        "text": text,
        "created_at": tx.now,
    }
    if dedupe_key is None:
        tx.execute(insert(notifications).values(row))
    else:
        insert_or_ignore(tx.connection, notifications, [row], key=["dedupe_key"])
        statement = select(notifications.c.notification_id).where(notifications.c.dedupe_key == dedupe_key)
        # The databases count "already there" differently, so whose row it is tells.
        if tx.execute(statement).scalar_one() != notification_id:
            return False
    data = {"notification_id": notification_id, "severity": severity, "kind": kind, "text": text}
    tx.emit("notification", client_id=client_id, agent_id=agent_id, data=data)
    return True


@dataclass(frozen=True, slots=True)
class Marked:
    """How many notifications were marked as read now, and how many are still unread."""

    marked_count: int
    unread_count: int


def mark_read(tx: Transaction, client_id: str, notification_ids: list[str] | None) -> Marked:
    """Mark notifications of the client as read, all of them for None; those of others and unknown ones are passed over."""
    marked_count = queries.mark_read(tx, client_id, notification_ids)
    return Marked(marked_count, queries.count_unread(tx, client_id))
