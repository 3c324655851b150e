"""Reading notifications."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import notifications
from spot_server.words import Severity


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that a client must be told."""

    notification_id: str
    agent_id: str | None
    severity: Severity
    kind: str
    text: str
    created_at: datetime
    read_at: datetime | None


_COLUMNS = [notifications.c[name] for name in Notification.__dataclass_fields__]


def is_told(tx: Transaction, dedupe_key: str) -> bool:
    """Tell whether a notification was stored under this key."""
    return tx.execute(select(notifications.c.notification_id).where(notifications.c.dedupe_key == dedupe_key)).first() is not None


def list_notifications(
    tx: Transaction,
    client_id: str,
    *,
    before: tuple[datetime, str] | None,
    most: int,
    is_unread: bool | None = None,
    agent_id: str | None = None,
) -> list[Notification]:
    """Return up to `most` of the client's notifications, newest first, from before (created_at, notification_id) on."""
    table = notifications
    statement = select(*_COLUMNS).where(table.c.client_id == client_id)
    if agent_id is not None:
        statement = statement.where(table.c.agent_id == agent_id)
    if is_unread is not None:
        statement = statement.where(table.c.read_at.is_(None) if is_unread else table.c.read_at.is_not(None))
    if before is not None:
        created_at, notification_id = before
        is_same = (table.c.created_at == created_at) & (table.c.notification_id < notification_id)
        statement = statement.where(or_(table.c.created_at < created_at, is_same))
    rows = tx.execute(statement.order_by(table.c.created_at.desc(), table.c.notification_id.desc()).limit(most))
    return [Notification(**row._asdict()) for row in rows]


def count_unread(tx: Transaction, client_id: str) -> int:
    """Return how many of the client's notifications nobody has read."""
    table = notifications
    statement = select(func.count()).where(table.c.client_id == client_id, table.c.read_at.is_(None))
    return int(tx.execute(statement).scalar_one())


def mark_read(tx: Transaction, client_id: str, notification_ids: list[str] | None) -> int:
    """Mark the client's unread notifications, all or those named, as read now; return how many."""
    table = notifications
    statement = update(table).where(table.c.client_id == client_id, table.c.read_at.is_(None))
    if notification_ids is not None:
        statement = statement.where(table.c.notification_id.in_(notification_ids))
    return tx.execute(statement.values(read_at=tx.now)).rowcount
