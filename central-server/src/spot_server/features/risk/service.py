"""Computing the risk of every pool, and showing it: with the reader's own inputs, and never with another client's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import find_agent_of_client
from spot_server.features.cooldowns.rules import Cooldown
from spot_server.features.instances.age_rules import began_at
from spot_server.features.instances.queries import primary_of
from spot_server.features.replicas.boot_rules import BOOT_WINDOW_DAYS, expected_boot_seconds
from spot_server.features.replicas.queries import measured_boots
from spot_server.features.risk import queries
from spot_server.features.risk.advisor import AdvisorBand, newest_bands
from spot_server.features.risk.evidence_rules import (
    LOOKBACK_HOURS,
    Evidence,
    Lifetime,
    PoolKey,
    prior_multiple,
    tally_pool,
    weigh_pools,
)
from spot_server.features.risk.lifetime_rules import Presence, Record, lifetime_of, record_of
from spot_server.features.risk.model import RiskModel
from spot_server.features.risk.queries import PoolRisk, SpotInstance, SpotPool
from spot_server.features.risk.rules import SHOWN_AGES_HOURS, loss_chances, risk_score
from spot_server.paging import Page, page_of, read_cursor

LOOKBACK = timedelta(hours=LOOKBACK_HOURS)


@dataclass(frozen=True, slots=True)
class Boots:
    """How long launches took to be ready in a pool, or of its type, and how many there were of either."""

    seconds: float | None
    count: int


@dataclass(frozen=True, slots=True)
class ShownRisk:
    """A pool's risk as a client sees it: the chances, which all clients' losses go into, and its own part of the inputs."""

    risk: PoolRisk
    own: Record
    own_boots: Boots
    now: datetime


@dataclass(frozen=True, slots=True)
class _Market:
    """What a row says of its pool besides the chances."""

    pool: SpotPool
    evidence: Evidence
    record: Record
    boots: Boots
    cooldown: Cooldown | None
    band: AdvisorBand | None


def computation_of(now: datetime, period_seconds: float) -> datetime:
    """Return the moment that names the computation which is due: a run that was cut short goes on with the same one."""
    seconds = now.timestamp()
    return datetime.fromtimestamp(seconds - seconds % period_seconds, UTC)


def compute(tx: Transaction, model: RiskModel, computed_at: datetime) -> list[dict[str, Any]]:
    """Return the rows of this computation that are not stored yet. Reads only, in a number of statements that does not grow."""
    pools, done = queries.list_pools(tx), queries.computed_pools(tx, computed_at)
    if all(pool.pool_id in done for pool in pools):
        return []
    bands = queries.list_bands(tx, {pool.region for pool in pools})
    lifetimes = _lifetimes(queries.list_spot_instances(tx, tx.now - LOOKBACK), queries.list_losses(tx, tx.now - LOOKBACK), tx.now)
    multiples = {key: _multiple(model, bands, key) for key in {*lifetimes, *(pool.key for pool in pools)}}
    evidence = weigh_pools(model, {key: tally_pool(model, lived) for key, lived in lifetimes.items()}, multiples)
    boots = _boots(queries.list_boots(tx, tx.now - timedelta(days=BOOT_WINDOW_DAYS)), [(one.instance_type, one.az_id) for one in pools])
    cooldowns = queries.list_cooldowns(tx)
    return [
        _row(
            model,
            computed_at,
            _Market(
                pool,
                evidence[pool.key],
                record_of(lifetimes.get(pool.key, ())),
                boots[pool.instance_type, pool.az_id],
                cooldowns.get(pool.key),
                bands.get((pool.region, pool.instance_type)),
            ),
        )
        for pool in pools
        if pool.pool_id not in done
    ]


def _multiple(model: RiskModel, bands: Mapping[tuple[str, str], AdvisorBand], pool: PoolKey) -> float:
    band = bands.get((pool.region, pool.instance_type))
    return prior_multiple(model, None if band is None else band.band)


def _lifetimes(lived: Iterable[SpotInstance], lost_at: Mapping[tuple[str, str], datetime], now: datetime) -> dict[PoolKey, list[Lifetime]]:
    found: dict[PoolKey, list[Lifetime]] = defaultdict(list)
    for one in lived:
        lost = lost_at.get((one.agent_id, one.instance_id))
        began = began_at(one.launched_at, one.booted_at, one.registered_at)
        watched_at = None if one.launched_by_server else one.registered_at
        seen = Presence(began, one.last_heartbeat_at, lost, one.terminated_at, one.released_at, watched_at)
        found[PoolKey(one.region, one.az_id, one.instance_type)].append(lifetime_of(seen, now))
    return dict(found)


def _boots(measured: Sequence[Any], pools: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Boots]:
    seconds = expected_boot_seconds(measured, pools)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for boot in measured:
        counts[boot.instance_type, boot.az_id] += 1
    return {pool: Boots(seconds.get(pool), counts[pool]) for pool in pools}


def _row(model: RiskModel, computed_at: datetime, market: _Market) -> dict[str, Any]:
    ages = [(age, loss_chances(model, market.evidence, age)) for age in SHOWN_AGES_HOURS]
    hour, day = ages[0][1].hour, ages[0][1].day
    band, cooldown = market.band, market.cooldown
    return {
        "pool_id": market.pool.pool_id,
        "computed_at": computed_at,
        "score": risk_score(day.chance),
        "chance_hour": hour.chance,
        "chance_hour_low": hour.low,
        "chance_hour_high": hour.high,
        "chance_day": day.chance,
        "chance_day_low": day.low,
        "chance_day_high": day.high,
        "by_age": [{"age_hours": age, "chance_hour": said.hour.chance, "chance_day": said.day.chance} for age, said in ages],
        "boot_seconds": market.boots.seconds,
        "boot_count": market.boots.count,
        "shortage_count": 0 if cooldown is None else cooldown.shortage_count,
        "cooldown_until": None if cooldown is None else cooldown.until_at,
        "advisor_band": None if band is None else band.band,
        "advisor_snapshot_at": None if band is None else band.snapshot_at,
        "inputs": {**asdict(market.record), **asdict(market.evidence)},
        "model_version": model.version,
    }


def list_for_agent(tx: Transaction, client_id: str, agent_id: str) -> list[ShownRisk]:
    """Return the risk of every pool that the agent may use, as its client may see it; NotFound for another client's agent."""
    agent = find_agent_of_client(tx, client_id, agent_id)
    primary = primary_of(tx, agent_id)
    types = {*agent.allowed_instance_types, *(() if primary is None else (primary.instance_type,))}
    risks = [risk for risk in queries.latest_risks(tx, agent.region, types) if primary is None or risk.product == primary.product]
    since = tx.now - LOOKBACK
    own = _lifetimes(
        queries.list_own_instances(tx, client_id, agent.region, types, since), queries.list_losses(tx, since, client_id), tx.now
    )
    boots = _boots(measured_boots(tx, client_id, sorted(types)), [(risk.instance_type, risk.az_id) for risk in risks])
    return [
        ShownRisk(
            risk,
            record_of(own.get(PoolKey(risk.region, risk.az_id, risk.instance_type), ())),
            boots[risk.instance_type, risk.az_id],
            tx.now,
        )
        for risk in risks
    ]


def list_all(tx: Transaction, *, limit: int, cursor: str | None) -> Page[PoolRisk]:
    """Return a page of all pools' newest rows, for admins: with what all clients' instances went into them."""
    after = read_cursor(cursor, int)
    rows = queries.page_of_risks(tx, after=after[0] if after else 0, most=limit + 1)
    return page_of(rows, limit=limit, position=lambda risk: [risk.pool_id])


def import_bands(tx: Transaction, rows: list[AdvisorBand]) -> int:
    """Store the newest band of each market, unless a newer one is stored; return how many were.

    A stored one of a day to come is none that Spot Advisor said, and gives way.
    """
    known = queries.snapshot_moments(tx)
    fresh = [
        band
        for band in newest_bands(rows)
        if (stored := known.get((band.region, band.instance_type))) is None or stored > tx.now or band.snapshot_at >= stored
    ]
    queries.store_bands(tx, fresh)
    return len(fresh)
