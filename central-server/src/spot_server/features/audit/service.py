"""Writing the audit log. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert

from spot_server.db.runner import Transaction
from spot_server.db.tables import audit_logs


def record(  # noqa: PLR0913 - an audit row has this many sides, and each caller must think of every one
    tx: Transaction,
    *,
    client_id: str,
    agent_id: str | None,
    instance_id: str | None,
    user_id: str,
    action: str,
    reason: str,
    pre_state: Mapping[str, Any] | None,
    post_state: Mapping[str, Any] | None,
    request_id: str | None = None,
) -> None:
    """Add one row. `user_id` is the label of the token or the name of the job that acted; states are JSON, before and after."""
    tx.execute(
        insert(audit_logs).values(
            client_id=client_id,
            agent_id=agent_id,
            instance_id=instance_id,
            at=tx.now,
            user_id=user_id,
            action=action,
            reason=reason,
            request_id=request_id,
            pre_state=None if pre_state is None else dict(pre_state),
            post_state=None if post_state is None else dict(post_state),
        )
    )
