"""Prices go when they are old enough, a few at a time, and never those that are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from server_support.clock import FakeClock
from server_support.prices import Prices, bucket
from spot_server.db.runner import Database
from spot_server.features.consolidations.jobs import consolidate_prices
from spot_server.features.pricing.jobs import PriceSweep
from spot_server.features.pricing.retention_rules import plan_batches
from spot_server.features.pricing.rules import BUCKET
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings

NINETY_DAYS = timedelta(days=90)


@pytest.fixture
def prices(database: Database) -> Prices:
    return Prices(database)


@pytest.fixture
def jobs(database: Database, clock: FakeClock) -> JobContext:
    return JobContext(database=database, clock=clock, settings=Settings(), metrics=Metrics(), log=structlog.get_logger())


@given(
    st.dictionaries(st.integers(1, 9), st.integers(-50, 400).map(bucket), max_size=6), st.integers(0, 300).map(bucket), st.integers(1, 90)
)
def test_the_batches_delete_all_that_is_too_old_and_nothing_else_each_within_its_bound(
    oldest: Mapping[int, datetime], before: datetime, most: int
) -> None:
    begins = dict(oldest)

    for batch in plan_batches(oldest, before, most):
        widths = []
        for one in batch:
            assert begins[one.pool_id] < one.until <= before
            widths.append((one.until - begins[one.pool_id]) // BUCKET)
            begins[one.pool_id] = one.until
        assert 0 < sum(widths) <= most

    assert all(begin == (max(oldest[pool_id], before)) for pool_id, begin in begins.items())


def test_prices_of_more_than_ninety_days_are_deleted_in_both_tiers_and_the_others_kept(
    prices: Prices, jobs: JobContext, clock: FakeClock
) -> None:
    pool_id, other = prices.pool(), prices.pool("use1-az2")
    for number in range(6):
        prices.see(pool_id, number, "0.03")
    prices.see(other, 9, "0.04")
    clock.advance(3600)
    consolidate_prices(jobs)
    clock.advance((NINETY_DAYS - timedelta(minutes=45)).total_seconds())

    said = PriceSweep(clock)(jobs)

    assert said == "deleted 3 spot_price_snapshots, 3 pricing_canonical"
    assert [row.bucket_at for row in prices.snapshots(pool_id)] == [bucket(3), bucket(4), bucket(5)]
    assert [number for number, *_rest in prices.canonical(pool_id)] == [3, 4, 5]
    assert len(prices.snapshots(other)) == len(prices.canonical(other)) == 1


def test_a_run_ends_after_so_many_rows_and_the_next_goes_on(prices: Prices, jobs: JobContext, clock: FakeClock) -> None:
    pool_id = prices.pool()
    for number in range(10):
        prices.see(pool_id, number, "0.03")
    clock.advance((NINETY_DAYS + timedelta(hours=2)).total_seconds())
    few = replace(jobs, settings=Settings(retention_batch_rows=2, retention_run_rows=4))
    sweep = PriceSweep(clock)

    said = [sweep(few) for _ in range(4)]

    assert said == ["deleted 4 spot_price_snapshots", "deleted 4 spot_price_snapshots", "deleted 2 spot_price_snapshots", ""]
    assert prices.snapshots(pool_id) == []


def test_no_transaction_deletes_more_than_its_share(prices: Prices, jobs: JobContext, clock: FakeClock, engine: Engine) -> None:
    for zone in range(1, 6):
        pool_id = prices.pool(f"use1-az{zone}")
        for number in range(7):
            prices.see(pool_id, number, "0.03")
    clock.advance((NINETY_DAYS + timedelta(minutes=35)).total_seconds())
    counts: list[int] = []
    event.listen(engine, "after_cursor_execute", lambda *args: counts.append(args[1].rowcount) if args[2].startswith("DELETE") else None)

    PriceSweep(clock)(replace(jobs, settings=Settings(retention_batch_rows=10)))

    assert counts == [10, 10, 10, 5]


def test_a_sweep_at_rest_asks_once_for_each_table(prices: Prices, jobs: JobContext, clock: FakeClock, engine: Engine) -> None:
    prices.see(prices.pool(), 0, "0.03")
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    said = PriceSweep(clock)(jobs)

    assert said == ""
    assert len([text for text in statements if not text.startswith("BEGIN")]) == 2
