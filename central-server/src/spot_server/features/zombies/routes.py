"""ZOMBIEs of all clients, for admins."""

from __future__ import annotations

from typing import Any

from spot_server.features.zombies import service
from spot_server.features.zombies.queries import Zombie
from spot_server.features.zombies.schemas import EndedZombiesAnswer, EndZombiesSchema, ZombiePage, ZombiesQuery
from spot_server.features.zombies.service import EndedZombie, ZombieName
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.paging import Page
from spot_server.words import TokenKind

blueprint = Blueprint("zombies", __name__, url_prefix="/api/admin/zombies", description="Instances that no longer belong to their agent.")
protect(blueprint, TokenKind.ADMIN)


@blueprint.route("", methods=["GET"])
@blueprint.arguments(ZombiesQuery, location="query")
@blueprint.response(200, ZombiePage)
def list_all(query: dict[str, Any]) -> Page[Zombie]:
    """List instances of all clients that no longer belong to their agent and still exist, the longest left first."""
    return current_context().database.read(lambda tx: service.list_zombies(tx, **query))


@blueprint.route("/terminate", methods=["POST"])
@blueprint.arguments(EndZombiesSchema)
@blueprint.response(202, EndedZombiesAnswer)
def terminate(body: dict[str, Any]) -> dict[str, list[EndedZombie]]:
    """Have several ended, each answered for itself: what nothing else ends, carries our tags, and no traffic handle leads to."""
    names = [ZombieName(**name) for name in body["instances"]]
    asked = {"request_id": body["request_id"], "user_id": current_principal().user_id}
    return {"items": service.end_zombies(current_context().database, names, **asked)}
