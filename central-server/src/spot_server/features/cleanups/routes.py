"""Cleanup reports of daemons, and their history."""

from __future__ import annotations

from typing import Any

from spot_server.features.cleanups import service
from spot_server.features.cleanups.queries import Cleanup
from spot_server.features.cleanups.schemas import CleanupAnswer, CleanupReportSchema
from spot_server.http.auth import current_instance_id, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery, page_schema
from spot_server.paging import Page
from spot_server.words import TokenKind

daemon_blueprint = Blueprint("cleanup_reports", __name__, url_prefix="/api/agents/<agent_id>", description="Cleanup reports.")
protect(daemon_blueprint, TokenKind.AGENT)

client_blueprint = Blueprint("cleanups", __name__, url_prefix="/api/client/<client_id>", description="What was cleaned up.")
protect(client_blueprint, TokenKind.CLIENT)


@daemon_blueprint.route("/cleanup-report", methods=["POST"])
@daemon_blueprint.arguments(CleanupReportSchema)
@daemon_blueprint.response(202, CleanupAnswer)
def cleanup_report(body: dict[str, Any], agent_id: str) -> Cleanup:
    """Take a cleanup report in."""
    instance_id = current_instance_id()
    return current_context().database.write(lambda tx: service.record_cleanup(tx, agent_id, instance_id, **body))


@client_blueprint.route("/cleanup-history", methods=["GET"])
@client_blueprint.arguments(PageQuery, location="query")
@client_blueprint.response(200, page_schema(CleanupAnswer))
def cleanup_history(query: dict[str, Any], client_id: str) -> Page[Cleanup]:
    """List what was cleaned up, newest first."""
    return current_context().database.read(lambda tx: service.list_history(tx, client_id, **query))
