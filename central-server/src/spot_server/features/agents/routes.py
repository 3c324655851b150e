"""A client's agents: listed, looked at, deleted."""

from __future__ import annotations

from typing import Any

from spot_server.features.agents import service
from spot_server.features.agents.overviews import AgentOverview, list_overviews
from spot_server.features.agents.queries import Agent
from spot_server.features.agents.schemas import AgentDetailAnswer, AgentPage, DeletedAnswer, DeletionQuery, HistoryQuery
from spot_server.features.agents.service import AgentDetail
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import TokenKind

blueprint = Blueprint("agents", __name__, url_prefix="/api/client/<client_id>/agents", description="A client's agents")
protect(blueprint, TokenKind.CLIENT)


@blueprint.route("", methods=["GET"])
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, AgentPage)
def list_agents(query: dict[str, Any], client_id: str) -> Page[AgentOverview]:
    """List the agents that live, oldest first."""
    return _page(client_id, query, with_deleted=False)


@blueprint.route("/history", methods=["GET"])
@blueprint.arguments(HistoryQuery, location="query")
@blueprint.response(200, AgentPage)
def list_history(query: dict[str, Any], client_id: str) -> Page[AgentOverview]:
    """List all agents that ever were, deleted ones too."""
    return _page(client_id, query, with_deleted=True)


@blueprint.route("/<agent_id>", methods=["GET"])
@blueprint.response(200, AgentDetailAnswer)
def get_agent(client_id: str, agent_id: str) -> AgentDetail:
    """Return one agent with its settings and instances, deleted or not."""
    return current_context().database.read(lambda tx: service.read_agent(tx, client_id, agent_id))


@blueprint.route("/<agent_id>", methods=["DELETE"])
@blueprint.arguments(DeletionQuery, location="query")
@blueprint.response(200, DeletedAnswer)
def delete_agent(query: dict[str, Any], client_id: str, agent_id: str) -> Agent:
    """Delete an agent: its replicas go, its primary keeps running and is released, its history stays."""
    by = current_principal().user_id
    return current_context().database.write(lambda tx: service.delete_agent(tx, client_id, agent_id, by=by, reason=query["reason"]))


def _page(client_id: str, query: dict[str, Any], *, with_deleted: bool) -> Page[AgentOverview]:
    after = read_moment_cursor(query["cursor"])
    rows = current_context().database.read(
        lambda tx: list_overviews(
            tx,
            client_id,
            after=after,
            most=query["limit"] + 1,
            logical_agent_id=query.get("logical_agent_id"),
            with_deleted=with_deleted,
        )
    )
    return page_of(rows, limit=query["limit"], position=lambda row: moment_position(row.agent.created_at, row.agent.agent_id))
