"""Pages about clients: for admins to make and list them, for clients to see who they are."""

from __future__ import annotations

from typing import Any

from spot_server.features.clients import service
from spot_server.features.clients.queries import Client, list_clients
from spot_server.features.clients.schemas import ClientAnswer, ClientPage, NewClientSchema, WhoAnswer
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery
from spot_server.paging import Page, page_of, read_cursor
from spot_server.words import TokenKind

blueprint = Blueprint("clients", __name__, url_prefix="/api/admin/clients", description="Tenants.")
protect(blueprint, TokenKind.ADMIN)

who_blueprint = Blueprint("who", __name__, url_prefix="/api/client", description="Who the caller is.")
protect(who_blueprint, TokenKind.CLIENT)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(NewClientSchema)
@blueprint.response(201, ClientAnswer)
def create(body: service.NewClient) -> Client:
    """Make a client."""
    return current_context().database.write(lambda tx: service.create_client(tx, body))


@blueprint.route("", methods=["GET"])
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, ClientPage)
def list_all(query: dict[str, Any]) -> Page[Client]:
    """List clients by name."""
    after = read_cursor(query["cursor"], str) or [""]
    rows = current_context().database.read(lambda tx: list_clients(tx, after_name=after[0], most=query["limit"] + 1))
    return page_of(rows, limit=query["limit"], position=lambda client: (client.name,))


@who_blueprint.route("/validate", methods=["GET"])
@who_blueprint.response(200, WhoAnswer)
def validate() -> dict[str, Any]:
    """Tell who the caller is: for a sign-in page and for scripts."""
    who = current_principal()
    client = None
    if who.client_id is not None:
        client_id = who.client_id
        client = current_context().database.read(lambda tx: service.load_client(tx, client_id))
    return {
        "kind": who.kind,
        "label": who.label,
        "token_id": who.token_id,
        "expires_at": who.expires_at,
        "client_id": who.client_id,
        "client_name": client and client.name,
        "time_zone": client and client.time_zone,
    }
