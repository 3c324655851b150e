"""What people do with game days. Each use case takes the agent's row first and may be repeated."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import GameDayInProgress, RequestIdReused, StateConflict
from spot_server.features.agents.queries import Agent, find_agent_of_client
from spot_server.features.audit.service import record
from spot_server.features.game_days import queries
from spot_server.features.game_days.ending import end_game_day
from spot_server.features.game_days.planning import Cast, Stage, Wish, order_of, plan_document, require_playable, set_stage
from spot_server.features.game_days.queries import GameDay
from spot_server.features.game_days.rules import Over
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import GameDayStatus

NEW_ID = "(new)"
"""Stands in a dry run for the id that a game day would get."""


@dataclass(frozen=True, slots=True)
class GameDayRequest:
    """What a person asked for."""

    request_id: str
    wish: Wish
    user_id: str


def request_game_day(tx: Transaction, client_id: str, agent_id: str, request: GameDayRequest, *, has_simulated_region: bool) -> GameDay:
    """Record the wish for a game day; the same request again returns the same one. The jobs process carries it out.

    Raises GameDayInProgress, SwitchInProgress, GameDayRefused with the reason, or RequestIdReused for another wish under the same id.
    """
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    earlier = queries.find_by_request(tx, agent_id, request.request_id)
    if earlier is not None:
        if (earlier.kind, earlier.options) != (request.wish.kind, _options(request.wish)):
            raise RequestIdReused(f"request_id {request.request_id!r} asked for game day {earlier.game_day_id}")
        return earlier
    _require_no_other(tx, agent)
    stage = set_stage(tx, agent, request.wish, has_simulated_region=has_simulated_region)
    game_day = _new_game_day(tx, stage, require_playable(stage), request)
    queries.insert_game_day(tx, game_day)
    _audit(tx, game_day, request.user_id, "game_day.requested", request.request_id)
    tx.emit(
        "game_day_requested",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=game_day.instance_id,
        data={"game_day_id": game_day.game_day_id, "kind": game_day.kind, "played_by": game_day.played_by},
    )
    return game_day


def preview(tx: Transaction, client_id: str, agent_id: str, wish: Wish, *, has_simulated_region: bool) -> dict[str, Any]:
    """Return the plan of a game day, and touch nothing. Raises as `request_game_day` does."""
    agent = find_agent_of_client(tx, client_id, agent_id)
    _require_no_other(tx, agent)
    stage = set_stage(tx, agent, wish, has_simulated_region=has_simulated_region)
    cast = require_playable(stage)
    return plan_document(stage, cast, order_of(stage, cast, NEW_ID, tx.now))


def stop_game_day(tx: Transaction, client_id: str, agent_id: str, game_day_id: str, *, user_id: str) -> GameDay:
    """Put an end to a game day; what EC2 has announced by then still happens. Harmless when it is stopped already.

    Raises StateConflict when it has ended otherwise.
    """
    find_agent_of_client(tx, client_id, agent_id, for_update=True)
    game_day = queries.load_game_day(tx, agent_id, game_day_id)
    if GameDayStatus.STOPPED in (game_day.status, game_day.outcome):
        return game_day
    if not game_day.is_active or game_day.status is GameDayStatus.CLOSING:
        raise StateConflict(f"game day {game_day_id} is over: {game_day.outcome}", game_day_status=game_day.status)
    stopped = end_game_day(tx, game_day, Over(GameDayStatus.STOPPED, f"stopped by {user_id}"), stopped_by=user_id)
    _audit(tx, stopped, user_id, "game_day.stopped", None)
    return stopped


def record_probe(tx: Transaction, client_id: str, agent_id: str, game_day_id: str, probe: dict[str, Any]) -> GameDay:
    """Keep what a prober outside both instances saw; a later report replaces an earlier one."""
    find_agent_of_client(tx, client_id, agent_id, for_update=True)
    return queries.update_game_day(tx, queries.load_game_day(tx, agent_id, game_day_id), probe=probe)


def read_game_day(tx: Transaction, client_id: str, agent_id: str, game_day_id: str) -> GameDay:
    """Return one game day of the client's agent."""
    find_agent_of_client(tx, client_id, agent_id)
    return queries.load_game_day(tx, agent_id, game_day_id)


def list_of_agent(tx: Transaction, client_id: str, agent_id: str, *, limit: int, cursor: str | None) -> Page[GameDay]:
    """Return the agent's game days, newest first."""
    find_agent_of_client(tx, client_id, agent_id)
    rows = queries.list_game_days(tx, agent_id, before=read_moment_cursor(cursor), limit=limit + 1)
    return page_of(rows, limit=limit, position=lambda row: moment_position(row.requested_at, row.game_day_id))


def _require_no_other(tx: Transaction, agent: Agent) -> None:
    running = queries.active_game_day(tx, agent.agent_id)
    if running is not None:
        raise GameDayInProgress(f"game day {running.game_day_id} is {running.status}", game_day_id=running.game_day_id)


def _options(wish: Wish) -> dict[str, Any]:
    return {name: value for name, value in asdict(wish).items() if name != "kind"}


def _new_game_day(tx: Transaction, stage: Stage, cast: Cast, request: GameDayRequest) -> GameDay:
    game_day_id = str(uuid.uuid4())
    return GameDay(
        game_day_id=game_day_id,
        client_id=stage.agent.client_id,
        agent_id=stage.agent.agent_id,
        active_key=stage.agent.agent_id,
        request_id=request.request_id,
        kind=request.wish.kind,
        options=_options(request.wish),
        played_by=cast.played_by,
        status=GameDayStatus.REQUESTED,
        outcome=None,
        failure=None,
        initiated_by=request.user_id,
        stopped_by=None,
        instance_id=cast.primary.instance_id,
        region=stage.agent.region,
        plan=plan_document(stage, cast, order_of(stage, cast, game_day_id, tx.now)),
        reference={},
        attempts=0,
        retry_at=None,
        requested_at=tx.now,
        begun_at=None,
        played_at=None,
        finished_at=None,
        interruption_event_id=None,
        switch_id=None,
        replica_id=None,
        detection_ms=None,
        ready_ms=None,
        promotion_ms=None,
        serving_ms=None,
        downtime_ms=None,
        downtime_basis=None,
        loss_window_seconds=None,
        probe=None,
        version=1,
    )


def _audit(tx: Transaction, game_day: GameDay, user_id: str, action: str, request_id: str | None) -> None:
    record(
        tx,
        client_id=game_day.client_id,
        agent_id=game_day.agent_id,
        instance_id=game_day.instance_id,
        user_id=user_id,
        action=action,
        reason=game_day.failure or "",
        pre_state=None,
        post_state={"game_day_id": game_day.game_day_id, "kind": game_day.kind, "status": game_day.status},
        request_id=request_id,
    )
