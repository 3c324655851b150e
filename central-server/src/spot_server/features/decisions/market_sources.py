"""What decisions know of markets: prices, windows, risks. The one place that says from which tables they come."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from spot_server.db.runner import Transaction
from spot_server.decision_models.documents import candidates_document, digest, market_document
from spot_server.decision_models.inputs import WINDOW_DAYS, Candidate, Market, PoolRisk, PriceStep
from spot_server.features.decisions.hour_queries import HourPrice, consolidated_hours, seen_hours
from spot_server.features.pricing.market_queries import on_demand_usd_per_hour
from spot_server.features.pricing.queries import latest_prices, list_pools
from spot_server.features.risk.queries import PoolRisk as ComputedRisk
from spot_server.features.risk.queries import latest_risks
from spot_server.features.risk.rules import chance_at_age
from spot_server.words import Mode

WINDOW = timedelta(days=WINDOW_DAYS)
HOUR = timedelta(hours=1)
POOLS_PER_STATEMENT = 100

OLDEST_PRICE = timedelta(hours=6)
"""Daemons report prices every five minutes, and the server reads them as often; what was seen longer ago than this is no price of now."""

OLDEST_RISK = timedelta(hours=6)
"""A risk is computed every 15 minutes; one that is older than this says nothing of now, and counts as unknown."""

ASSUMED_CHANCE_PER_DAY = 0.02
"""Where no risk was computed: about one loss in fifty days, near the middle of AWS's lowest bands (5 to 10 % a month). An assumption."""


class AgedChance(NamedTuple):
    """The chances (0..1) that an instance is lost in its next hour and day."""

    per_hour: float
    per_day: float


@dataclass(slots=True)
class PriceWindows:
    """The price of each pool at every full hour of the last week, kept between rounds: a round reads only the hours that are new."""

    read_until: dict[int, datetime] = field(default_factory=dict)
    hours: dict[int, dict[datetime, HourPrice]] = field(default_factory=dict)
    made: dict[int, tuple[datetime, tuple[PriceStep, ...]]] = field(default_factory=dict)

    def refresh(self, tx: Transaction, pool_ids: Collection[int]) -> None:
        """Read the full hours that have come since the last time; what is older than the window is forgotten."""
        last = tx.now.replace(minute=0, second=0, microsecond=0)
        first = last - WINDOW
        behind: dict[datetime, list[int]] = {}
        for pool_id in pool_ids:
            behind.setdefault(max(self.read_until.get(pool_id, first - HOUR), first - HOUR), []).append(pool_id)
        for since, pools in behind.items():
            marks = [since + HOUR * step for step in range(1, round((last - since) / HOUR) + 1)]
            # The newest hour is read again: its bucket may still be filled.
            for start in range(0, len(pools), POOLS_PER_STATEMENT):
                self._read(tx, pools[start : start + POOLS_PER_STATEMENT], marks)
        for pool_id in pool_ids:
            self.read_until[pool_id] = last - HOUR
            kept = self.hours.setdefault(pool_id, {})
            for hour in [hour for hour in kept if hour < first]:
                del kept[hour]

    def _read(self, tx: Transaction, pool_ids: Sequence[int], marks: Sequence[datetime]) -> None:
        """Take what is consolidated, and of the hours that are not yet what was seen."""
        found = consolidated_hours(tx, pool_ids, marks)
        missing = [(pool_id, hour) for pool_id in pool_ids for hour in marks if (pool_id, hour) not in found]
        if missing:
            pools, hours = sorted({pool_id for pool_id, _ in missing}), sorted({hour for _, hour in missing})
            found = seen_hours(tx, pools, hours) | found
        for (pool_id, hour), price in found.items():
            if self.hours.setdefault(pool_id, {}).get(hour) != price:
                self.hours[pool_id][hour] = price
                self.made.pop(pool_id, None)

    def steps(self, pool_id: int, now: datetime) -> tuple[PriceStep, ...]:
        """Return the pool's window as the hours at which its price, or whether it was reported, changed."""
        last = now.replace(minute=0, second=0, microsecond=0)
        if self.made.get(pool_id, (None, ()))[0] != last:
            self.made[pool_id] = (last, self._steps(self.hours.get(pool_id) or {}, last))
        return self.made[pool_id][1]

    def _steps(self, known: dict[datetime, HourPrice], last: datetime) -> tuple[PriceStep, ...]:
        if not known:
            return ()
        hour = min(known)
        found: list[PriceStep] = []
        price = known[hour]
        while hour <= last:
            # An hour of which nothing is stored has the price of the one before it, as much filled in as what a consolidation fills in.
            price = known.get(hour) or HourPrice(price.usd_per_hour, is_interpolated=True)
            if not found or (found[-1].usd_per_hour, found[-1].is_interpolated) != price:
                found.append(PriceStep(hour, *price))
            hour += HOUR
        return tuple(found)


@dataclass(frozen=True, slots=True)
class RegionMarkets:
    """The markets of one region and product: spot by (type, AZ id), and prices on demand by type."""

    spot: dict[tuple[str, str], Market]
    on_demand_usd_per_hour: dict[str, Decimal]
    by_age: dict[tuple[str, str], list[dict[str, float]]] = field(default_factory=dict)
    """The chances of loss of older instances, by (type, AZ id), as the analysis has them; spot alone."""
    named: dict[str, str] = field(default_factory=dict)
    reaches: dict[int, tuple[tuple[Candidate, ...], str]] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By digest: what the decisions of the round were made from so far."""

    def market(self, mode: Mode, instance_type: str, az_id: str) -> Market:
        """Return a market, also one of which nothing is known."""
        if mode is Mode.SPOT:
            return self.spot.get((instance_type, az_id)) or Market(mode, instance_type, az_id, None, None, risk=UNKNOWN_RISK)
        return Market(mode, instance_type, az_id, self.on_demand_usd_per_hour.get(instance_type), None)

    def chance_at(self, market: Market, age_hours: float) -> AgedChance | None:
        """Return the chances that an instance of this age is lost in the next hour and day; None where no risk was computed."""
        ages = self.by_age.get((market.instance_type, market.az_id))
        if market.mode is not Mode.SPOT or not ages:
            return None
        steps = [one["age_hours"] for one in ages]
        hour, day = (chance_at_age(steps, [one[name] for one in ages], age_hours) for name in ("chance_hour", "chance_day"))
        return AgedChance(hour, day)

    def name_market(self, market: Market) -> str:
        """Return the market's digest; its document is made once, however many agents may go there."""
        if market.key not in self.named:
            self.named[market.key] = self._keep(market_document(market))
        return self.named[market.key]

    def name_candidates(self, candidates: tuple[Candidate, ...]) -> str:
        """Return the digest of a list of candidates, which agents with the same reach share."""
        known = self.reaches.get(id(candidates))
        if known is None:
            digests = {candidate.market.key: self.name_market(candidate.market) for candidate in candidates}
            # The tuple is kept beside its name, or another could come to stand at the same address.
            known = self.reaches[id(candidates)] = (candidates, self._keep(candidates_document(candidates, digests)))
        return known[1]

    def _keep(self, document: dict[str, Any]) -> str:
        named = digest(document)
        self.documents[named] = document
        return named


UNKNOWN_RISK = PoolRisk(
    chance_per_hour=ASSUMED_CHANCE_PER_DAY / 24,
    chance_per_day=ASSUMED_CHANCE_PER_DAY,
    low_per_day=0.0,
    high_per_day=0.2,
    basis="unknown: no risk was computed, 2 % a day is assumed",
    is_known=False,
)


def read_markets(tx: Transaction, region: str, product: str, types: Collection[str], windows: PriceWindows) -> RegionMarkets:
    """Return what is known of these types' markets in a region."""
    wanted = sorted(types)
    prices = {price.pool_id: price for price in latest_prices(tx, region, wanted, product)}
    pools = list_pools(tx, region, wanted, product)
    windows.refresh(tx, [pool.pool_id for pool in pools])
    risks = {row.pool_id: row for row in latest_risks(tx, region, wanted) if tx.now - row.computed_at <= OLDEST_RISK}
    spot = {}
    for pool in pools:
        price, risk = prices.get(pool.pool_id), risks.get(pool.pool_id)
        at = None if price is None else price.observed_at
        usd = None if price is None or tx.now - price.observed_at > OLDEST_PRICE else price.usd_per_hour
        steps = windows.steps(pool.pool_id, tx.now)
        market = Market(Mode.SPOT, pool.instance_type, pool.az_id, usd, at, steps, UNKNOWN_RISK if risk is None else _risk_of(risk))
        spot[pool.instance_type, pool.az_id] = market
    ages = {(row.instance_type, row.az_id): row.by_age for row in risks.values() if row.product == product}
    return RegionMarkets(spot, on_demand_usd_per_hour(tx, region, wanted, product), ages)


def _risk_of(row: ComputedRisk) -> PoolRisk:
    """Return the risk of an instance that would be launched now."""
    return PoolRisk(
        chance_per_hour=row.chance_hour,
        chance_per_day=row.chance_day,
        low_per_day=row.chance_day_low,
        high_per_day=row.chance_day_high,
        basis=f"computed at {row.computed_at:%H:%M} by {row.model_version}",
        computed_at=row.computed_at,
        boot_seconds=row.boot_seconds,
    )
