"""The page on which a successor tells of its claim."""

from __future__ import annotations

from typing import Any

from spot_server.features.autonomy import service
from spot_server.features.autonomy.rules import Claim
from spot_server.features.autonomy.schemas import ClaimAnswerSchema, ClaimSchema
from spot_server.features.autonomy.service import ClaimAnswer, ClaimReport
from spot_server.http.auth import current_instance_id, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.words import TokenKind

daemon_blueprint = Blueprint("autonomy", __name__, url_prefix="/api/agents/<agent_id>", description="What daemons did without the server")
protect(daemon_blueprint, TokenKind.AGENT)


@daemon_blueprint.route("/replicas/<replica_id>/promote", methods=["POST"])
@daemon_blueprint.arguments(ClaimSchema)
@daemon_blueprint.response(200, ClaimAnswerSchema)
def tell_claim(body: dict[str, Any], agent_id: str, replica_id: str) -> ClaimAnswer:
    """Take a successor's word that it claimed the address of its plan and is the primary; 409 `claim-refused`: it must step down."""
    claim = Claim(body["plan_id"], current_instance_id(), replica_id, body["epoch"], body["allocation_id"])
    report = ClaimReport(claim, claimed_at=body["claimed_at"], handed_over_at=body["handed_over_at"])
    return current_context().database.write(lambda tx: service.adopt_claim(tx, agent_id, report))
