"""Reading and writing cleanup reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, insert, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import cleanup_logs


@dataclass(frozen=True, slots=True)
class Cleanup:
    """One daemon's report. Each item is {"kind": image or snapshot, "id", "reason"}."""

    agent_id: str
    request_id: str
    client_id: str
    instance_id: str
    received_at: datetime
    deleted: list[dict[str, str]]
    kept: list[dict[str, str]]
    failed: list[dict[str, str]]


_COLUMNS = [cleanup_logs.c[name] for name in Cleanup.__dataclass_fields__]


def find_cleanup(tx: Transaction, agent_id: str, request_id: str) -> Cleanup | None:
    """Return the report that an earlier identical request stored, or None."""
    where = (cleanup_logs.c.agent_id == agent_id, cleanup_logs.c.request_id == request_id)
    row = tx.execute(select(*_COLUMNS).where(*where)).one_or_none()
    return None if row is None else Cleanup(**row._asdict())


def insert_cleanup(tx: Transaction, cleanup: Cleanup) -> None:
    """Store a report."""
    tx.execute(insert(cleanup_logs).values({name: getattr(cleanup, name) for name in Cleanup.__dataclass_fields__}))


def list_cleanups(tx: Transaction, client_id: str, *, before: tuple[datetime, str] | None, limit: int) -> list[Cleanup]:
    """Return up to `limit` of the client's reports, newest first; `before` is the position of the last one seen."""
    table = cleanup_logs
    statement = select(*_COLUMNS).where(table.c.client_id == client_id)
    if before is not None:
        moment, request_id = before
        same_moment = and_(table.c.received_at == moment, table.c.request_id < request_id)
        statement = statement.where(or_(table.c.received_at < moment, same_moment))
    ordered = statement.order_by(table.c.received_at.desc(), table.c.request_id.desc()).limit(limit)
    return [Cleanup(**row._asdict()) for row in tx.execute(ordered)]
