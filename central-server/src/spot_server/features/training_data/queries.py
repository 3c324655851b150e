"""Reading consolidated prices in order, a stretch at a time: no answer is larger than one stretch, however much there is in all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from sqlalchemy import bindparam, select

from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import on_demand_prices, pricing_canonical, spot_pools
from spot_server.db.types import PriceBucket
from spot_server.features.consolidations.queries import last_end
from spot_server.features.consolidations.rules import next_begins_at
from spot_server.features.pricing.rules import bucket_from
from spot_server.features.training_data.rules import Kept, Span
from spot_server.words import PriceSource

STRETCH = timedelta(days=30)
"""Of one pool: 8,640 rows."""


@dataclass(frozen=True, slots=True)
class PricedPool:
    """A pool with what its type costs on demand now; None: not known."""

    pool_id: int
    region: str
    az_id: str
    instance_type: str
    product: str
    on_demand_usd_per_hour: Decimal | None


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One consolidated price."""

    at: datetime
    usd_per_hour: Decimal
    source: PriceSource
    is_interpolated: bool
    distinct_price_count: int


_market = spot_pools
_POOLS = (
    select(
        _market.c.pool_id, _market.c.region, _market.c.az_id, _market.c.instance_type, _market.c.product, on_demand_prices.c.usd_per_hour
    )
    .select_from(
        _market.outerjoin(
            on_demand_prices,
            (on_demand_prices.c.region == _market.c.region)
            & (on_demand_prices.c.instance_type == _market.c.instance_type)
            & (on_demand_prices.c.product == _market.c.product),
        )
    )
    .order_by(_market.c.region, _market.c.instance_type, _market.c.az_id, _market.c.product)
)
_price = pricing_canonical
_ROWS = (
    select(_price.c.bucket_at, _price.c.usd_per_hour, _price.c.source, _price.c.is_interpolated, _price.c.distinct_price_count)
    .where(
        _price.c.pool_id == bindparam("pool_id"),
        _price.c.bucket_at >= bindparam("since", type_=PriceBucket),
        _price.c.bucket_at < bindparam("until", type_=PriceBucket),
    )
    .order_by(_price.c.bucket_at)
)
_OF_POOL = select(_price.c.bucket_at).where(_price.c.pool_id == bindparam("pool_id")).limit(1)
_FIRST, _LAST = _OF_POOL.order_by(_price.c.bucket_at), _OF_POOL.order_by(_price.c.bucket_at.desc())


def list_pools(tx: Transaction, region: str | None) -> list[PricedPool]:
    """Return all pools, or those of a region, in the order of their names."""
    statement = _POOLS if region is None else _POOLS.where(_market.c.region == region)
    return [PricedPool(*row) for row in tx.execute(statement)]


def read_rows(tx: Transaction, pool_id: int, since: datetime, until: datetime) -> list[PriceRow]:
    """Return the pool's prices in since <= bucket < until, both the start of a bucket."""
    return [PriceRow(*row) for row in tx.execute(_ROWS, {"pool_id": pool_id, "since": since, "until": until})]


def first_bucket(tx: Transaction, pool_id: int) -> datetime | None:
    """Return the first bucket in which the pool has a price."""
    return tx.execute(_FIRST, {"pool_id": pool_id}).scalar_one_or_none()


def read_kept(tx: Transaction, region: str | None, period: timedelta) -> Kept:
    """Return what there is at all; `period`: between two consolidations. Two statements for each pool: for when a span has nothing."""
    pools = list_pools(tx, region)
    ends = [tx.execute(one, {"pool_id": pool.pool_id}).scalar_one_or_none() for pool in pools for one in (_FIRST, _LAST)]
    buckets = [bucket for bucket in ends if bucket is not None]
    reach = (min(buckets), max(buckets)) if buckets else None
    return Kept(bool(pools), reach, next_begins_at(last_end(tx), period))


def stream_rows(database: Database, span: Span, region: str | None) -> Iterator[tuple[PricedPool, list[PriceRow]]]:
    """Yield every price of the span, pool by pool and oldest first, each stretch read in a transaction of its own."""
    until = bucket_from(span.until)
    for pool in database.read(partial(list_pools, region=region)):
        first = database.read(partial(first_bucket, pool_id=pool.pool_id))
        begin = until if first is None else max(first, bucket_from(span.since))
        while begin < until:
            end = min(until, begin + STRETCH)
            rows = database.read(partial(read_rows, pool_id=pool.pool_id, since=begin, until=end))
            if rows:
                yield pool, rows
            begin = end
