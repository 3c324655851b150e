"""Carrying a game day out, between the calls to its player. Each use case takes the agent's row first and may be repeated."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.playing import Experiment, ExperimentState, Market, PlayOrder
from spot_server.db.runner import Transaction
from spot_server.db.tables import spot_interruption_events
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.clients.service import load_client
from spot_server.features.game_days import queries
from spot_server.features.game_days.ending import end_game_day, finish_game_day
from spot_server.features.game_days.planning import Wish, role_of, set_stage
from spot_server.features.game_days.queries import GameDay
from spot_server.features.game_days.rules import (
    MOST_ATTEMPTS,
    WISH_SECONDS,
    Figures,
    GameDayEvent,
    Moments,
    Over,
    Progress,
    find_obstacle,
    judge,
    measure,
    next_game_day_status,
    pause_seconds,
)
from spot_server.features.interruptions.queries import InterruptionEvent, find_event
from spot_server.features.replicas.queries import Replica, find_replica
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches.queries import Switch
from spot_server.words import GameDayStatus, StepName

PASSING = frozenset({ErrorClass.THROTTLED, ErrorClass.UNREACHABLE, ErrorClass.RACE})


def begin(tx: Transaction, game_day_id: str, *, has_simulated_region: bool) -> PlayOrder | None:
    """Return what the player is to be told now, once that is recorded; None when there is nothing to call for.

    What was begun before is told again: the player finds what the first call did. Otherwise everything is checked once more, because
    the agent may have changed since the wish.
    """
    agent, game_day = _hold(tx, game_day_id)
    if game_day.retry_at is not None and game_day.retry_at > tx.now:
        return None
    if game_day.status is GameDayStatus.INJECTING:
        return order_from(tx, game_day)
    if game_day.status is not GameDayStatus.REQUESTED:
        return None
    obstacle = _obstacle(tx, agent, game_day, has_simulated_region=has_simulated_region)
    if obstacle is not None:
        end_game_day(tx, game_day, Over(GameDayStatus.FAILED, f"not played: {obstacle}"))
        return None
    status = next_game_day_status(game_day.status, GameDayEvent.BEGUN)
    return order_from(tx, queries.update_game_day(tx, game_day, status=status, begun_at=tx.now))


def _obstacle(tx: Transaction, agent: Agent, game_day: GameDay, *, has_simulated_region: bool) -> str | None:
    if (tx.now - game_day.requested_at).total_seconds() > WISH_SECONDS:
        return f"nobody could carry it out for {WISH_SECONDS:g} s; ask again"
    stage = set_stage(tx, agent, Wish(kind=game_day.kind, **game_day.options), has_simulated_region=has_simulated_region)
    obstacle = find_obstacle(stage.conditions)
    if obstacle is None and stage.played_by is not game_day.played_by:
        return f"it would be played by {stage.played_by} now, and not by {game_day.played_by}"
    if obstacle is None and stage.primary is not None and stage.primary.instance_id != game_day.instance_id:
        return f"the primary is {stage.primary.instance_id} now, and not {game_day.instance_id}"
    return obstacle


def note_played(tx: Transaction, game_day_id: str, reference: dict[str, str]) -> GameDay:
    """Record the player's answer. One that was stopped during the call keeps what it needs to be put back."""
    _agent, game_day = _hold(tx, game_day_id)
    if game_day.status is not GameDayStatus.INJECTING:
        return queries.update_game_day(tx, game_day, reference=reference) if game_day.is_active else game_day
    status = next_game_day_status(game_day.status, GameDayEvent.PLAYED)
    played = queries.update_game_day(tx, game_day, status=status, played_at=tx.now, reference=reference, attempts=0, retry_at=None)
    data = {"game_day_id": game_day_id, "kind": game_day.kind, "played_by": game_day.played_by}
    tx.emit("game_day_played", client_id=played.client_id, agent_id=played.agent_id, instance_id=played.instance_id, data=data)
    return played


def note_trouble(tx: Transaction, game_day_id: str, failed: AwsFailed) -> GameDay:
    """Record that the player could not: it is tried again after a pause, or given up where that cannot help."""
    _agent, game_day = _hold(tx, game_day_id)
    if game_day.status is not GameDayStatus.INJECTING:
        return game_day
    attempts = game_day.attempts + 1
    if failed.error_class in PASSING and attempts < MOST_ATTEMPTS:
        return _pause(tx, game_day, attempts)
    return end_game_day(tx, game_day, Over(GameDayStatus.FAILED, f"the player refused: {failed.code}: {failed.message}"))


def watch(tx: Transaction, game_day_id: str, experiment: Experiment | None, *, bound_seconds: float) -> GameDay:
    """Measure what the agent has made of the event so far, and decide whether it is over. `experiment` None: the player was not heard."""
    agent, game_day = _hold(tx, game_day_id)
    if game_day.status is not GameDayStatus.PLAYING or game_day.begun_at is None:
        return game_day
    scene = _Scene(tx, agent, game_day, game_day.begun_at)
    values = _values(scene)
    if any(getattr(game_day, name) != value for name, value in values.items()):
        game_day = queries.update_game_day(tx, game_day, **values)
    over = judge(_progress(tx, scene, experiment, bound_seconds))
    return game_day if over is None else end_game_day(tx, game_day, over)


def begin_closing(tx: Transaction, game_day_id: str) -> PlayOrder | None:
    """Return what is to be put back; None when it is finished by this, because nothing was ever called."""
    _agent, game_day = _hold(tx, game_day_id)
    if game_day.status is not GameDayStatus.CLOSING or (game_day.retry_at is not None and game_day.retry_at > tx.now):
        return None
    if game_day.begun_at is None:
        finish_game_day(tx, game_day, None)
        return None
    return order_from(tx, game_day)


def note_closed(tx: Transaction, game_day_id: str, failed: AwsFailed | None) -> GameDay:
    """Everything is put back; or it could not be: then it is tried again, and at last a person is told what is left."""
    _agent, game_day = _hold(tx, game_day_id)
    if game_day.status is not GameDayStatus.CLOSING:
        return game_day
    if failed is None:
        return finish_game_day(tx, game_day, None)
    attempts = game_day.attempts + 1
    if failed.error_class in PASSING and attempts < MOST_ATTEMPTS:
        return _pause(tx, game_day, attempts)
    return finish_game_day(tx, game_day, f"not everything was put back, see docs/gameday.md: {failed.code}: {failed.message}")


def order_from(tx: Transaction, game_day: GameDay) -> PlayOrder:
    """Return what the player is told of a recorded game day: the same after every death."""
    client = load_client(tx, game_day.client_id)
    target = game_day.plan["target"]
    shortage = game_day.plan["shortage"]
    return PlayOrder(
        game_day_id=game_day.game_day_id,
        kind=game_day.kind,
        region=game_day.region,
        instance_id=game_day.instance_id,
        began_at=game_day.begun_at or tx.now,
        account_id=target["account_id"],
        role=role_of(client),
        fis_role_arn=target["fis_role_arn"],
        stop_alarm_arn=game_day.options["stop_alarm_arn"],
        shortage=None if shortage is None else Market(**shortage),
        reference=game_day.reference,
    )


def _hold(tx: Transaction, game_day_id: str) -> tuple[Agent, GameDay]:
    seen = queries.find_game_day(tx, game_day_id)
    agent = load_agent(tx, "" if seen is None else seen.agent_id, for_update=True)
    return agent, queries.load_game_day(tx, agent.agent_id, game_day_id)


def _pause(tx: Transaction, game_day: GameDay, attempts: int) -> GameDay:
    return queries.update_game_day(tx, game_day, attempts=attempts, retry_at=tx.now + timedelta(seconds=pause_seconds(attempts)))


class _Scene:
    """What the event led to so far."""

    def __init__(self, tx: Transaction, agent: Agent, game_day: GameDay, begun_at: datetime) -> None:
        self.agent, self.game_day, self.begun_at = agent, game_day, begun_at
        event_id = game_day.interruption_event_id or queries.first_event_since(tx, agent.agent_id, game_day.instance_id, begun_at)
        self.event: InterruptionEvent | None = None if event_id is None else find_event(tx, event_id)
        if event_id is not None and game_day.interruption_event_id is None:
            # An exercise says nothing about a pool's risk.
            mine = update(spot_interruption_events).where(spot_interruption_events.c.event_id == event_id)
            tx.execute(mine.values(game_day_id=game_day.game_day_id))
        switch_id = queries.last_switch_from(tx, agent.agent_id, game_day.instance_id, begun_at)
        self.switch: Switch | None = None if switch_id is None else switch_queries.find_switch(tx, switch_id)
        replica_id = self.switch.replica_id if self.switch is not None else None if self.event is None else self.event.replica_id
        self.replica: Replica | None = None if replica_id is None else find_replica(tx, replica_id)
        steps = [] if self.switch is None else switch_queries.list_steps(tx, self.switch.switch_id)
        self.promoted_at = next((step.finished_at for step in steps if step.name is StepName.PROMOTE), None)

    @property
    def detected_at(self) -> datetime | None:
        """When the server first knew of the event: by a report, or by the move that it began by itself."""
        if self.event is not None:
            return self.event.received_at
        return None if self.switch is None else self.switch.initiated_at

    def figures(self) -> Figures:
        """Measure."""
        switch = self.switch
        return measure(
            Moments(
                kind=self.game_day.kind,
                begun_at=self.begun_at,
                detected_at=self.detected_at,
                instance_end_at=None if self.event is None else self.event.action_at,
                replica_ready_at=None if self.replica is None else self.replica.ready_at,
                promoted_at=self.promoted_at,
                serving_at=None if switch is None else switch.serving_at,
                downtime_ms=None if switch is None else switch.downtime_ms,
                downtime_basis=None if switch is None else switch.downtime_basis,
                loss_window_seconds=None if switch is None else switch.loss_window_seconds,
            )
        )


def _values(scene: _Scene) -> dict[str, Any]:
    return {
        "interruption_event_id": None if scene.event is None else scene.event.event_id,
        "switch_id": None if scene.switch is None else scene.switch.switch_id,
        "replica_id": None if scene.replica is None else scene.replica.replica_id,
        **asdict(scene.figures()),
    }


def _progress(tx: Transaction, scene: _Scene, experiment: Experiment | None, bound_seconds: float) -> Progress:
    has_given_up = experiment is not None and experiment.state in {ExperimentState.FAILED, ExperimentState.STOPPED}
    return Progress(
        kind=scene.game_day.kind,
        played_by=scene.game_day.played_by,
        is_deleted=scene.agent.is_deleted,
        is_enabled=scene.agent.enabled,
        seconds_since_begun=(tx.now - scene.begun_at).total_seconds(),
        bound_seconds=bound_seconds,
        switch_status=None if scene.switch is None else scene.switch.status,
        is_rescue_to_be_resumed=scene.switch is not None and scene.switch.resume_at is not None,
        replica_status=None if scene.replica is None else scene.replica.status,
        is_detected=scene.detected_at is not None,
        experiment_failure=(experiment.reason or experiment.state) if has_given_up and experiment is not None else None,
        is_experiment_stopped=experiment is not None and experiment.state is ExperimentState.STOPPED,
    )
