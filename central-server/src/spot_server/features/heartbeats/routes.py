"""Heartbeats."""

from __future__ import annotations

from spot_server.features.heartbeats import service
from spot_server.features.heartbeats.schemas import HeartbeatAnswerSchema, HeartbeatSchema
from spot_server.features.heartbeats.service import Heartbeat, HeartbeatAnswer
from spot_server.features.instances.rules import require_own_instance
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.words import TokenKind

blueprint = Blueprint("heartbeats", __name__, url_prefix="/api/agents", description="What daemons see now")
protect(blueprint, TokenKind.AGENT)


@blueprint.route("/<agent_id>/heartbeat", methods=["POST"])
@blueprint.arguments(HeartbeatSchema)
@blueprint.response(200, HeartbeatAnswerSchema)
def record_heartbeat(said: tuple[str, Heartbeat], agent_id: str) -> HeartbeatAnswer:
    """Store what the daemon sees and tell it whether anything waits for it."""
    instance_id, heartbeat = said
    require_own_instance(instance_id, current_principal().instance_id)
    context = current_context()
    with context.report_turn():
        return context.database.write(lambda tx: service.record_heartbeat(tx, agent_id, instance_id, heartbeat))
