"""Pages for replicas: of daemons, and of people."""

from __future__ import annotations

from typing import Any

from flask import Response

from spot_server.features.replicas import reading, service
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.reading import ReplicaConfig
from spot_server.features.replicas.schemas import (
    PromotionRequestSchema,
    ReplicaAnswer,
    ReplicaConfigAnswer,
    ReplicaListAnswer,
    ReplicaRequestSchema,
    ReplicaStatusSchema,
    ReplicaUpdateSchema,
)
from spot_server.features.replicas.service import Progress
from spot_server.features.switches import presenting
from spot_server.features.switches import service as switches
from spot_server.features.switches.presenting import SwitchDetail
from spot_server.features.switches.promotions import Accepted
from spot_server.features.switches.schemas import PromotionPreviewAnswer, SwitchDetailAnswer
from spot_server.http.auth import current_instance_id, current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery, page_schema
from spot_server.paging import Page
from spot_server.words import TokenKind

daemon_blueprint = Blueprint("replicas", __name__, url_prefix="/api/agents/<agent_id>", description="Standbys, for daemons")
protect(daemon_blueprint, TokenKind.AGENT)

client_blueprint = Blueprint("client_replicas", __name__, url_prefix="/api/client/<client_id>", description="Standbys")
protect(client_blueprint, TokenKind.CLIENT)


@daemon_blueprint.route("/replicas", methods=["GET"])
@daemon_blueprint.response(200, ReplicaListAnswer)
def list_replicas(agent_id: str) -> dict[str, list[Replica]]:
    """List the agent's replicas that are live."""
    return {"replicas": current_context().database.read(lambda tx: reading.list_live(tx, agent_id))}


@daemon_blueprint.route("/replicas/<replica_id>", methods=["PUT"])
@daemon_blueprint.arguments(ReplicaUpdateSchema)
@daemon_blueprint.response(200, ReplicaAnswer)
def update_replica(body: dict[str, Any], agent_id: str, replica_id: str) -> Replica:
    """Take a daemon's word of which instance came of a launch."""
    reporter_id = current_instance_id()
    return current_context().database.write(lambda tx: service.record_instance(tx, agent_id, reporter_id, replica_id, **body))


@daemon_blueprint.route("/replicas/<replica_id>/status", methods=["POST"])
@daemon_blueprint.arguments(ReplicaStatusSchema)
@daemon_blueprint.response(200, ReplicaAnswer)
def report_status(body: dict[str, Any], agent_id: str, replica_id: str) -> Replica:
    """Take a replica's word of how far it is."""
    instance_id = current_instance_id()
    told = Progress(**body)
    return current_context().database.write(lambda tx: service.report_status(tx, agent_id, instance_id, replica_id, told))


@daemon_blueprint.route("/replica-config", methods=["GET"])
@daemon_blueprint.response(200, ReplicaConfigAnswer)
def replica_config(agent_id: str) -> ReplicaConfig:
    """Return what a replica must keep."""
    instance_id = current_instance_id()
    return current_context().database.read(lambda tx: reading.read_replica_config(tx, agent_id, instance_id))


@client_blueprint.route("/replicas", methods=["GET"])
@client_blueprint.arguments(PageQuery, location="query")
@client_blueprint.response(200, page_schema(ReplicaAnswer))
def list_client_replicas(query: dict[str, Any], client_id: str) -> Page[Replica]:
    """List the client's replicas, newest first, ended ones too."""
    return current_context().database.read(lambda tx: reading.list_of_client(tx, client_id, **query))


@client_blueprint.route("/agents/<agent_id>/replicas", methods=["POST"])
@client_blueprint.arguments(ReplicaRequestSchema)
@client_blueprint.response(202, ReplicaAnswer)
def request_replica(body: dict[str, Any], client_id: str, agent_id: str) -> Replica:
    """Make a standby."""
    asked = {"request_id": body["request_id"], "wish": body["target"], "user_id": current_principal().user_id}
    return current_context().database.write(lambda tx: service.request_replica(tx, client_id, agent_id, **asked))


@client_blueprint.route("/agents/<agent_id>/replicas/<replica_id>/promote", methods=["POST"])
@client_blueprint.arguments(PromotionRequestSchema)
@client_blueprint.response(202, SwitchDetailAnswer)
@client_blueprint.alt_response(200, schema=PromotionPreviewAnswer, description="With `dry_run`: what the handover would do and lose.")
def promote_replica(body: dict[str, Any], client_id: str, agent_id: str, replica_id: str) -> SwitchDetail | Response:
    """Hand over to a replica that is ready; one that is not needs `force`, and the refusal says what would be lost."""
    database = current_context().database
    if body["dry_run"]:
        return presenting.promotion_preview_response(
            database.read(lambda tx: switches.preview_promotion_to(tx, client_id, agent_id, replica_id))
        )
    asked = {
        "request_id": body["request_id"],
        "accepts": Accepted(loss=body["accept_data_loss"], differences=body["accept_differences"], is_forced=body["force"]),
        "user_id": current_principal().user_id,
    }
    return database.write(lambda tx: presenting.with_steps(tx, switches.request_promotion(tx, client_id, agent_id, replica_id, **asked)))


@client_blueprint.route("/agents/<agent_id>/replicas/<replica_id>", methods=["DELETE"])
@client_blueprint.response(202, ReplicaAnswer)
def retire_replica(client_id: str, agent_id: str, replica_id: str) -> Replica:
    """Terminate a standby."""
    user_id = current_principal().user_id
    asked = {"user_id": user_id, "reason": f"asked for by {user_id}"}
    return current_context().database.write(lambda tx: service.retire_replica(tx, client_id, agent_id, replica_id, **asked))
