"""Pools, prices and instance types in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import bindparam, func, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import instances, price_progress, spot_pools, spot_price_snapshots
from spot_server.db.types import PriceBucket
from spot_server.db.upsert import insert_or_ignore, insert_or_update
from spot_server.features.pricing.rules import Observation, bucket_of, choose_current
from spot_server.words import PriceSource

ROWS_PER_STATEMENT = 100
"""SQLite before 3.32 takes at most 999 variables a statement; a price row has seven."""


_POOLS_OF = select(spot_pools.c.region, spot_pools.c.az_id, spot_pools.c.instance_type, spot_pools.c.product, spot_pools.c.pool_id).where(
    spot_pools.c.region == bindparam("region"),
    spot_pools.c.az_id.in_(bindparam("az_ids", expanding=True)),
    spot_pools.c.instance_type.in_(bindparam("instance_types", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class Pool:
    """One spot market."""

    pool_id: int
    region: str
    az_id: str
    instance_type: str
    product: str

    @property
    def market(self) -> tuple[str, str, str, str]:
        """What the pool is known by."""
        return (self.region, self.az_id, self.instance_type, self.product)


@dataclass(frozen=True, slots=True)
class PoolPrice:
    """The current price of a pool, who saw it last and when."""

    pool_id: int
    az_id: str
    instance_type: str
    usd_per_hour: Decimal
    observed_at: datetime
    source: PriceSource


def ensure_pools(tx: Transaction, markets: Iterable[tuple[str, str, str, str]]) -> dict[tuple[str, str, str, str], int]:
    """Return the ids of these (region, az_id, instance_type, product), making those that are new; safe against others doing the same."""
    # A fixed order keeps two reports with the same new pools from deadlocking.
    wanted = sorted(set(markets))
    known = _pool_ids(tx, wanted)
    new = [market for market in wanted if market not in known]
    if new:
        rows = [
            {"region": region, "az_id": az_id, "instance_type": instance_type, "product": product, "first_seen_at": tx.now}
            for region, az_id, instance_type, product in new
        ]
        insert_or_ignore(tx.connection, spot_pools, rows, key=["region", "az_id", "instance_type", "product"])
        made = _pool_ids(tx, new)
        insert_or_ignore(tx.connection, price_progress, [{"pool_id": pool_id} for pool_id in sorted(made.values())], key=["pool_id"])
        known.update(made)
    return known


def _pool_ids(tx: Transaction, markets: Sequence[tuple[str, str, str, str]]) -> dict[tuple[str, str, str, str], int]:
    """Find pools by the parts of the unique key, and keep those that are wanted: MariaDB uses no index for (a, b) IN ((1, 2), …)."""
    wanted = set(markets)
    found: dict[tuple[str, str, str, str], int] = {}
    for region in sorted({market[0] for market in wanted}):
        az_ids = sorted({market[1] for market in wanted if market[0] == region})
        types = sorted({market[2] for market in wanted if market[0] == region})
        for start in range(0, len(types), ROWS_PER_STATEMENT):
            asked = {"region": region, "az_ids": az_ids, "instance_types": types[start : start + ROWS_PER_STATEMENT]}
            for *market, pool_id in tx.execute(_POOLS_OF, asked):
                found[market[0], market[1], market[2], market[3]] = pool_id
    return {market: pool_id for market, pool_id in found.items() if market in wanted}


_TAKE_REPORT = (
    update(instances)
    .where(
        instances.c.agent_id == bindparam("of_agent"),
        instances.c.instance_id == bindparam("of_instance"),
        func.coalesce(instances.c.last_price_report_id, "") != bindparam("report_id"),
    )
    .values(last_price_report_id=bindparam("report_id"))
)


def take_report(tx: Transaction, agent_id: str, instance_id: str, report_id: str) -> bool:
    """Note that this report of an instance is stored; False where it was its last one already. Two at once come one after the other."""
    return tx.execute(_TAKE_REPORT, {"of_agent": agent_id, "of_instance": instance_id, "report_id": report_id}).rowcount == 1


def store_observations(tx: Transaction, observations: Sequence[Observation]) -> None:
    """Add observations to the staging tier in bulk; the same price seen again in its bucket raises the count."""
    in_order = sorted(observations, key=lambda seen: (seen.pool_id, seen.bucket_at, seen.source, seen.usd_per_hour))
    for start in range(0, len(in_order), ROWS_PER_STATEMENT):
        insert_or_update(
            tx.connection,
            spot_price_snapshots,
            [asdict(seen) for seen in in_order[start : start + ROWS_PER_STATEMENT]],
            key=["pool_id", "bucket_at", "source", "usd_per_hour"],
            add=["observation_count"],
            replace=["effective_at", "last_observed_at"],
        )


_REOPEN = (
    update(price_progress)
    .where(
        price_progress.c.pool_id.in_(bindparam("pool_ids", expanding=True)),
        price_progress.c.consolidated_until > bindparam("bucket_at", type_=PriceBucket),
    )
    .values(consolidated_until=bindparam("bucket_at", type_=PriceBucket))
)


def reopen(tx: Transaction, observations: Iterable[Observation]) -> None:
    """Have what is late consolidated again: called after it is stored, in the same transaction.

    What is not late is passed over: a bucket is consolidated long after it has ended, and until then its observations are committed.
    A consolidation holds the rows changed here, so that it either reads what was stored or is told of it afterwards.
    """
    oldest: dict[int, datetime] = {}
    for seen in observations:
        oldest[seen.pool_id] = min(seen.bucket_at, oldest.get(seen.pool_id, seen.bucket_at))
    pools_by_bucket: dict[datetime, list[int]] = {}
    for pool_id, bucket_at in oldest.items():
        if bucket_at < bucket_of(tx.now):
            pools_by_bucket.setdefault(bucket_at, []).append(pool_id)
    for bucket_at, pool_ids in sorted(pools_by_bucket.items()):
        tx.execute(_REOPEN, {"pool_ids": sorted(pool_ids), "bucket_at": bucket_at})


def list_pools(tx: Transaction, region: str, wanted_types: Sequence[str], product: str) -> list[Pool]:
    """Return the pools of these instance types in the region that were ever seen."""
    table = spot_pools
    statement = (
        select(table.c.pool_id, table.c.region, table.c.az_id, table.c.instance_type, table.c.product)
        .where(table.c.region == region, table.c.instance_type.in_(wanted_types), table.c.product == product)
        .order_by(table.c.instance_type, table.c.az_id)
    )
    return [Pool(**row._asdict()) for row in tx.execute(statement)]


def latest_prices(tx: Transaction, region: str, wanted_types: Sequence[str], product: str) -> list[PoolPrice]:
    """Return the current price of every pool of these types that has one, however old: the age is the reader's to judge."""
    pools = {pool.pool_id: pool for pool in list_pools(tx, region, wanted_types, product)}
    if not pools:
        return []
    table = spot_price_snapshots
    newest = (
        select(table.c.pool_id, func.max(table.c.bucket_at).label("bucket_at"))
        .where(table.c.pool_id.in_(pools))
        .group_by(table.c.pool_id)
        .subquery()
    )
    statement = select(table).join(newest, (newest.c.pool_id == table.c.pool_id) & (newest.c.bucket_at == table.c.bucket_at))
    seen: dict[int, list[Observation]] = {}
    for row in tx.execute(statement):
        seen.setdefault(row.pool_id, []).append(Observation(**row._asdict()))
    return [_pool_price(pool, choose_current(seen[pool_id])) for pool_id, pool in pools.items() if pool_id in seen]


def _pool_price(pool: Pool, seen: Observation) -> PoolPrice:
    return PoolPrice(pool.pool_id, pool.az_id, pool.instance_type, seen.usd_per_hour, seen.last_observed_at, seen.source)
