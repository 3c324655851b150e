"""Taking cleanup reports in, once each."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.errors import RequestIdReused
from spot_server.features.agents.queries import load_agent
from spot_server.features.cleanups import queries
from spot_server.features.cleanups.queries import Cleanup
from spot_server.features.replicas.image_queries import mark_deregistered
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor

Items = list[dict[str, str]]


def record_cleanup(
    tx: Transaction, agent_id: str, instance_id: str, *, request_id: str, deleted: Items, kept: Items, failed: Items
) -> Cleanup:
    """Store a report, and note which images are gone; the same report again returns the first one.

    Raises RequestIdReused for another report under the same request_id.
    """
    agent = load_agent(tx, agent_id, for_update=True)
    earlier = queries.find_cleanup(tx, agent_id, request_id)
    if earlier is not None:
        if earlier.deleted != deleted:
            raise RequestIdReused(f"request_id {request_id!r} already reported another cleanup", request_id=request_id)
        return earlier
    cleanup = Cleanup(agent_id, request_id, agent.client_id, instance_id, tx.now, deleted, kept, failed)
    queries.insert_cleanup(tx, cleanup)
    mark_deregistered(tx, agent_id, [item["id"] for item in deleted if item["kind"] == "image"])
    data = {"deleted": len(deleted), "kept": len(kept), "failed": len(failed)}
    tx.emit("cleaned_up", client_id=agent.client_id, agent_id=agent_id, instance_id=instance_id, data=data)
    return cleanup


def list_history(tx: Transaction, client_id: str, *, limit: int, cursor: str | None) -> Page[Cleanup]:
    """Return the client's reports, newest first."""
    rows = queries.list_cleanups(tx, client_id, before=read_moment_cursor(cursor), limit=limit + 1)
    return page_of(rows, limit=limit, position=lambda row: moment_position(row.received_at, row.request_id))
