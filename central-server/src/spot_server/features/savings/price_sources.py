"""The one place where the account reads prices: what was seen of spot prices, and the on-demand prices that the server knows.

What was seen says since when a price holds, by EC2's word, and that is what EC2 bills by. The consolidated tier has a price for each five
minutes, with straight lines over gaps: right for charts, and not what anybody paid.

Whoever moves prices elsewhere changes this module, and nothing else of the account: it takes markets and a time, and gives steps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, func, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import spot_pools, spot_price_snapshots
from spot_server.features.pricing.market_queries import on_demand_of
from spot_server.features.pricing.market_rules import LINUX, base_product
from spot_server.features.pricing.on_demand import OnDemandCatalogue
from spot_server.features.pricing.rules import SOURCE_ORDER, bucket_from, bucket_of
from spot_server.features.savings.calendar_rules import Stretch
from spot_server.features.savings.rules import PriceStep

LOOK_BACK = timedelta(days=2)
"""How long before a time a price may have been seen last to be taken as in force at its beginning: daemons report every 5 minutes."""

LATE_BY = timedelta(days=1)
"""A change of price is seen after it: what was reported up to this long after the time is looked through for changes in it."""

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

Market = tuple[str, str, str, str]
"""Region, AZ id, instance type, product."""

_MARKETS = select(spot_pools.c.pool_id, spot_pools.c.region, spot_pools.c.az_id, spot_pools.c.instance_type, spot_pools.c.product).where(
    spot_pools.c.region.in_(bindparam("regions", expanding=True)),
    spot_pools.c.instance_type.in_(bindparam("instance_types", expanding=True)),
)

_seen = spot_price_snapshots
_STEPS = (
    select(
        _seen.c.pool_id,
        _seen.c.effective_at,
        _seen.c.usd_per_hour,
        _seen.c.source,
        func.min(_seen.c.bucket_at).label("bucket_at"),
        func.sum(_seen.c.observation_count).label("observation_count"),
    )
    .where(
        _seen.c.pool_id.in_(bindparam("pool_ids", expanding=True)),
        _seen.c.bucket_at >= bindparam("since"),
        _seen.c.bucket_at < bindparam("until"),
    )
    .group_by(_seen.c.pool_id, _seen.c.effective_at, _seen.c.usd_per_hour, _seen.c.source)
)


@dataclass(frozen=True, slots=True)
class _Seen:
    pool_id: int
    source_order: int
    count: int
    step: PriceStep


def spot_steps(tx: Transaction, markets: Collection[Market], within: Stretch) -> dict[Market, list[PriceStep]]:
    """Return for each market the prices in force during `within`, oldest first; a market that nobody saw is left out.

    A price counts from the moment that EC2 says it changed, not from when somebody saw it. Of several for one moment: PRIMARY's word before
    REPLICA's before the server's, then the one seen more often, then the dearer one, as everywhere (`pricing.rules.choose_current`).
    """
    if not markets:
        return {}
    asked = {"regions": sorted({one[0] for one in markets}), "instance_types": sorted({one[2] for one in markets})}
    pools = {row.pool_id: (row.region, row.az_id, row.instance_type, row.product) for row in tx.execute(_MARKETS, asked)}
    wanted = sorted(pool_id for pool_id, market in pools.items() if market in set(markets))
    if not wanted:
        return {}
    looked_through = {"since": bucket_of(within.since - LOOK_BACK), "until": bucket_from(within.until + LATE_BY)}
    rows = tx.execute(_STEPS, {"pool_ids": wanted, **looked_through})
    seen = [
        _Seen(
            row.pool_id,
            SOURCE_ORDER[row.source],
            int(row.observation_count),
            PriceStep(row.effective_at, row.usd_per_hour, row.source, row.bucket_at),
        )
        for row in rows
    ]
    return {pools[pool_id]: steps for pool_id, steps in _best_steps(seen).items()}


def _best_steps(seen: Iterable[_Seen]) -> dict[int, list[PriceStep]]:
    best: dict[tuple[int, datetime], _Seen] = {}
    for one in seen:
        key = (one.pool_id, one.step.effective_at)
        if key not in best or _rank(one) < _rank(best[key]):
            best[key] = one
    found: dict[int, list[PriceStep]] = {}
    for (pool_id, _), one in sorted(best.items(), key=lambda entry: entry[0]):
        found.setdefault(pool_id, []).append(one.step)
    return found


def _rank(one: _Seen) -> tuple[int, int, object]:
    return (one.source_order, -one.count, -one.step.usd_per_hour)


OnDemandKey = tuple[str, str, str]
"""Region, instance type, product."""


def on_demand_steps(tx: Transaction, wanted: Collection[OnDemandKey], catalogue: OnDemandCatalogue) -> dict[OnDemandKey, PriceStep]:
    """Return what these cost on demand, each as one step that holds for all time: AWS changes such a price less than once a year.

    The stored price comes before that of the catalogue file that the server was started with, which knows Linux alone; what neither knows
    is left out.
    """
    found: dict[OnDemandKey, PriceStep] = {}
    for region, product in sorted({(region, product) for region, _, product in wanted}):
        names = sorted({name for of, name, under in wanted if (of, under) == (region, product)})
        stored = on_demand_of(tx, region, names, product)
        for name in names:
            price = stored.get(name) or (catalogue.price_of(name, region) if base_product(product) == LINUX else None)
            if price is not None:
                found[region, name, product] = PriceStep(ALWAYS, price.usd_per_hour, price.source)
    return found
