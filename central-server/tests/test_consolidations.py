"""Consolidating prices: what comes out, and that nothing comes out twice, however often it is interrupted."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import structlog
from sqlalchemy import Engine, event

from server_support.at_once import at_once
from server_support.builders import create_admin_token, create_client, create_client_token
from server_support.clock import START, FakeClock
from server_support.dying_database import DyingDatabase
from server_support.http import Http
from server_support.prices import Prices, bucket
from server_support.story import PowerCut
from spot_server.db.runner import Database
from spot_server.features.consolidations import service
from spot_server.features.consolidations.jobs import POOLS_PER_BATCH, consolidate_prices
from spot_server.features.consolidations.queries import Consolidation, list_jobs
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import ConsolidationStatus, PriceSource

HALF_A_DAY = timedelta(hours=12)


@pytest.fixture
def prices(database: Database) -> Prices:
    return Prices(database)


def context_of(database: Database, clock: FakeClock) -> JobContext:
    return JobContext(database=database, clock=clock, settings=Settings(), metrics=Metrics(), log=structlog.get_logger())


@pytest.fixture
def jobs(database: Database, clock: FakeClock) -> JobContext:
    return context_of(database, clock)


def all_jobs(database: Database) -> list[Consolidation]:
    return database.read(lambda tx: list_jobs(tx, after=None, most=100))


def test_duplicates_conflicts_and_gaps_become_one_price_per_five_minutes(prices: Prices, jobs: JobContext, clock: FakeClock) -> None:
    pool_id = prices.pool()
    prices.see(pool_id, 0, "0.03", count=7)
    prices.see(pool_id, 0, "0.05", source=PriceSource.REPLICA)
    prices.see(pool_id, 3, "0.06", count=2)
    prices.see(pool_id, 3, "0.09", count=1)
    prices.see(pool_id, 4, "0.07", source=PriceSource.SERVER)
    clock.advance(3600)

    said = consolidate_prices(jobs)

    assert prices.canonical(pool_id) == [
        (0, "0.03", "primary", False),
        (1, "0.04", "primary", True),
        (2, "0.05", "primary", True),
        (3, "0.06", "primary", False),
        (4, "0.07", "server", False),
    ]
    assert said.endswith("5 rows in, 2 merged, 0 refused, 2 interpolated, 5 out")
    (job,) = all_jobs(jobs.database)
    assert (job.status, job.rows_in, job.rows_merged, job.rows_interpolated, job.rows_out) == (ConsolidationStatus.DONE, 5, 2, 2, 5)
    assert job.window_until == START + timedelta(minutes=50)


def test_it_is_done_once_in_its_period(prices: Prices, jobs: JobContext, clock: FakeClock) -> None:
    prices.see(prices.pool(), 0, "0.03")
    clock.advance(3600)

    first = consolidate_prices(jobs)
    clock.advance(HALF_A_DAY.total_seconds() - 301)
    early = consolidate_prices(jobs)
    clock.advance(301)
    due = consolidate_prices(jobs)

    assert first
    assert early == ""
    assert due.startswith("consolidated 1 pools")
    assert len(all_jobs(jobs.database)) == 2


def test_a_gap_over_the_border_of_two_consolidations_is_filled_by_the_second(prices: Prices, jobs: JobContext, clock: FakeClock) -> None:
    pool_id = prices.pool()
    prices.see(pool_id, 0, "0.03")
    clock.advance(1200)
    consolidate_prices(jobs)
    clock.advance(HALF_A_DAY.total_seconds())
    prices.see(pool_id, 4, "0.07")

    consolidate_prices(jobs)

    assert [price for _number, price, _source, _is_interpolated in prices.canonical(pool_id)] == [
        "0.03",
        "0.04",
        "0.05",
        "0.06",
        "0.07",
    ]
    assert [is_interpolated for *_rest, is_interpolated in prices.canonical(pool_id)] == [False, True, True, True, False]


def test_what_comes_late_is_consolidated_again_with_the_gap_around_it(prices: Prices, jobs: JobContext, clock: FakeClock) -> None:
    pool_id, other = prices.pool(), prices.pool("use1-az2")
    for number, usd in ((0, "0.03"), (4, "0.07")):
        prices.see(pool_id, number, usd)
        prices.see(other, number, usd)
    clock.advance(3600)
    consolidate_prices(jobs)

    prices.see(pool_id, 2, "0.01")
    clock.advance(HALF_A_DAY.total_seconds())
    consolidate_prices(jobs)

    assert [price for _number, price, *_rest in prices.canonical(pool_id)] == ["0.03", "0.02", "0.01", "0.04", "0.07"]
    assert [is_interpolated for *_rest, is_interpolated in prices.canonical(pool_id)] == [False, True, False, True, False]
    assert all_jobs(jobs.database)[0].rows_in == 2


def test_prices_above_ten_times_on_demand_are_refused_and_counted(prices: Prices, jobs: JobContext, clock: FakeClock) -> None:
    pool_id = prices.pool()
    prices.on_demand("0.096")
    prices.see(pool_id, 0, "0.96")
    prices.see(pool_id, 1, "0.960001")
    clock.advance(3600)

    consolidate_prices(jobs)

    assert [number for number, *_rest in prices.canonical(pool_id)] == [0]
    assert all_jobs(jobs.database)[0].rows_refused == 1


@pytest.mark.parametrize("dies_after_commit", [False, True], ids=["before the commit", "after it"])
@pytest.mark.parametrize("dies_in", [1, 2, 3, 4, 5])
def test_a_consolidation_that_is_cut_off_is_gone_on_with_and_counts_each_pool_once(
    engine: Engine, clock: FakeClock, dies_in: int, dies_after_commit: bool
) -> None:
    database = DyingDatabase(engine, clock=clock, sleeper=clock)
    prices = Prices(database)
    pools = [prices.pool(f"use1-az{zone}", f"m5.{size}xlarge") for size in range(1, 4) for zone in range(1, 9)]
    for pool_id in pools:
        prices.see(pool_id, 0, "0.03")
        prices.see(pool_id, 2, "0.05")
    clock.advance(3600)
    assert POOLS_PER_BATCH < len(pools) <= 3 * POOLS_PER_BATCH
    database.count, database.dies_in, database.dies_after_commit = 0, dies_in, dies_after_commit

    with pytest.raises(PowerCut):
        consolidate_prices(context_of(database, clock))
    database.dies_in = 0
    consolidate_prices(context_of(database, clock))

    (job,) = all_jobs(database)
    assert (job.status, job.pools, job.rows_in, job.rows_interpolated) == (ConsolidationStatus.DONE, 24, 48, 24)
    assert all(len(prices.canonical(pool_id)) == 3 for pool_id in pools)


def test_two_consolidations_at_once_do_each_pool_once(prices: Prices, jobs: JobContext, clock: FakeClock) -> None:
    pools = [prices.pool(f"use1-az{zone}", f"m5.{size}xlarge") for size in range(1, 4) for zone in range(1, 9)]
    for pool_id in pools:
        prices.see(pool_id, 0, "0.03")
        prices.see(pool_id, 2, "0.05")
    clock.advance(3600)

    at_once([partial(consolidate_prices, jobs) for _ in range(3)])

    (job,) = all_jobs(jobs.database)
    assert (job.status, job.pools, job.rows_in, job.rows_out) == (ConsolidationStatus.DONE, 24, 48, 72)


def test_a_batch_that_is_done_again_changes_nothing(prices: Prices, jobs: JobContext, clock: FakeClock) -> None:
    pool_id = prices.pool()
    prices.see(pool_id, 0, "0.03")
    prices.see(pool_id, 2, "0.05")
    clock.advance(3600)
    consolidate_prices(jobs)
    before = prices.canonical(pool_id)
    (job,) = all_jobs(jobs.database)

    prices.note_consolidated(pool_id, bucket(0))
    jobs.database.write(lambda tx: service.consolidate_batch(tx, job, after=0, most=10, seconds=0.0))

    assert prices.canonical(pool_id) == before


def test_the_statements_of_a_batch_do_not_grow_with_its_pools(prices: Prices, jobs: JobContext, clock: FakeClock, engine: Engine) -> None:
    for zone in range(1, 6):
        prices.see(prices.pool(f"use1-az{zone}"), 0, "0.03")
    clock.advance(3600)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    consolidate_prices(jobs)

    # To see that it is due: 2; to take it up: 4. A batch: hold, on demand, previous, seen, points, close, counts. None left: 1. The end: 1.
    assert len([text for text in statements if not text.startswith("BEGIN")]) == 2 + 4 + 7 + 1 + 1


def test_at_rest_it_only_looks(prices: Prices, jobs: JobContext, clock: FakeClock, engine: Engine) -> None:
    consolidate_prices(jobs)
    clock.advance(60)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    said = consolidate_prices(jobs)

    assert said == ""
    assert all(text.startswith(("SELECT", "BEGIN")) for text in statements)
    assert len([text for text in statements if text.startswith("SELECT")]) == 2


def test_admins_read_what_each_consolidation_did(prices: Prices, jobs: JobContext, clock: FakeClock, http: Http) -> None:
    for days in range(3):
        prices.see(prices.pool(), 12 * 24 * days, "0.03")
        clock.advance(86_400)
        consolidate_prices(jobs)
    admin = http.as_(create_admin_token(jobs.database))

    first = admin.get("/api/admin/consolidations", limit=2)
    second = admin.get("/api/admin/consolidations", limit=2, cursor=first.json["next_cursor"])

    assert first.status == second.status == 200, first.text
    rows = [*first.json["items"], *second.json["items"]]
    assert [row["started_at"] for row in rows] == ["2026-01-04T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z"]
    assert second.json["next_cursor"] is None
    assert {(row["status"], row["rows_in"], row["rows_out"], row["pools"]) for row in rows} == {("done", 1, 1, 1), ("done", 1, 288, 1)}


def test_consolidations_are_nothing_for_clients(jobs: JobContext, http: Http) -> None:
    client_id = create_client(jobs.database)

    answer = http.as_(create_client_token(jobs.database, client_id)).get("/api/admin/consolidations")

    assert answer.status == 403
