"""Pages for notices, recommendations and losses."""

from __future__ import annotations

from typing import Any

from spot_server.features.instances.rules import require_own_instance
from spot_server.features.interruptions import service
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.rules import require_near
from spot_server.features.interruptions.schemas import (
    EmergencyReplicaSchema,
    InterruptionAnswer,
    RebalanceSchema,
    TakenAnswer,
    TerminationSchema,
)
from spot_server.features.interruptions.service import Shown, Taken
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery, page_schema
from spot_server.paging import Page
from spot_server.words import InterruptionKind, TokenKind

daemon_blueprint = Blueprint("notices", __name__, url_prefix="/api/agents/<agent_id>", description="Notices from daemons")
protect(daemon_blueprint, TokenKind.AGENT)

client_blueprint = Blueprint("interruptions", __name__, url_prefix="/api/client/<client_id>", description="Interruptions")
protect(client_blueprint, TokenKind.CLIENT)


def _take(agent_id: str, report: Report) -> Taken:
    require_own_instance(report.instance_id, current_principal().instance_id)
    require_near("action_at", report.action_at, current_context().clock.now())
    require_near("detected_at", report.detected_at, current_context().clock.now())
    return current_context().database.write(lambda tx: service.take_report(tx, agent_id, report))


@daemon_blueprint.route("/termination-imminent", methods=["POST"])
@daemon_blueprint.arguments(TerminationSchema)
@daemon_blueprint.response(202, TakenAnswer)
def termination_imminent(body: dict[str, Any], agent_id: str) -> Taken:
    """Take a notice in and act on it."""
    return _take(
        agent_id,
        Report(body["notice_id"], body["instance_id"], body["action"], body["action_at"], body["detected_at"]),
    )


@daemon_blueprint.route("/rebalance-recommendation", methods=["POST"])
@daemon_blueprint.arguments(RebalanceSchema)
@daemon_blueprint.response(202, TakenAnswer)
def rebalance_recommendation(body: dict[str, Any], agent_id: str) -> Taken:
    """Take a recommendation in: a probability, not an order."""
    return _take(
        agent_id,
        Report(body["notice_id"], body["instance_id"], InterruptionKind.REBALANCE, None, body["detected_at"]),
    )


@daemon_blueprint.route("/create-emergency-replica", methods=["POST"])
@daemon_blueprint.arguments(EmergencyReplicaSchema)
@daemon_blueprint.response(202, TakenAnswer)
def create_emergency_replica(body: dict[str, Any], agent_id: str) -> Taken:
    """Make the replica that a notice calls for; the notice's own report makes the same one."""
    is_termination = body["reason"] == "termination"
    kind = InterruptionKind.TERMINATE if is_termination else InterruptionKind.REBALANCE
    detected_at = body["detected_at"] or current_context().clock.now()
    return _take(agent_id, Report(body["notice_id"], body["instance_id"], kind, body["action_at"], detected_at))


@client_blueprint.route("/interruptions", methods=["GET"])
@client_blueprint.arguments(PageQuery, location="query")
@client_blueprint.response(200, page_schema(InterruptionAnswer))
def list_interruptions(query: dict[str, Any], client_id: str) -> Page[Shown]:
    """List the client's interruption events, newest first."""
    return current_context().database.read(lambda tx: service.list_of_client(tx, client_id, **query))
