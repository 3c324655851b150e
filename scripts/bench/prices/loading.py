"""Filling the price tables. The database makes the rows itself, one statement for each pool: nothing else is as fast."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from bench.prices.markets import PRODUCT, REGION, markets, type_names
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.features.pricing.market_queries import store_instance_types
from spot_server.features.pricing.queries import ensure_pools
from spot_server.features.pricing.rules import BUCKET, bucket_of

BUCKETS_A_DAY = 288
HALF_A_DAY = BUCKETS_A_DAY // 2
BAR_WIDTH = 40

_NUMBERS = "CREATE TEMPORARY TABLE numbers (n INT PRIMARY KEY) ENGINE=InnoDB"
_CANONICAL = """
INSERT INTO pricing_canonical (pool_id, bucket_at, usd_per_hour, source, is_interpolated, distinct_price_count)
SELECT :pool_id, :first + n, CAST(:base * (1 + 0.04 * SIN((n DIV 96) * 1.7 + :pool_id)) AS SIGNED),
  1 + MOD(n DIV 7, 3), MOD(n, 50) = 0, MOD(n, 50) <> 0
FROM numbers WHERE n < :buckets ORDER BY n
"""
_SEEN = """
INSERT INTO spot_price_snapshots (pool_id, bucket_at, source, usd_per_hour, observation_count, effective_at, last_observed_at)
SELECT :pool_id, :first + n, :source, CAST(:base * (1 + 0.04 * SIN((n DIV 96) * 1.7 + :pool_id)) AS SIGNED) + :more, :count,
  TIMESTAMP('2026-01-01 00:00:00'), TIMESTAMP('2026-01-01 00:00:00')
FROM numbers WHERE n < :buckets AND MOD(n, 50) <> 0 AND MOD(n, :every) = 0 ORDER BY n
"""
"""In one of fifty buckets nobody saw anything; `every` 37 gives the conflicts."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What is in the tables: `end` is the first bucket after the last row, half a day of which is not consolidated."""

    pools: int
    canonical_rows: int
    seen_rows: int
    end: datetime
    days: float
    seconds: float


def fill(database: Database, *, rows: int, pools: int, seen_days: int, say: Callable[[str], None]) -> Filled:
    """Load about `rows` consolidated prices of `pools` pools up to half a day ago, and of the last `seen_days` what was seen."""
    ids = _make_pools(database, pools)
    buckets = max(rows // pools, 2 * HALF_A_DAY)
    end = bucket_of(SystemClock().now())
    consolidated_until = end - HALF_A_DAY * BUCKET
    began_seconds = SystemClock().monotonic_seconds()
    seen_rows = _load(database.engine, ids, end, buckets, min(seen_days * BUCKETS_A_DAY, buckets + HALF_A_DAY), say)
    with database.engine.begin() as connection:
        progress = {"until": _number(consolidated_until), "end": _number(end)}
        connection.execute(text("UPDATE price_progress SET consolidated_until = :until, pulled_until = :end"), progress)
        # Without their statistics the first plans after a load this large would be guesses.
        connection.exec_driver_sql("ANALYZE TABLE pricing_canonical, spot_price_snapshots")
    seconds = SystemClock().monotonic_seconds() - began_seconds
    return Filled(pools, buckets * pools, seen_rows, end, buckets / BUCKETS_A_DAY, seconds)


def _make_pools(database: Database, pools: int) -> list[int]:
    wanted = [(REGION, az_id, name, PRODUCT) for az_id, name in markets(pools)]
    described = [{"instance_type": name, "vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]} for name in type_names(pools)]
    database.write(lambda tx: store_instance_types(tx, described))
    made = database.write(lambda tx: ensure_pools(tx, wanted))
    return [made[market] for market in wanted]


def _load(engine: Engine, ids: list[int], end: datetime, buckets: int, seen_buckets: int, say: Callable[[str], None]) -> int:
    seen_rows = 0
    with engine.connect() as connection:
        connection.exec_driver_sql(_NUMBERS)
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0, unique_checks = 0")
        most = max(buckets, seen_buckets)
        for start in range(0, most, 5000):
            part = [(number,) for number in range(start, min(start + 5000, most))]
            connection.exec_driver_sql("INSERT INTO numbers VALUES (%s)", part)
        connection.commit()
        for done, pool_id in enumerate(ids, start=1):
            base = 30_000 + pool_id % 400 * 1000
            asked = {"pool_id": pool_id, "base": base}
            first = _number(end) - HALF_A_DAY - buckets
            connection.execute(text(_CANONICAL), {**asked, "first": first, "buckets": buckets})
            seen = {**asked, "first": _number(end) - seen_buckets, "buckets": seen_buckets}
            for source, more, count, every in ((1, 0, 20, 1), (2, 0, 5, 1), (3, 0, 1, 1), (1, 700, 1, 37)):
                result = connection.execute(text(_SEEN), {**seen, "source": source, "more": more, "count": count, "every": every})
                seen_rows += result.rowcount
            connection.commit()
            _show(done, len(ids), say)
    return seen_rows


def _number(moment: datetime) -> int:
    return int(moment.timestamp()) // int(BUCKET / timedelta(seconds=1))


def _show(done: int, total: int, say: Callable[[str], None]) -> None:
    """Show how far it is: in place on a terminal, in tenths elsewhere."""
    width = BAR_WIDTH * done // total
    if sys.stdout.isatty():
        sys.stdout.write(f"\rloading [{'#' * width}{'.' * (BAR_WIDTH - width)}] {done}/{total} pools" + ("\n" if done == total else ""))
        sys.stdout.flush()
    elif done * 10 // total != (done - 1) * 10 // total:
        say(f"loading [{'#' * width}{'.' * (BAR_WIDTH - width)}] {done}/{total} pools")
