"""A client's instances."""

from __future__ import annotations

from typing import Any

from spot_server.features.instances.queries import Instance, list_instances_of_client
from spot_server.features.instances.schemas import InstancePage, InstancesQuery
from spot_server.http.auth import protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import TokenKind

blueprint = Blueprint("instances", __name__, url_prefix="/api/client/<client_id>/instances", description="A client's instances.")
protect(blueprint, TokenKind.CLIENT)


@blueprint.route("", methods=["GET"])
@blueprint.arguments(InstancesQuery, location="query")
@blueprint.response(200, InstancePage)
def list_instances(query: dict[str, Any], client_id: str) -> Page[Instance]:
    """List all instances that ever served, serve or will serve an agent of the client, oldest registration first."""
    after = read_moment_cursor(query["cursor"])
    chosen = {"agent_id": query["agent_id"], "role": query["role"], "most": query["limit"] + 1}
    rows = current_context().database.read(lambda tx: list_instances_of_client(tx, client_id, after=after, **chosen))
    return page_of(rows, limit=query["limit"], position=lambda row: moment_position(row.registered_at, row.instance_id))
