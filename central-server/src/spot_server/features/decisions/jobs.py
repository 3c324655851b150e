"""The round of decisions: every agent, in batches, once a tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import partial

from spot_server.db.runner import Transaction
from spot_server.decision_models.inputs import DecisionInput
from spot_server.features.activity.queries import usual_weeks_of
from spot_server.features.agents.queries import Agent
from spot_server.features.decisions import fleet_queries, model_queries
from spot_server.features.decisions.acting import Acted, act
from spot_server.features.decisions.fleet_queries import Primary
from spot_server.features.decisions.inputs import World, input_for, read_world
from spot_server.features.decisions.making import DEFAULT_MODEL, Models
from spot_server.features.decisions.market_sources import PriceWindows
from spot_server.features.decisions.recording import Tick, ToAct, Told, record_decisions
from spot_server.features.decisions.rules import MOST_ACTS_IN_ROUND, LineUp, RegisteredModel, tick_of
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext
from spot_server.words import Action, AnswerKind

AGENTS_IN_BATCH = 500
"""Whose decisions are read, and stored, in one transaction each."""

Given = tuple[Agent, Primary, DecisionInput]


class DecisionRound:
    """Decides about every agent of the server. A run that is ended anywhere is followed by the next: what a tick stored, it stores once."""

    def __init__(self, models: Models | None = None) -> None:
        """Keep models and price windows between rounds; both can be read anew."""
        self._models = models or Models()
        self._windows = PriceWindows()

    def __call__(self, context: JobContext) -> str:
        """Decide, store, and act on what the acting models say."""
        period_seconds = context.settings.decision_period_seconds
        tick = Tick(tick_of(context.clock.now(), period_seconds), period_seconds)
        line_up = context.database.read(model_queries.line_up) or context.database.write(open_registry)
        reached = context.database.read(fleet_queries.types_reached)
        if not reached:
            return ""
        world = context.database.read(lambda tx: read_world(tx, self._windows, reached))
        acts: list[ToAct] = []
        count = 0
        for batch in self._batches(context, world, tick.after_next):
            told = self._ask(context, line_up, batch)
            acts += context.database.write(partial(record_decisions, tick=tick, world=world, told=told))
            world.note_stored()
            count += len(batch)
        begun = self._act(context, tick, acts)
        return f"decided about {count} agents; of {len(acts)} that asked for it, began {begun}" if acts else ""

    def _batches(self, context: JobContext, world: World, lasting_until: datetime) -> Iterator[list[Given]]:
        after = ""
        while True:
            found = context.database.read(partial(_read_batch, after=after, world=world, lasting_until=lasting_until))
            if found is None:
                return
            after, batch = found
            yield batch

    def _ask(self, context: JobContext, line_up: LineUp, batch: list[Given]) -> list[Told]:
        parts: dict[tuple[str, bool], tuple[RegisteredModel, list[Given]]] = {}
        for given in batch:
            acting, shadow = line_up.models_of(given[0].agent_id)
            parts.setdefault((acting.model_id, False), (acting, []))[1].append(given)
            if shadow is not None:
                parts.setdefault((shadow.model_id, True), (shadow, []))[1].append(given)
        told = []
        for (_, is_shadow), (model, members) in sorted(parts.items()):
            answers = self._models.ask(model, [given for _, _, given in members], context.clock)
            told += [Told(*member[:2], model, is_shadow, member[2], asked) for member, asked in zip(members, answers, strict=True)]
        failures = Counter(one.asked.kind for one in told if one.asked.kind is not AnswerKind.ANSWERED)
        for kind, count in failures.items():
            context.metrics.decision_failures.labels(kind.value).inc(count)
            context.log.warning("decision_model_failed", answer=kind.value, count=count)
        return told

    def _act(self, context: JobContext, tick: Tick, acts: list[ToAct]) -> int:
        """Begin what the decisions ask for, the surest first, up to a number a round; return how many were begun.

        What is refused counts for nothing: those that are refused in every round would keep all others from their turn for ever. Nor does
        a replica that is held for longer: it goes nowhere, and a hold that had to wait for its turn would end meanwhile.
        """
        in_turn = sorted(acts, key=lambda todo: (-todo.told.asked.decision.confidence, todo.decision_id))
        lapsing = _lapsing_among(context, tick, in_turn)
        count: Counter[Acted] = Counter()

        def attempt(todo: ToAct) -> None:
            if count[Acted.BEGAN] < MOST_ACTS_IN_ROUND or todo.told.agent.agent_id in lapsing:
                count[context.database.write(partial(act, todo=todo, tick=tick))] += 1

        for_each(in_turn, attempt)
        return count[Acted.BEGAN] + count[Acted.HELD_LONGER]


def _lapsing_among(context: JobContext, tick: Tick, acts: list[ToAct]) -> set[str]:
    """Return those agents for which a replica is asked for while one whose hold ends soon is there."""
    wanting = {todo.told.agent.agent_id for todo in acts if todo.told.asked.decision.action is Action.CREATE_REPLICA}
    if not wanting:
        return set()
    return wanting & context.database.read(partial(fleet_queries.agents_with_lapsing_replicas, lasting_until=tick.after_next))


def _read_batch(tx: Transaction, after: str, world: World, lasting_until: datetime) -> tuple[str, list[Given]] | None:
    """Return the id to go on after, and the next agents with what the models are told of them; None after the last one."""
    found = fleet_queries.next_agents(tx, after, AGENTS_IN_BATCH)
    if not found:
        return None
    agent_ids = [agent.agent_id for agent, _ in found]
    pasts, weeks = fleet_queries.read_pasts(tx, agent_ids, lasting_until=lasting_until), usual_weeks_of(tx, agent_ids)
    batch = []
    for agent, primary in found:
        given = input_for(world, agent, primary, pasts[agent.agent_id], weeks.get(agent.agent_id))
        if given is not None:
            batch.append((agent, primary, given))
    return found[-1][0].agent_id, batch


def open_registry(tx: Transaction) -> LineUp:
    """Register the built-in model and let it decide, once, on a database where nothing is registered."""
    found = model_queries.line_up(tx)
    if found is not None:
        return found
    model = model_queries.insert_model(tx, DEFAULT_MODEL, description="The built-in model with its own figures.", created_by="server")
    model_queries.insert_activation(
        tx, acting_model_id=model.model_id, challenger_model_id=None, challenger_percent=0, reason="the first", activated_by="server"
    )
    return LineUp(model)
