"""Pages for moves: asked for, shown, cancelled; and daemons' reports of them."""

from __future__ import annotations

from typing import Any

from flask import Response

from spot_server.features.switches import presenting, rollbacks, service
from spot_server.features.switches.presenting import SwitchDetail
from spot_server.features.switches.promotions import Accepted
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.rollbacks import RollbackRequest
from spot_server.features.switches.schemas import (
    PreviewAnswer,
    RollbackPreviewAnswer,
    RollbackRequestSchema,
    SwitchAnswer,
    SwitchDetailAnswer,
    SwitchHistoryQuery,
    SwitchReportSchema,
    SwitchRequestSchema,
)
from spot_server.features.switches.service import SwitchRequest
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import page_schema
from spot_server.paging import Page
from spot_server.words import TokenKind, WayBack

client_blueprint = Blueprint("switches", __name__, url_prefix="/api/client/<client_id>", description="Moves of workloads")
protect(client_blueprint, TokenKind.CLIENT)

daemon_blueprint = Blueprint("switch_reports", __name__, url_prefix="/api/agents/<agent_id>", description="Reports of moves")
protect(daemon_blueprint, TokenKind.AGENT)


@client_blueprint.route("/agents/<agent_id>/switch", methods=["POST"])
@client_blueprint.arguments(SwitchRequestSchema)
@client_blueprint.response(202, SwitchDetailAnswer)
@client_blueprint.alt_response(200, schema=PreviewAnswer, description="With `dry_run`: what the move would do.")
def request_switch(body: dict[str, Any], client_id: str, agent_id: str) -> SwitchDetail | Response:
    """Begin a planned move. With `dry_run` the answer is 200 with the plan, and nothing is touched."""
    request = SwitchRequest(body["request_id"], body["target"], current_principal().user_id, accepts_differences=body["accept_differences"])
    if body["dry_run"]:
        return presenting.preview_response(
            current_context().database.read(lambda tx: service.preview(tx, client_id, agent_id, body["target"]))
        )
    return current_context().database.write(lambda tx: presenting.with_steps(tx, service.request_switch(tx, client_id, agent_id, request)))


@client_blueprint.route("/agents/<agent_id>/switches/<switch_id>", methods=["GET"])
@client_blueprint.response(200, SwitchDetailAnswer)
def get_switch(client_id: str, agent_id: str, switch_id: str) -> SwitchDetail:
    """Return one move with its steps."""
    return current_context().database.read(lambda tx: presenting.with_steps(tx, service.read_switch(tx, client_id, agent_id, switch_id)))


@client_blueprint.route("/agents/<agent_id>/switches/<switch_id>/cancel", methods=["POST"])
@client_blueprint.response(202, SwitchDetailAnswer)
def cancel_switch(client_id: str, agent_id: str, switch_id: str) -> SwitchDetail:
    """Take a move back, as long as the new instance is not the primary."""
    user_id = current_principal().user_id
    return current_context().database.write(
        lambda tx: presenting.with_steps(tx, service.cancel(tx, client_id, agent_id, switch_id, user_id=user_id))
    )


@client_blueprint.route("/agents/<agent_id>/switches/<switch_id>/rollback", methods=["POST"])
@client_blueprint.arguments(RollbackRequestSchema)
@client_blueprint.response(202, SwitchDetailAnswer)
@client_blueprint.alt_response(200, schema=RollbackPreviewAnswer, description="With `dry_run`: what going back would do and lose.")
def roll_back_switch(body: dict[str, Any], client_id: str, agent_id: str, switch_id: str) -> SwitchDetail | Response:
    """Go back on a move that completed: a planned move the other way. One that still runs is cancelled instead."""
    to = WayBack(body["to"])
    accepts = Accepted(loss=body["accept_data_loss"], differences=body["accept_differences"])
    asked = RollbackRequest(body["request_id"], to, accepts, current_principal().user_id)
    database = current_context().database
    if body["dry_run"]:
        plan = database.read(lambda tx: rollbacks.preview_rollback(tx, client_id, agent_id, switch_id, to))
        return presenting.rollback_preview_response(plan)
    return database.write(lambda tx: presenting.with_steps(tx, rollbacks.request_rollback(tx, client_id, agent_id, switch_id, asked)))


@client_blueprint.route("/switch-history", methods=["GET"])
@client_blueprint.arguments(SwitchHistoryQuery, location="query")
@client_blueprint.response(200, page_schema(SwitchAnswer))
def switch_history(query: dict[str, Any], client_id: str) -> Page[Switch]:
    """List the client's moves, newest first."""
    return current_context().database.read(lambda tx: service.list_history(tx, client_id, **query))


@daemon_blueprint.route("/switch-report", methods=["POST"])
@daemon_blueprint.arguments(SwitchReportSchema)
@daemon_blueprint.response(202, SwitchAnswer)
def switch_report(body: dict[str, Any], agent_id: str) -> Switch:
    """Take a daemon's times of a move; what the server knows already stays."""
    return current_context().database.write(lambda tx: service.merge_report(tx, agent_id, **body))
