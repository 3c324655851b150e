"""The audit log, to be read."""

from __future__ import annotations

from typing import Any

from spot_server.features.audit.queries import AuditRow, list_audit
from spot_server.features.audit.schemas import AuditPage, AuditQuery
from spot_server.http.auth import protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.paging import Page, page_of, read_cursor
from spot_server.words import TokenKind

blueprint = Blueprint("audit", __name__, url_prefix="/api/client/<client_id>/audit", description="Who changed what, and why.")
protect(blueprint, TokenKind.CLIENT)


@blueprint.route("", methods=["GET"])
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, AuditPage)
def list_rows(query: dict[str, Any], client_id: str) -> Page[AuditRow]:
    """List the audit log, newest first."""
    (before,) = read_cursor(query["cursor"], int) or [None]
    chosen = {"agent_id": query["agent_id"], "most": query["limit"] + 1}
    rows = current_context().database.read(lambda tx: list_audit(tx, client_id, before_audit_id=before, **chosen))
    return page_of(rows, limit=query["limit"], position=lambda row: (row.audit_id,))
