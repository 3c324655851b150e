"""Prices at full hours, as the bare numbers that the tables hold: two days of a pool in one row, and each price in one number.

A row costs PyMySQL, which is written in Python, ten times what it costs the database, and a week of five hundred pools is 84,500.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import FromClause, Integer, Select, bindparam, column, func, literal, select, table

from spot_server.db.runner import Transaction
from spot_server.features.consolidations.rules import bucket_number
from spot_server.features.pricing.rules import BUCKET_SECONDS

BUCKETS_A_ROW = 48 * 3600 // BUCKET_SECONDS
PRICES = 2**31
"""More than a SpotUsd holds. Forty-eight numbers of at most 13 digits are below the 1,024 characters at which MySQL cuts what it joins."""

_MICROS = Decimal(1_000_000)


class HourPrice(NamedTuple):
    """A pool's price at a full hour."""

    usd_per_hour: Decimal
    is_interpolated: bool


HourPrices = dict[tuple[int, datetime], HourPrice]
"""By (pool, hour)."""

_canonical = table("pricing_canonical", *(column(name, Integer) for name in ("pool_id", "bucket_at", "usd_per_hour", "is_interpolated")))
_staging = table(
    "spot_price_snapshots",
    *(column(name, Integer) for name in ("pool_id", "bucket_at", "source", "usd_per_hour", "observation_count")),
    column("effective_at"),
)


def _of_hours(prices: FromClause) -> tuple[Any, Any]:
    pools, marks = bindparam("pool_ids", expanding=True, type_=Integer), bindparam("marks", expanding=True, type_=Integer)
    return prices.c.pool_id.in_(pools), prices.c.bucket_at.in_(marks)


def _two_days_a_row(prices: FromClause, is_interpolated: Any, *where: Any) -> Select[Any]:  # noqa: ANN401 - SQLAlchemy's own
    place = prices.c.bucket_at % BUCKETS_A_ROW
    first = (prices.c.bucket_at - place).label("first_bucket")
    packed = (place * PRICES + prices.c.usd_per_hour) * 2 + is_interpolated
    return select(prices.c.pool_id, first, func.group_concat(packed)).where(*where).group_by(prices.c.pool_id, "first_bucket")


_CONSOLIDATED = _two_days_a_row(_canonical, _canonical.c.is_interpolated, *_of_hours(_canonical))

# `choose_current` in the words of the database, so that one price of each hour is sent.
_order = (_staging.c.effective_at.desc(), _staging.c.source, _staging.c.observation_count.desc(), _staging.c.usd_per_hour.desc())
_turn = func.row_number().over(partition_by=(_staging.c.pool_id, _staging.c.bucket_at), order_by=_order)
_ranked = (
    select(_staging.c.pool_id, _staging.c.bucket_at, _staging.c.usd_per_hour, _turn.label("turn")).where(*_of_hours(_staging)).subquery()
)
_SEEN = _two_days_a_row(_ranked, literal(0, Integer), _ranked.c.turn == 1)


def consolidated_hours(tx: Transaction, pool_ids: Sequence[int], marks: Sequence[datetime]) -> HourPrices:
    """Return the consolidated prices of these pools at these full hours, as far as there are any."""
    return _read(tx, _CONSOLIDATED, pool_ids, marks)


def seen_hours(tx: Transaction, pool_ids: Sequence[int], marks: Sequence[datetime]) -> HourPrices:
    """Return what was seen of these pools in the first five minutes of these hours, by `choose_current` where it was several."""
    return _read(tx, _SEEN, pool_ids, marks)


def _read(tx: Transaction, statement: Select[Any], pool_ids: Sequence[int], marks: Sequence[datetime]) -> HourPrices:
    found: HourPrices = {}
    moments = {bucket_number(mark): mark for mark in marks}
    for pool_id, first, joined in tx.execute(statement, {"pool_ids": list(pool_ids), "marks": list(moments)}):
        for number in map(int, joined.split(",")):
            rest, is_interpolated = divmod(number, 2)
            place, micros = divmod(rest, PRICES)
            found[pool_id, moments[int(first) + place]] = HourPrice(_usd(micros), bool(is_interpolated))
    return found


@lru_cache(maxsize=10_000)
def _usd(micros: int) -> Decimal:
    return Decimal(micros) / _MICROS
