"""Remembering requests, for the pages whose writes leave no row that a repeat could be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agent_requests
from spot_server.errors import RequestIdReused
from spot_server.features.requests.rules import request_digest


def is_repeated(tx: Transaction, agent_id: str, request_id: str | None, *, page: str, body: Mapping[str, Any]) -> bool:
    """Tell whether this very request was taken before; the first time it is remembered, in the caller's transaction.

    The caller holds the agent's row, so that two at once come here one after the other. Without a `request_id` nothing is a repeat.
    Raises RequestIdReused for another body, or another page, under the same id.
    """
    if request_id is None:
        return False
    digest = request_digest(page, body)
    table = agent_requests
    known = tx.execute(select(table.c.request_sha256).where(table.c.agent_id == agent_id, table.c.request_id == request_id))
    earlier = known.scalar_one_or_none()
    if earlier is None:
        row = {"agent_id": agent_id, "request_id": request_id, "request_sha256": digest, "received_at": tx.now}
        tx.execute(insert(table).values(row))
        return False
    if earlier != digest:
        said = f"request_id {request_id!r} asked for something else before; a new request needs a new one"
        raise RequestIdReused(said, field="request_id", value=request_id)
    return True
