"""Deleting old prices by ranges of the clustered key: pool and time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Table, and_, delete, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import pricing_canonical, spot_pools, spot_price_snapshots
from spot_server.features.pricing.retention_rules import Slice

PRICE_TABLES = (spot_price_snapshots, pricing_canonical)
"""What is deleted first is what the other was made of."""


def oldest_buckets(tx: Transaction, table: Table, before: datetime) -> dict[int, datetime]:
    """Return the first bucket of each pool that has one before `before`: one look at the key for each pool, on every database."""
    first = select(table.c.bucket_at).where(table.c.pool_id == spot_pools.c.pool_id).order_by(table.c.bucket_at).limit(1).scalar_subquery()
    rows = tx.execute(select(spot_pools.c.pool_id, first.label("bucket_at")).where(first < before))
    return {row.pool_id: row.bucket_at for row in rows}


def delete_slices(tx: Transaction, table: Table, slices: Sequence[Slice]) -> int:
    """Delete these slices, and return how many rows there were."""
    pools: dict[datetime, list[int]] = {}
    for one in slices:
        pools.setdefault(one.until, []).append(one.pool_id)
    ranges = [and_(table.c.pool_id.in_(ids), table.c.bucket_at < until) for until, ids in sorted(pools.items())]
    return tx.execute(delete(table).where(or_(*ranges))).rowcount
