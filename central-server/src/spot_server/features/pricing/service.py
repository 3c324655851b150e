"""Taking price reports in, and showing prices with their source and age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.heartbeats.rules import clock_skew_seconds, is_skew_noted
from spot_server.features.instances.queries import Instance, find_instance_of_client, load_instance, store_clock_skew
from spot_server.features.pricing import market_queries, queries
from spot_server.features.pricing.market_rules import LINUX, base_product, check_price
from spot_server.features.pricing.on_demand import OnDemandCatalogue, OnDemandPrice
from spot_server.features.pricing.queries import PoolPrice
from spot_server.features.pricing.rules import (
    Observation,
    RefusedRow,
    ReportedPrice,
    bucket_of,
    newest_of_each_pool,
    observed_at_or_now,
    source_of,
    whole_micros,
)
from spot_server.words import PriceSource


@dataclass(frozen=True, slots=True)
class PriceReport:
    """What a daemon saw. `prices` keeps each row's place in the report; `refused` are the rows whose shape was wrong."""

    observed_at: datetime
    prices: Sequence[tuple[int, ReportedPrice]]
    refused: Sequence[RefusedRow]
    instance_types: Sequence[dict[str, Any]]
    report_id: str


@dataclass(frozen=True, slots=True)
class ReportOutcome:
    """How many rows were taken, and which were not."""

    accepted: int
    refused: list[RefusedRow]


@dataclass(frozen=True, slots=True)
class InstancePricing:
    """What an instance's markets cost now. `current` is its own pool's price; None where nobody has reported.

    `on_demand` has a price for each type that one is known of; `zones` are those in which the agent has a subnet, None: it never said.
    """

    instance: Instance
    pools: list[PoolPrice]
    current: PoolPrice | None
    on_demand: dict[str, OnDemandPrice]
    zones: frozenset[str] | None
    now: datetime


def report_prices(tx: Transaction, agent_id: str, instance_id: str, report: PriceReport) -> ReportOutcome:
    """Store the good rows of a report and name the others; the same report again changes nothing. RoleZombie for who may not report."""
    agent, instance = load_agent(tx, agent_id), load_instance(tx, agent_id, instance_id)
    source = source_of(instance.role)
    observed_at = observed_at_or_now(report.observed_at, tx.now)
    _note_clock(tx, instance, report)
    told = [row["instance_type"] for row in report.instance_types]
    described = market_queries.described_types(tx, [*told, *(price.instance_type for _, price in report.prices)])
    known = market_queries.known_markets(
        tx,
        agent.region,
        allowed_types=[*usable_types(agent, instance), *told, *described],
        wanted={(price.instance_type, price.product) for _, price in report.prices},
    )
    verdicts = [(check_price(index, price, known, now=tx.now), price) for index, price in report.prices]
    believed = [row for row, (refusal, _price) in zip(report.prices, verdicts, strict=True) if refusal is None]
    good, repeated = newest_of_each_pool(believed)
    if queries.take_report(tx, agent_id, instance_id, report.report_id):
        pools = queries.ensure_pools(tx, [price.market for price in good])
        observations = [_observation(pools[price.market], price, source, observed_at) for price in good]
        queries.store_observations(tx, observations)
        queries.reopen(tx, observations)
        market_queries.store_instance_types(tx, report.instance_types, known=described)
    refused = [*report.refused, *repeated, *(refusal for refusal, _ in verdicts if refusal is not None)]
    return ReportOutcome(len(good), sorted(refused, key=lambda row: row.index))


def _note_clock(tx: Transaction, instance: Instance, report: PriceReport) -> None:
    """Keep by how much a clock is off that a person should know of; the sweep of the heartbeats tells of it."""
    skew_seconds = clock_skew_seconds(report.observed_at, tx.now)
    if skew_seconds is not None and is_skew_noted(skew_seconds) and not is_skew_noted(instance.clock_skew_seconds):
        store_clock_skew(tx, instance, skew_seconds)


def read_pricing(tx: Transaction, client_id: str, instance_id: str, catalogue: OnDemandCatalogue) -> InstancePricing:
    """Return what the markets that the instance's agent may use cost now; empty, not an error, where nothing is known."""
    instance = find_instance_of_client(tx, client_id, instance_id)
    agent = load_agent(tx, instance.agent_id)
    types = usable_types(agent, instance)
    pools = queries.latest_prices(tx, instance.region, types, instance.product)
    own = [pool for pool in pools if (pool.instance_type, pool.az_id) == (instance.instance_type, instance.az_id)]
    subnets = (agent.launch_specification or {}).get("subnets")
    on_demand = on_demand_prices(tx, instance, types, catalogue)
    return InstancePricing(instance, pools, own[0] if own else None, on_demand, None if subnets is None else frozenset(subnets), tx.now)


def on_demand_prices(tx: Transaction, instance: Instance, types: Sequence[str], catalogue: OnDemandCatalogue) -> dict[str, OnDemandPrice]:
    """Return what these types cost on demand where the instance is, by type: the stored price, else that of the server's own file."""
    from_file = {name: catalogue.price_of(name, instance.region) for name in types if base_product(instance.product) == LINUX}
    stored = market_queries.on_demand_of(tx, instance.region, types, instance.product)
    return {
        **{name: price for name, price in from_file.items() if price is not None},
        **{name: OnDemandPrice(price.usd_per_hour, price.source.value, price.observed_at) for name, price in stored.items()},
    }


def usable_types(agent: Agent, instance: Instance) -> list[str]:
    """Return the instance types that the agent may use."""
    return sorted({instance.instance_type, *agent.allowed_instance_types})


def _observation(pool_id: int, price: ReportedPrice, source: PriceSource, observed_at: datetime) -> Observation:
    return Observation(
        pool_id=pool_id,
        bucket_at=bucket_of(observed_at),
        source=source,
        usd_per_hour=whole_micros(price.usd_per_hour),
        observation_count=1,
        effective_at=price.effective_at,
        last_observed_at=observed_at,
    )
