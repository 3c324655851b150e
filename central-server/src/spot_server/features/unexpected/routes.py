"""Pages for unexpected instances: shown, approved, refused."""

from __future__ import annotations

from functools import partial
from typing import Any

from spot_server.features.unexpected import service
from spot_server.features.unexpected.queries import UnexpectedInstance
from spot_server.features.unexpected.schemas import UnexpectedInstanceAnswer, UnexpectedInstancePage, VerdictSchema
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery
from spot_server.paging import Page
from spot_server.words import TokenKind, Verdict

blueprint = Blueprint("unexpected_instances", __name__, url_prefix="/api/client/<client_id>", description="Instances that nobody expected")
protect(blueprint, TokenKind.CLIENT)


@blueprint.route("/unexpected-instances", methods=["GET"])
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, UnexpectedInstancePage)
def list_unexpected_instances(query: dict[str, Any], client_id: str) -> Page[UnexpectedInstance]:
    """List the instances that claimed to be an agent which lives elsewhere, the latest first."""
    return current_context().database.read(lambda tx: service.list_claims(tx, client_id, **query))


@blueprint.route("/agents/<agent_id>/unexpected-instances/<instance_id>/approve", methods=["POST"])
@blueprint.arguments(VerdictSchema)
@blueprint.response(200, UnexpectedInstanceAnswer)
def approve_unexpected_instance(body: dict[str, Any], client_id: str, agent_id: str, instance_id: str) -> UnexpectedInstance:
    """Let the instance in, as a standby: it serves only after a handover to it."""
    return _decide(client_id, agent_id, instance_id, Verdict.APPROVED, body["request_id"])


@blueprint.route("/agents/<agent_id>/unexpected-instances/<instance_id>/refuse", methods=["POST"])
@blueprint.arguments(VerdictSchema)
@blueprint.response(200, UnexpectedInstanceAnswer)
def refuse_unexpected_instance(body: dict[str, Any], client_id: str, agent_id: str, instance_id: str) -> UnexpectedInstance:
    """Turn the instance away; it goes on being refused, and may still be approved later."""
    return _decide(client_id, agent_id, instance_id, Verdict.REFUSED, body["request_id"])


def _decide(client_id: str, agent_id: str, instance_id: str, verdict: Verdict, request_id: str) -> UnexpectedInstance:
    act = partial(service.decide, verdict=verdict, request_id=request_id, user_id=current_principal().user_id)
    return current_context().database.write(lambda tx: act(tx, client_id, agent_id, instance_id))
