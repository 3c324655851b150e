"""Storing what models said: one row for as long as a model says the same of an agent, one tick once."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.decision_models.asking import Asked
from spot_server.decision_models.documents import canonical, digest_of_text, input_document
from spot_server.decision_models.inputs import DecisionInput
from spot_server.features.agents.queries import Agent
from spot_server.features.decisions import model_queries, queries
from spot_server.features.decisions.fleet_queries import Primary
from spot_server.features.decisions.inputs import World
from spot_server.features.decisions.queries import Latest
from spot_server.features.decisions.rules import RegisteredModel, tick_after_next, why_turned_off
from spot_server.features.notifications.service import notify
from spot_server.words import Action, AnswerKind, Mode, Severity

MILLION = 1_000_000

TICKS_UNTIL_TOLD_ANEW = 12
"""An hour, at the usual five minutes: prices and reasons of a decision that stands are at most this old."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one model said of one agent."""

    agent: Agent
    primary: Primary
    model: RegisteredModel
    is_shadow: bool
    given: DecisionInput
    asked: Asked


@dataclass(frozen=True, slots=True)
class ToAct:
    """A stored decision that asks for something to be done."""

    decision_id: str
    told: Told


@dataclass(frozen=True, slots=True)
class Tick:
    """When agents are decided about, and how long after the tick before."""

    at: datetime
    period_seconds: float

    @property
    def after_next(self) -> datetime:
        """The tick after the one that follows."""
        return tick_after_next(self.at, self.period_seconds)

    def follows(self, earlier: datetime) -> bool:
        """Tell whether `earlier` is the tick before this one: what was said in both was said twice in a row."""
        return (self.at - earlier).total_seconds() < 1.5 * self.period_seconds


def record_decisions(tx: Transaction, tick: Tick, world: World, told: Sequence[Told]) -> list[ToAct]:
    """Store the decisions of a tick and return those that ask for something which the agent's settings allow.

    What this tick has stored already is passed over. Who says the same again, and is not acted on, is counted, and stored anew with what
    it was decided from once in TICKS_UNTIL_TOLD_ANEW ticks: to rewrite the reasons of ten thousand agents in each tick takes a database
    longer than the models take to find them. What settings hold back is written down here, once for the whole batch: on a fleet
    whose owners have not turned auto-switch on that is nearly everything.
    """
    tick_at = tick.at
    latest = queries.latest_of(tx, sorted({one.agent.agent_id for one in told}))
    new = [one for one in told if not _is_done(latest.get((one.agent.agent_id, one.model.model_id)), tick_at)]
    rows, retired, repeated, acts = [], [], [], []
    inputs: dict[str, tuple[str, str]] = {}
    for one in new:
        prior = latest.get((one.agent.agent_id, one.model.model_id))
        repeats = prior if prior is not None and tick.follows(prior.last_tick_at) and _says_the_same(prior, one) else None
        if prior is not None and repeats is None:
            retired.append(prior.decision_id)
        turned_off = _why_turned_off(one)
        asks = not one.is_shadow and one.asked.decision.target is not None and turned_off is None
        if repeats is not None and not asks and (repeats.tick_count + 1) % TICKS_UNTIL_TOLD_ANEW:
            repeated.append(repeats.decision_id)
            continue
        if one.agent.agent_id not in inputs:
            inputs[one.agent.agent_id] = _input(world, one)
        row = _row(one, tick_at, repeats, inputs[one.agent.agent_id]) | {"held_back_because": turned_off}
        rows.append(row)
        if asks:
            acts.append(ToAct(row["decision_id"], one))
    queries.store_documents(tx, world.unstored_documents())
    queries.retire(tx, retired)
    queries.store(tx, rows)
    queries.count_repeats(tx, repeated, tick_at)
    model_queries.add_to_days(tx, tick_at.date(), _sums(new))
    _tell_failures(tx, tick_at, new)
    return acts


def _is_done(prior: Latest | None, tick_at: datetime) -> bool:
    return prior is not None and prior.last_tick_at >= tick_at


def _says_the_same(prior: Latest, one: Told) -> bool:
    """A decision that was acted on is over: what is said next is another, even if it is the same."""
    now = (one.asked.decision.action, one.asked.decision.target, one.asked.kind, one.is_shadow)
    return prior.acted_at is None and (prior.action, prior.target, prior.answer, prior.is_shadow) == now


def _input(world: World, one: Told) -> tuple[str, str]:
    """Return the digest and the text of what was decided from."""
    region = world.markets[one.agent.region, one.primary.product]
    market, candidates = region.name_market(one.given.situation.market), region.name_candidates(one.given.candidates)
    text = canonical(input_document(one.given, market, candidates))
    return digest_of_text(text), text


def _row(one: Told, tick_at: datetime, prior: Latest | None, given: tuple[str, str]) -> dict[str, Any]:
    decision, agent_id = one.asked.decision, one.agent.agent_id
    mode, instance_type, az_id = (None, None, None) if decision.target is None else decision.target.split("/")
    return {
        "decision_id": str(uuid.uuid4()) if prior is None else prior.decision_id,
        "client_id": one.agent.client_id,
        "agent_id": agent_id,
        "model_id": one.model.model_id,
        "latest_key": queries.latest_key(agent_id, one.model.model_id),
        "is_shadow": one.is_shadow,
        "action": decision.action,
        "target_mode": None if mode is None else Mode(mode),
        "target_instance_type": instance_type,
        "target_az_id": az_id,
        "confidence": decision.confidence,
        "reasoning": decision.reasoning,
        "rejected": dict(decision.rejected),
        "answer": one.asked.kind,
        "failure": one.asked.failure,
        "latency_ms": one.asked.latency_ms,
        "first_tick_at": tick_at if prior is None else prior.first_tick_at,
        "last_tick_at": tick_at,
        "tick_count": 1 if prior is None else prior.tick_count + 1,
        "input_sha256": given[0],
        "input": given[1],
    }


def _why_turned_off(one: Told) -> str | None:
    decision = one.asked.decision
    return None if one.is_shadow or decision.target is None else why_turned_off(decision.action, one.given.settings)


def _sums(told: Iterable[Told]) -> dict[tuple[str, bool], dict[str, int]]:
    """Return what a batch adds to the metrics of each model, acting and in the shadow."""
    said: dict[str, list[Told]] = {}
    for one in told:
        said.setdefault(one.agent.agent_id, []).append(one)
    sums: dict[tuple[str, bool], dict[str, int]] = {}
    for group in said.values():
        answers = {(one.asked.decision.action, one.asked.decision.target) for one in group}
        for one in group:
            key = (one.model.model_id, one.is_shadow)
            _add(sums.setdefault(key, dict.fromkeys(model_queries.COUNTS, 0)), one, is_compared=len(group) > 1, agrees=len(answers) == 1)
    return sums


def _add(counts: dict[str, int], one: Told, *, is_compared: bool, agrees: bool) -> None:
    counts["decision_count"] += 1
    counts["switch_count"] += one.asked.decision.action is Action.SWITCH
    counts["replica_count"] += one.asked.decision.action is Action.CREATE_REPLICA
    counts["failed_count"] += one.asked.kind is AnswerKind.FAILED
    counts["slow_count"] += one.asked.kind is AnswerKind.SLOW
    counts["off_schema_count"] += one.asked.kind is AnswerKind.OFF_SCHEMA
    counts["compared_count"] += is_compared
    counts["agreed_count"] += is_compared and agrees
    counts["latency_us"] += round(one.asked.latency_ms * 1000)
    here, on_demand = one.given.situation.market.usd_per_hour, one.given.situation.on_demand_usd_per_hour
    if here is not None and on_demand:
        counts["priced_count"] += 1
        counts["price_ppm_of_on_demand"] += round(here / on_demand * MILLION)


def _tell_failures(tx: Transaction, tick_at: datetime, told: Iterable[Told]) -> None:
    """Tell each client once a day that a model which decides for it gives no answers that count."""
    failed: Mapping[tuple[str, str], Told] = {
        (one.agent.client_id, one.model.model_id): one for one in told if one.asked.kind is not AnswerKind.ANSWERED and not one.is_shadow
    }
    for (client_id, model_id), one in sorted(failed.items()):
        notify(
            tx,
            client_id=client_id,
            agent_id=None,
            severity=Severity.WARNING,
            kind="decision_model_failed",
            text=(
                f"The decision model {one.model.name} gave no answer that counts for {one.agent.logical_agent_id} "
                f"({one.asked.kind}: {one.asked.failure}). Its workloads stay where they are; notices are acted on as always."
            ),
            dedupe_key=f"decision_model_failed/{client_id}/{model_id}/{tick_at:%Y-%m-%d}",
        )
