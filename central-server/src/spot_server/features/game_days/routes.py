"""Pages for game days: asked for, shown, stopped."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from spot_server.features.game_days import service
from spot_server.features.game_days.planning import Wish
from spot_server.features.game_days.queries import GameDay
from spot_server.features.game_days.schemas import (
    GameDayDetailAnswer,
    GameDayPage,
    GameDayPlanAnswer,
    GameDayRequestSchema,
    ProbeSchema,
)
from spot_server.features.game_days.service import GameDayRequest
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery
from spot_server.paging import Page
from spot_server.words import TokenKind

blueprint = Blueprint("game_days", __name__, url_prefix="/api/client/<client_id>/agents/<agent_id>", description="Game days")
protect(blueprint, TokenKind.CLIENT)


@blueprint.route("/gameday", methods=["POST"])
@blueprint.arguments(GameDayRequestSchema)
@blueprint.response(202, GameDayDetailAnswer)
def request_game_day(body: dict[str, Any], client_id: str, agent_id: str) -> GameDay | Response:
    """Play an interruption against the agent, for real. With `dry_run` the answer is 200 with the plan, and nothing is touched."""
    context = current_context()
    wish = Wish(body["kind"], accepts_loss=body["accept_data_loss"], stop_alarm_arn=body["stop_alarm_arn"])
    is_simulated = bool(context.settings.simulated_region_url)
    if body["dry_run"]:
        plan = context.database.read(lambda tx: service.preview(tx, client_id, agent_id, wish, has_simulated_region=is_simulated))
        return jsonify(GameDayPlanAnswer().dump(plan))
    request = GameDayRequest(body["request_id"], wish, current_principal().user_id)
    return context.database.write(lambda tx: service.request_game_day(tx, client_id, agent_id, request, has_simulated_region=is_simulated))


@blueprint.route("/gamedays", methods=["GET"])
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, GameDayPage)
def list_game_days(query: dict[str, Any], client_id: str, agent_id: str) -> Page[GameDay]:
    """List the agent's game days, newest first."""
    return current_context().database.read(lambda tx: service.list_of_agent(tx, client_id, agent_id, **query))


@blueprint.route("/gamedays/<game_day_id>", methods=["GET"])
@blueprint.response(200, GameDayDetailAnswer)
def get_game_day(client_id: str, agent_id: str, game_day_id: str) -> GameDay:
    """Return one game day with its plan."""
    return current_context().database.read(lambda tx: service.read_game_day(tx, client_id, agent_id, game_day_id))


@blueprint.route("/gamedays/<game_day_id>/stop", methods=["POST"])
@blueprint.response(202, GameDayDetailAnswer)
def stop_game_day(client_id: str, agent_id: str, game_day_id: str) -> GameDay:
    """Put an end to a game day. An interruption that EC2 has announced by then still happens, and is answered as any other."""
    user_id = current_principal().user_id
    return current_context().database.write(lambda tx: service.stop_game_day(tx, client_id, agent_id, game_day_id, user_id=user_id))


@blueprint.route("/gamedays/<game_day_id>/probe", methods=["POST"])
@blueprint.arguments(ProbeSchema)
@blueprint.response(202, GameDayDetailAnswer)
def report_probe(body: dict[str, Any], client_id: str, agent_id: str, game_day_id: str) -> GameDay:
    """Add what a prober outside both instances saw; a later report replaces an earlier one."""
    return current_context().database.write(lambda tx: service.record_probe(tx, client_id, agent_id, game_day_id, body))
