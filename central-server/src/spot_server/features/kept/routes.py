"""Pages for instances that nothing ends: shown, and ended by a person."""

from __future__ import annotations

from typing import Any

from spot_server.features.instances.queries import Instance
from spot_server.features.instances.schemas import InstanceAnswer
from spot_server.features.kept import service
from spot_server.features.kept.schemas import EndInstanceSchema, KeptInstancePage
from spot_server.features.kept.service import Shown
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery
from spot_server.paging import Page
from spot_server.words import TokenKind

blueprint = Blueprint("kept_instances", __name__, url_prefix="/api/client/<client_id>", description="Instances that nothing ends")
protect(blueprint, TokenKind.CLIENT)


@blueprint.route("/kept-instances", methods=["GET"])
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, KeptInstancePage)
def list_kept_instances(query: dict[str, Any], client_id: str) -> Page[Shown]:
    """List the instances that moves left and nothing ends, with what each costs a day, oldest registration first."""
    return current_context().database.read(lambda tx: service.list_kept(tx, client_id, **query))


@blueprint.route("/agents/<agent_id>/instances/<instance_id>/terminate", methods=["POST"])
@blueprint.arguments(EndInstanceSchema)
@blueprint.response(202, InstanceAnswer)
def end_instance(body: dict[str, Any], client_id: str, agent_id: str, instance_id: str) -> Instance:
    """End an instance that nothing ends by itself: only one that carries our tags and that no traffic handle leads to."""
    asked = {"request_id": body["request_id"], "user_id": current_principal().user_id}
    return current_context().database.write(lambda tx: service.request_end(tx, client_id, agent_id, instance_id, **asked))
