"""Reading the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from spot_server.db.runner import Transaction
from spot_server.db.tables import audit_logs


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who changed what, when, why, before and after."""

    audit_id: int
    agent_id: str | None
    instance_id: str | None
    at: datetime
    user_id: str
    action: str
    reason: str
    request_id: str | None
    pre_state: dict[str, Any] | None
    post_state: dict[str, Any] | None


_COLUMNS = [audit_logs.c[name] for name in AuditRow.__dataclass_fields__]


def list_audit(tx: Transaction, client_id: str, *, before_audit_id: int | None, most: int, agent_id: str | None = None) -> list[AuditRow]:
    """Return up to `most` of the client's rows, newest first, those with a smaller id than `before_audit_id`."""
    statement = select(*_COLUMNS).where(audit_logs.c.client_id == client_id)
    if agent_id is not None:
        statement = statement.where(audit_logs.c.agent_id == agent_id)
    if before_audit_id is not None:
        statement = statement.where(audit_logs.c.audit_id < before_audit_id)
    rows = tx.execute(statement.order_by(audit_logs.c.audit_id.desc()).limit(most))
    return [AuditRow(**row._asdict()) for row in rows]
