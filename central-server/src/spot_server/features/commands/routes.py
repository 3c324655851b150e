"""The two pages through which daemons get commands and answer them."""

from __future__ import annotations

from typing import Any

from flask import g

from spot_server.features.commands import service
from spot_server.features.commands.delivery import Delivery, await_commands
from spot_server.features.commands.schemas import OutcomeSchema, PendingAnswer, PendingQuery, RecordedAnswer
from spot_server.http.auth import current_instance_id, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.request_log import IS_WAIT
from spot_server.words import TokenKind

blueprint = Blueprint("commands", __name__, url_prefix="/api/agents/<agent_id>", description="Instructions to daemons.")
protect(blueprint, TokenKind.AGENT)


@blueprint.route("/pending-commands", methods=["GET"])
@blueprint.arguments(PendingQuery, location="query")
@blueprint.response(200, PendingAnswer)
def pending(query: dict[str, Any], agent_id: str) -> Delivery:
    """Return the commands that this daemon should carry out now, waiting for one if asked to."""
    context, instance_id = current_context(), current_instance_id()
    setattr(g, IS_WAIT, query["wait"] > 0)
    delivery = await_commands(
        lambda: context.database.write(lambda tx: service.take_pending(tx, agent_id, instance_id)),
        context.waiting_room,
        context.clock,
        (agent_id, instance_id),
        wait_seconds=query["wait"],
        next_wait_seconds=context.settings.command_wait_seconds,
    )
    context.metrics.waits_refused.inc(delivery.was_refused)
    return delivery


@blueprint.route("/commands/<command_id>/executed", methods=["POST"])
@blueprint.arguments(OutcomeSchema)
@blueprint.response(200, RecordedAnswer)
def executed(body: service.CommandOutcome, agent_id: str, command_id: str) -> dict[str, Any]:
    """Record what became of a command. The same answer again is fine; another one is a conflict."""
    instance_id = current_instance_id()
    status = current_context().database.write(lambda tx: service.record_outcome(tx, agent_id, instance_id, command_id, body))
    return {"recorded": True, "status": status}
