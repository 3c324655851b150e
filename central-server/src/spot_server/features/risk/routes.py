"""Pages for the risk of pools: a client's, with its own inputs, and an admin's."""

from __future__ import annotations

from typing import Any

from spot_server.features.risk import service
from spot_server.features.risk.schemas import AdminPoolRiskPage, PoolRisksAnswer, show_for_admin, show_risks
from spot_server.http.auth import protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery
from spot_server.paging import Page
from spot_server.words import TokenKind

client_blueprint = Blueprint(
    "pool_risks", __name__, url_prefix="/api/client/<client_id>", description="How likely pools are to lose instances"
)
protect(client_blueprint, TokenKind.CLIENT)

admin_blueprint = Blueprint("all_pool_risks", __name__, url_prefix="/api/admin", description="How likely pools are to lose instances")
protect(admin_blueprint, TokenKind.ADMIN)


@client_blueprint.route("/agents/<agent_id>/pool-risks", methods=["GET"])
@client_blueprint.response(200, PoolRisksAnswer)
def list_pool_risks(client_id: str, agent_id: str) -> dict[str, Any]:
    """Return the chance of loss in every pool that the agent may use, with what it was computed of, and the age of that."""
    shown = current_context().database.read(lambda tx: service.list_for_agent(tx, client_id, agent_id))
    return show_risks(agent_id, shown)


@admin_blueprint.route("/pool-risks", methods=["GET"])
@admin_blueprint.arguments(PageQuery, location="query")
@admin_blueprint.response(200, AdminPoolRiskPage)
def list_all_pool_risks(query: dict[str, Any]) -> Page[dict[str, Any]]:
    """List every pool's risk, with what all clients' instances went into it."""
    context = current_context()
    page = context.database.read(lambda tx: service.list_all(tx, **query))
    return Page([show_for_admin(risk, context.clock.now()) for risk in page.items], page.next_cursor)
