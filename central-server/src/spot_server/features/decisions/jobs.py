"""The round of decisions: every agent, in batches, once a tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import TypeVar

from spot_server.db.runner import Transaction
from spot_server.decision_models.inputs import DecisionInput
from spot_server.features.activity.queries import usual_weeks_of
from spot_server.features.activity.rules import UsualWeek
from spot_server.features.agents.queries import Agent
from spot_server.features.decisions import fleet_queries, model_queries
from spot_server.features.decisions.acting import Acted, act
from spot_server.features.decisions.fleet_queries import Past, Primary
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

Item = TypeVar("Item")
Row = tuple[Agent, Primary, Past, UsualWeek | None]
Given = tuple[Agent, Primary, DecisionInput]


class DecisionRound:
    """Decides about every agent of the server. A run that is ended anywhere is followed by the next: what a tick stored, it stores once."""

    def __init__(self, models: Models | None = None) -> None:
        """Keep models and price windows between rounds; both can be read anew."""
        self._models = models or Models()
        self._windows = PriceWindows()

    def __call__(self, context: JobContext) -> str:
        """Decide, store, and act on what the acting models say. One agent on which a rule stumbles keeps no other from its turn."""
        period_seconds = context.settings.decision_period_seconds
        tick = Tick(tick_of(context.clock.now(), period_seconds), period_seconds)
        line_up = context.database.read(model_queries.line_up) or context.database.write(open_registry)
        reached = context.database.read(fleet_queries.types_reached)
        if not reached:
            return ""
        world = context.database.read(lambda tx: read_world(tx, self._windows, reached))
        acts: list[ToAct] = []
        count, failures = 0, _Failures()

        def decide(batch: list[Row]) -> None:
            nonlocal count
            given: list[Given] = []
            failures.collect(batch, lambda row: given.extend(_given(world, row)))
            told = self._ask(context, line_up, given)
            acts.extend(context.database.write(partial(record_decisions, tick=tick, world=world, told=told)))
            world.note_stored()
            count += len(given)

        failures.collect(self._batches(context, tick.after_next), decide)
        begun = self._act(context, tick, acts, failures)
        failures.tell()
        return f"decided about {count} agents; of {len(acts)} that asked for it, began {begun}" if acts else ""

    def _batches(self, context: JobContext, lasting_until: datetime) -> Iterator[list[Row]]:
        after = ""
        while True:
            found = context.database.read(partial(_read_batch, after=after, lasting_until=lasting_until))
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

    def _act(self, context: JobContext, tick: Tick, acts: list[ToAct], failures: _Failures) -> int:
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

        failures.collect(in_turn, attempt)
        return count[Acted.BEGAN] + count[Acted.HELD_LONGER]


def _lapsing_among(context: JobContext, tick: Tick, acts: list[ToAct]) -> set[str]:
    """Return those agents for which a replica is asked for while one whose hold ends soon is there."""
    wanting = {todo.told.agent.agent_id for todo in acts if todo.told.asked.decision.action is Action.CREATE_REPLICA}
    if not wanting:
        return set()
    return wanting & context.database.read(partial(fleet_queries.agents_with_lapsing_replicas, lasting_until=tick.after_next))


class _Failures:
    """What was raised for some agents or batches, until all have had their turn."""

    def __init__(self) -> None:
        self._found: list[Exception] = []

    def collect(self, items: Iterable[Item], act: Callable[[Item], object]) -> None:
        """Do it for each, whatever it raises for others; a database that is away, or a lease that is lost, still ends the round."""
        try:
            for_each(items, act)
        except ExceptionGroup as group:
            self._found += group.exceptions

    def tell(self) -> None:
        """Raise what was found, if anything was, as one."""
        if self._found:
            raise ExceptionGroup(f"{len(self._found)} parts of the round of decisions failed", self._found)


def _read_batch(tx: Transaction, after: str, lasting_until: datetime) -> tuple[str, list[Row]] | None:
    """Return the id to go on after, and the next agents with what befell them and how busy they are; None after the last one."""
    found = fleet_queries.next_agents(tx, after, AGENTS_IN_BATCH)
    if not found:
        return None
    agent_ids = [agent.agent_id for agent, _ in found]
    pasts, weeks = fleet_queries.read_pasts(tx, agent_ids, lasting_until=lasting_until), usual_weeks_of(tx, agent_ids)
    rows = [(agent, primary, pasts[agent.agent_id], weeks.get(agent.agent_id)) for agent, primary in found]
    return found[-1][0].agent_id, rows


def _given(world: World, row: Row) -> list[Given]:
    """Return the agent with what the models are told of it; nothing where its region is new."""
    agent, primary, past, week = row
    given = input_for(world, agent, primary, past, week)
    return [] if given is None else [(agent, primary, given)]


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
