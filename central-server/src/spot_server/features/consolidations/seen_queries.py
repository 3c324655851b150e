"""What was seen of prices, as the bare numbers that the table holds: half an hour of a pool in one row, and each price in one number.

A row costs PyMySQL, which is written in Python, ten times what it costs the database: half a day of one pool is some five hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Integer, bindparam, case, column, func, select, table

from spot_server.db.runner import Transaction
from spot_server.features.consolidations.rules import Seen

BUCKETS_A_ROW = 6
COUNT_BITS, RANK_BITS, MICROS_BITS = 20, 3, 31
"""A count, by which a median weighs prices, is told apart up to a million; there are fewer than 8 kinds of sources; a SpotUsd has 32 bits,
one of them for a sign."""
MOST_COUNT, RANKS, MOST_MICROS = 2**COUNT_BITS - 1, 2**RANK_BITS, 2**MICROS_BITS - 1
BASE = 2**60
"""Added to each number, so that all have 19 digits and one that is cut is noticed: MySQL cuts what it joins at 1,024 characters."""
DIGITS = 19
RANK_AT, MICROS_AT, STEP_AT = COUNT_BITS, COUNT_BITS + RANK_BITS, COUNT_BITS + RANK_BITS + MICROS_BITS

_staging = table(
    "spot_price_snapshots",
    *(column(name, Integer) for name in ("pool_id", "bucket_at", "source", "usd_per_hour", "observation_count")),
)
_step = _staging.c.bucket_at % BUCKETS_A_ROW
_count = case((_staging.c.observation_count > MOST_COUNT, MOST_COUNT), else_=_staging.c.observation_count)
_price = (_step * 2**MICROS_BITS + _staging.c.usd_per_hour) * RANKS + _staging.c.source
_packed = BASE + _price * 2**COUNT_BITS + _count
_first = _staging.c.bucket_at - _step
_WHERE = (
    _staging.c.pool_id.in_(bindparam("pool_ids", expanding=True, type_=Integer)),
    _staging.c.bucket_at >= bindparam("since", type_=Integer),
    _staging.c.bucket_at < bindparam("until", type_=Integer),
)
_HALF_HOURS = (
    select(_staging.c.pool_id, _first.label("first_bucket"), func.count(), func.group_concat(_packed))
    .where(*_WHERE)
    .group_by(_staging.c.pool_id, "first_bucket")
    .order_by(_staging.c.pool_id, "first_bucket")
)
_ROWS = (
    select(_staging.c.pool_id, _staging.c.bucket_at, _staging.c.source, _staging.c.usd_per_hour, _staging.c.observation_count)
    .where(*_WHERE)
    .order_by(_staging.c.pool_id, _staging.c.bucket_at)
)


def read_seen(tx: Transaction, pool_ids: Sequence[int], since: int, until: int) -> dict[int, list[Seen]]:
    """Return what was seen of these pools in since <= bucket < until, in the order of buckets."""
    asked = {"pool_ids": list(pool_ids), "since": since, "until": until}
    seen: dict[int, list[Seen]] = {pool_id: [] for pool_id in pool_ids}
    for pool_id, first, count, joined in tx.execute(_HALF_HOURS, asked):
        if len(joined) != (DIGITS + 1) * count - 1:
            return _read_rows(tx, asked, pool_ids)
        # In the order of time, which leads in each number, and which nobody promises of those of a row.
        numbers = sorted(map(int, joined.split(",")))
        seen[pool_id] += [
            Seen(int(first) + (one >> STEP_AT & 7), one >> RANK_AT & RANKS - 1, one >> MICROS_AT & MOST_MICROS, one & MOST_COUNT)
            for one in numbers
        ]
    return seen


def _read_rows(tx: Transaction, asked: dict[str, object], pool_ids: Iterable[int]) -> dict[int, list[Seen]]:
    """The same row by row, for times in which a pool had more prices than fit into one."""
    seen: dict[int, list[Seen]] = {pool_id: [] for pool_id in pool_ids}
    for pool_id, *row in tx.execute(_ROWS, asked):
        seen[pool_id].append(Seen(*row))
    return seen
