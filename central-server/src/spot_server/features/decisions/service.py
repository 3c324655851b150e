"""Reading decisions: an agent's history, why it runs where it does, and whether a stored decision comes out the same again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from spot_server.clock import Clock
from spot_server.db.runner import Transaction
from spot_server.decision_models.answers import Decision
from spot_server.decision_models.asking import Asked
from spot_server.decision_models.documents import NotReplayable, digest_of_text, read_input
from spot_server.decision_models.inputs import DecisionInput
from spot_server.errors import NotFound, StateConflict
from spot_server.features.activity.queries import usual_weeks_of
from spot_server.features.activity.rules import UsualWeek, describe_quiet_hours
from spot_server.features.agents.queries import Agent, find_agent_of_client
from spot_server.features.decisions import fleet_queries, model_queries, queries
from spot_server.features.decisions.fleet_queries import Past, Primary
from spot_server.features.decisions.inputs import input_for, read_world
from spot_server.features.decisions.making import Models, line_up_or_default
from spot_server.features.decisions.market_sources import PriceWindows
from spot_server.features.decisions.queries import Recorded, StoredDecision
from spot_server.features.decisions.rules import RegisteredModel, tick_after_next, tick_of, what_forbids_moves
from spot_server.features.switches.queries import Switch, newest_completed
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import Action, AnswerKind, Mode


def list_decisions(
    tx: Transaction, client_id: str, agent_id: str, *, limit: int, cursor: str | None, with_shadows: bool
) -> Page[StoredDecision]:
    """Return what was decided about the client's agent, newest first; NotFound for another client's."""
    find_agent_of_client(tx, client_id, agent_id)
    before = read_moment_cursor(cursor)
    rows = queries.list_decisions(tx, agent_id, before=before, most=limit + 1, with_shadows=with_shadows)
    return page_of(rows, limit=limit, position=lambda row: moment_position(row.first_tick_at, row.decision_id))


@dataclass(frozen=True, slots=True)
class Scene:
    """What an explanation rests on, read in one transaction."""

    agent: Agent
    primary: Primary
    past: Past
    week: UsualWeek | None
    given: DecisionInput
    model: RegisteredModel
    brought_by: Switch | None
    latest: StoredDecision | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an agent runs where it does, as of now."""

    scene: Scene
    asked: Asked
    answer: str

    @property
    def is_on_demand(self) -> bool:
        """Whether it is paid on demand."""
        return self.scene.primary.mode is Mode.ON_DEMAND

    @property
    def since(self) -> datetime:
        """Since when its instance is PRIMARY."""
        return self.scene.primary.last_primary_at or self.scene.primary.registered_at

    @property
    def decision(self) -> Decision:
        """What the acting model says now."""
        return self.asked.decision

    @property
    def quiet_hours(self) -> str | None:
        """When the agent is quiet, in words; None while too little was learned of its hours."""
        return None if self.scene.week is None else describe_quiet_hours(self.scene.week)


def read_scene(tx: Transaction, client_id: str, agent_id: str, period_seconds: float) -> Scene:
    """Read what a model would be told about the agent now. NotFound, or StateConflict for one without a PRIMARY.

    `period_seconds`: between two ticks.
    """
    find_agent_of_client(tx, client_id, agent_id)
    found = fleet_queries.one_agent(tx, agent_id)
    if found is None:
        raise StateConflict("the agent is deleted, or has no primary instance now", agent_id=agent_id)
    agent, primary = found
    lasting_until = tick_after_next(tick_of(tx.now, period_seconds), period_seconds)
    past = fleet_queries.read_pasts(tx, [agent_id], lasting_until=lasting_until)[agent_id]
    types = {primary.instance_type, *agent.allowed_instance_types}
    world = read_world(tx, PriceWindows(), {(agent.region, primary.product): types})
    week = usual_weeks_of(tx, [agent_id]).get(agent_id)
    given = input_for(world, agent, primary, past, week)
    if given is None:  # cannot be: its own region was just read
        raise StateConflict("nothing is known of the agent's region", agent_id=agent_id)
    model, _ = line_up_or_default(model_queries.line_up(tx)).models_of(agent_id)
    latest = next(iter(queries.list_decisions(tx, agent_id, before=None, most=1, with_shadows=False)), None)
    return Scene(agent, primary, past, week, given, model, newest_completed(tx, agent_id), latest)


def explain(scene: Scene, models: Models, clock: Clock) -> Explanation:
    """Ask the acting model as of now, and say in words why the agent runs where it does. Nothing is stored."""
    asked = models.ask(scene.model, [scene.given], clock)[0]
    return Explanation(scene, asked, _answer(scene, asked))


def _answer(scene: Scene, asked: Asked) -> str:
    primary = scene.primary
    since = primary.last_primary_at or primary.registered_at
    how = "on demand" if primary.mode is Mode.ON_DEMAND else f"in mode {primary.mode}"
    parts = [f"{scene.agent.logical_agent_id} runs {how} as {primary.instance_type} in {primary.az_id} since {since:%Y-%m-%dT%H:%M:%SZ}"]
    brought = scene.brought_by
    if brought is not None and brought.to_instance_id == primary.instance_id:
        parts[0] += f", brought there by a move ({brought.trigger}, {brought.switch_id})"
    parts.append(asked.decision.reasoning)
    # Whatever the model says: of a move that waits, and of one that is not worth it yet, it says nothing of who would make it.
    forbidding = what_forbids_moves(scene.given.settings)
    if forbidding:
        parts.append(f"It is not moved by itself: {', and '.join(forbidding)}")
    elif asked.decision.action is Action.SWITCH and scene.latest is not None and scene.latest.held_back_because:
        parts.append(f"When it was last to be moved: {scene.latest.held_back_because}")
    return ". ".join(part.rstrip(".") for part in parts) + "."


@dataclass(frozen=True, slots=True)
class Replay:
    """A stored decision, and what the same model says of the same input now."""

    recorded: Recorded
    model: RegisteredModel
    asked: Asked
    differences: tuple[str, ...]
    """In words; empty: the answer is the same."""


def replay(tx: Transaction, decision_id: str, clock: Clock) -> Replay:
    """Decide once more from what was stored. NotFound for an unknown id, StateConflict when it cannot be replayed, with why."""
    recorded = queries.find_recorded(tx, decision_id)
    if recorded is None:
        raise NotFound(f"there is no decision {decision_id}")
    if digest_of_text(recorded.input) != recorded.decision.input_sha256:
        raise StateConflict("the stored input is not the one that was decided from: its digest differs", decision_id=decision_id)
    try:
        given = read_input(json.loads(recorded.input), partial(queries.load_documents, tx))
    except NotReplayable as reason:
        raise StateConflict(f"it cannot be replayed: {reason}", decision_id=decision_id) from reason
    model = model_queries.load_model(tx, recorded.decision.model_id)
    asked = Models().ask(model, [given], clock)[0]
    return Replay(recorded, model, asked, _differences(recorded.decision, asked))


def _differences(stored: StoredDecision, asked: Asked) -> tuple[str, ...]:
    if stored.answer is not AnswerKind.ANSWERED and asked.kind is AnswerKind.ANSWERED:
        return (f"the model gave no answer then ({stored.answer}: {stored.failure}), and gives one now",)
    now = asked.decision
    pairs = {
        "action": (stored.action, now.action),
        "target": (stored.target, now.target),
        "confidence": (stored.confidence, now.confidence),
        "reasoning": (stored.reasoning, now.reasoning),
        "rejected": (stored.rejected, dict(now.rejected)),
    }
    return tuple(f"{name}: was {then!r}, is {is_now!r}" for name, (then, is_now) in pairs.items() if then != is_now)
