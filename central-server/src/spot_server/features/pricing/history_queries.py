"""The canonical tier as charts read it: put into buckets by the database, which then sends hundreds of rows and not many thousands."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Integer, bindparam, column, func, select, table

from spot_server.db.runner import Transaction
from spot_server.features.pricing.chart_rules import Slot
from spot_server.features.pricing.rules import BUCKET_SECONDS

BUCKETS_A_ROW = 60
RANKS, COUNTS, PRICES = 2**3, 2**7, 2**31
"""More than there are kinds of sources, than a TinyCount holds, and than a SpotUsd does: what a price is packed with."""

_canonical = table(
    "pricing_canonical",
    *(column(name, Integer) for name in ("pool_id", "bucket_at", "usd_per_hour", "source", "is_interpolated", "distinct_price_count")),
)
_staging = table("spot_price_snapshots", column("pool_id", Integer), column("bucket_at", Integer))
_progress = table("price_progress", column("pool_id", Integer), column("consolidated_until", Integer))

_at_seconds = _canonical.c.bucket_at * BUCKET_SECONDS
_slot_at = _at_seconds - _at_seconds % bindparam("bucket_seconds", type_=Integer)
_WHERE = (
    _canonical.c.pool_id.in_(bindparam("pool_ids", expanding=True, type_=Integer)),
    _canonical.c.bucket_at >= bindparam("since", type_=Integer),
    _canonical.c.bucket_at < bindparam("until", type_=Integer),
)
_SLOTS = (
    select(
        _canonical.c.pool_id,
        _slot_at.label("slot_at"),
        func.sum(_canonical.c.usd_per_hour),
        func.count(),
        func.min(_canonical.c.usd_per_hour),
        func.max(_canonical.c.usd_per_hour),
        func.min(_canonical.c.source),
        func.min(_canonical.c.is_interpolated),
        func.max(_canonical.c.distinct_price_count),
    )
    .where(*_WHERE)
    .group_by(_canonical.c.pool_id, "slot_at")
    .order_by(_canonical.c.pool_id, "slot_at")
)
_row_at = _canonical.c.bucket_at - _canonical.c.bucket_at % BUCKETS_A_ROW
_price = (_canonical.c.bucket_at % BUCKETS_A_ROW * PRICES + _canonical.c.usd_per_hour) * RANKS + _canonical.c.source
_packed = (_price * 2 + _canonical.c.is_interpolated) * COUNTS + _canonical.c.distinct_price_count
_ROWS = (
    select(_canonical.c.pool_id, _row_at.label("row_at"), func.group_concat(_packed))
    .where(*_WHERE)
    .group_by(_canonical.c.pool_id, "row_at")
    .order_by(_canonical.c.pool_id, "row_at")
)
"""Each five minutes, but five hours of them in one row and each in one number: to read two thousand rows takes PyMySQL, which is written in
Python, ten times as long as the database. Sixty numbers of at most 15 digits are below the 1,024 characters that MySQL allows."""


def read_slots(tx: Transaction, pool_ids: Sequence[int], since: int, until: int, bucket_seconds: int) -> dict[int, list[Slot]]:
    """Return what is consolidated of these pools in since <= bucket < until, in buckets of a chart, oldest first."""
    slots: dict[int, list[Slot]] = {pool_id: [] for pool_id in pool_ids}
    asked = {"pool_ids": list(pool_ids), "since": since, "until": until}
    if bucket_seconds == BUCKET_SECONDS:
        for pool_id, row_at, packed in tx.execute(_ROWS, asked):
            # In the order of time, which leads in each number, and which nobody promises of those of a row.
            first, numbers = int(row_at), sorted(map(int, packed.split(",")))
            slots[pool_id] += [
                Slot(
                    (first + (one >> 42)) * BUCKET_SECONDS,
                    micros := one >> 11 & PRICES - 1,
                    1,
                    micros,
                    micros,
                    one >> 8 & RANKS - 1,
                    one >> 7 & 1 == 1,
                    one & COUNTS - 1,
                )
                for one in numbers
            ]
        return slots
    for pool_id, at, total, count, least, most, rank, is_interpolated, distinct in tx.execute(
        _SLOTS, {**asked, "bucket_seconds": bucket_seconds}
    ):
        slots[pool_id].append(Slot(int(at), int(total), count, least, most, rank, bool(is_interpolated), distinct))
    return slots


_CONSOLIDATED = select(_progress.c.pool_id, _progress.c.consolidated_until).where(
    _progress.c.pool_id.in_(bindparam("pool_ids", expanding=True, type_=Integer))
)


def consolidated_until(tx: Transaction, pool_ids: Sequence[int]) -> dict[int, int]:
    """Return up to which bucket (left out) each of these pools is consolidated; 0: nothing of it is."""
    return {row.pool_id: row.consolidated_until or 0 for row in tx.execute(_CONSOLIDATED, {"pool_ids": list(pool_ids)})}


_last = _canonical.alias("last")
_last_bucket = (
    select(_last.c.bucket_at)
    .where(_last.c.pool_id == _progress.c.pool_id, _last.c.bucket_at < bindparam("before", type_=Integer))
    .order_by(_last.c.bucket_at.desc())
    .limit(1)
    .scalar_subquery()
)
_LAST_BUCKETS = select(_progress.c.pool_id, _last_bucket.label("bucket_at")).where(
    _progress.c.pool_id.in_(bindparam("pool_ids", expanding=True, type_=Integer))
)


def last_buckets(tx: Transaction, pool_ids: Sequence[int], before: int) -> dict[int, int]:
    """Return the last bucket before `before` that has a row, of those of these pools that have one."""
    rows = tx.execute(_LAST_BUCKETS, {"pool_ids": list(pool_ids), "before": before})
    return {row.pool_id: row.bucket_at for row in rows if row.bucket_at is not None}


_ANY_SEEN = (
    select(_staging.c.pool_id)
    .where(
        _staging.c.pool_id.in_(bindparam("pool_ids", expanding=True, type_=Integer)),
        _staging.c.bucket_at >= bindparam("since", type_=Integer),
        _staging.c.bucket_at < bindparam("until", type_=Integer),
    )
    .limit(1)
)


def has_seen(tx: Transaction, pool_ids: Sequence[int], since: int, until: int) -> bool:
    """Tell whether anything was seen of these pools in since <= bucket < until."""
    return tx.execute(_ANY_SEEN, {"pool_ids": list(pool_ids), "since": since, "until": until}).first() is not None
