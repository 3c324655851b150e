"""Putting together what a model is given about an agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.decision_models.inputs import (
    AgentSettings,
    Calendar,
    Candidate,
    DecisionInput,
    Experience,
    Market,
    Situation,
)
from spot_server.features.activity.rules import UsualWeek, quiet_hours
from spot_server.features.agents.queries import Agent
from spot_server.features.decisions import fleet_queries
from spot_server.features.decisions.calendar_rules import is_open, opens_at
from spot_server.features.decisions.fleet_queries import Past, Primary
from spot_server.features.decisions.market_sources import PriceWindows, RegionMarkets, read_markets
from spot_server.features.instances.age_rules import began_at
from spot_server.features.replicas.launching import bound_by
from spot_server.features.replicas.placement import Place, Shape, Wish, list_offers, rank_offers
from spot_server.words import Carry

Reach = tuple[str, str, tuple[str, ...], tuple[str, ...], Place, str, str | None, bool]
"""What decides about an agent's candidates: agents that agree in it share them."""


@dataclass(slots=True)
class World:
    """What all decisions of one round share: the markets of each (region, product), cool-downs, sizes of types."""

    now: datetime
    markets: dict[tuple[str, str], RegionMarkets]
    cooling: dict[str, dict[tuple[str, str], datetime]]
    shapes: dict[str, Shape]
    candidates: dict[Reach, tuple[Candidate, ...]] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    """Digests of the documents that this round has stored and committed."""

    def unstored_documents(self) -> dict[str, dict[str, Any]]:
        """Return what the decisions of the round were made from and is not stored yet, by digest."""
        found = (pair for region in self.markets.values() for pair in region.documents.items())
        return {named: document for named, document in found if named not in self.stored}

    def note_stored(self) -> None:
        """Everything that was named until now is committed."""
        for region in self.markets.values():
            self.stored.update(region.documents)


def read_world(tx: Transaction, windows: PriceWindows, reached: dict[tuple[str, str], set[str]]) -> World:
    """Return what the decisions of a round share; `reached` are the wanted types by (region, product)."""
    markets = {key: read_markets(tx, *key, types, windows) for key, types in sorted(reached.items())}
    regions = sorted({region for region, _product in reached})
    return World(tx.now, markets, {region: fleet_queries.cooling_in(tx, region) for region in regions}, fleet_queries.all_shapes(tx))


def input_for(world: World, agent: Agent, primary: Primary, past: Past, week: UsualWeek | None) -> DecisionInput | None:
    """Return what a model is told about the agent; None where its region is new, and its turn comes in the next round.

    `week`: how busy it usually is; None: too little is known.
    """
    region = world.markets.get((agent.region, primary.product))
    if region is None:
        return None
    own = region.market(primary.mode, primary.instance_type, primary.az_id)
    return DecisionInput(
        decided_at=world.now,
        agent_id=agent.agent_id,
        situation=_situation(world.now, primary, own, region),
        candidates=_candidates(world, agent, primary, region),
        settings=AgentSettings(
            enabled=agent.enabled,
            auto_switch_enabled=agent.auto_switch_enabled,
            manual_replica_enabled=agent.manual_replica_enabled,
            early_replica_on_warning=agent.early_replica_on_warning,
            value_per_minute_usd=agent.value_per_minute_usd,
            moves_per_day=agent.moves_per_day,
            min_saving_percent=agent.min_saving_percent,
            terminate_wait_seconds=agent.terminate_wait_seconds if agent.auto_terminate_enabled else 0,
        ),
        experience=_experience(past),
        calendar=_calendar(agent, week, world.now),
    )


def _calendar(agent: Agent, week: UsualWeek | None, now: datetime) -> Calendar:
    window = agent.maintenance_window
    if week is None:
        return Calendar(is_open(window, now), opens_at(window, now))
    known = quiet_hours(week, now, may_move=lambda begins: is_open(window, begins))
    return Calendar(is_open(window, now), opens_at(window, now), known.activity_ratio, known.quiet_ratio, known.quiet_at)


def _situation(now: datetime, primary: Primary, own: Market, region: RegionMarkets) -> Situation:
    began = began_at(primary.launched_at, primary.booted_at, primary.registered_at)
    placed_at = primary.last_primary_at or primary.registered_at
    uptime_seconds = max(0.0, (now - began).total_seconds())
    chance = region.chance_at(own, uptime_seconds / 3600)
    return Situation(
        role=primary.role,
        market=own,
        uptime_seconds=uptime_seconds,
        in_place_seconds=max(0.0, (now - placed_at).total_seconds()),
        on_demand_usd_per_hour=region.on_demand_usd_per_hour.get(primary.instance_type),
        chance_per_hour=None if chance is None else chance.per_hour,
        chance_per_day=None if chance is None else chance.per_day,
    )


def _experience(past: Past) -> Experience:
    return Experience(
        planned_downtime_seconds=None if past.planned_ms is None else past.planned_ms / 1000,
        forced_downtime_seconds=None if past.forced_ms is None else past.forced_ms / 1000,
        moves_in_day=past.moves_in_day,
        last_move_at=past.last_move_at,
        last_forced_at=past.last_forced_at,
        losses_in_day=past.losses_in_day,
        is_moving=past.is_moving,
        live_replicas=past.lasting_replicas,
    )


def _candidates(world: World, agent: Agent, primary: Primary, region: RegionMarkets) -> tuple[Candidate, ...]:
    """Return the markets that the agent reaches, judged by the very rules by which a move chooses its place."""
    types = tuple(sorted({primary.instance_type, *agent.allowed_instance_types}))
    zones = tuple(sorted((agent.launch_specification or {}).get("subnets") or {}))
    place = Place(primary.instance_type, primary.az_id, primary.mode)
    bound = bound_by(agent)
    reach = (agent.region, primary.product, types, zones, place, primary.architecture, bound, agent.carry is Carry.VOLUME)
    if reach not in world.candidates:
        world.candidates[reach] = _judge(world, region, reach)
    return world.candidates[reach]


def _judge(world: World, region: RegionMarkets, reach: Reach) -> tuple[Candidate, ...]:
    name, _product, types, zones, place, architecture, bound, stays_in_zone = reach
    offers = list_offers(
        instance_types=types,
        az_ids=zones,
        spot_usd_per_hour={key: market.usd_per_hour for key, market in region.spot.items() if market.usd_per_hour is not None},
        on_demand_usd_per_hour=region.on_demand_usd_per_hour,
        cooling_until=world.cooling.get(name),
    )
    wish = Wish(primary=place, architecture=architecture, bound_by=bound, stays_in_zone=stays_in_zone)
    ranking = rank_offers(offers, wish, world.shapes)
    refusals = {refusal.place: refusal.reason for refusal in ranking.refused}
    places = sorted((offer.place for offer in offers if offer.place != place), key=lambda one: one.key)
    return tuple(Candidate(region.market(one.mode, one.instance_type, one.az_id), refusals.get(one)) for one in places)
