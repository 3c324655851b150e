"""What one report of prices weighs among others: one vote in each pool, however often it repeats itself or is sent again."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from server_support.clock import START, FakeClock
from server_support.fleet import Fleet
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import spot_pools
from spot_server.features.consolidations.rules import bucket_number, consolidate
from spot_server.features.consolidations.seen_queries import read_seen
from spot_server.features.pricing.rules import ReportedPrice
from test_pricing import price, report, snapshots


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


def consolidated(database: Database) -> list[Decimal]:
    """What the five minutes of the story come to."""
    since = bucket_number(START)

    def act(tx: Transaction) -> list[Decimal]:
        (pool_id,) = tx.execute(select(spot_pools.c.pool_id)).scalars()
        points, _counts = consolidate(read_seen(tx, [pool_id], since, since + 1)[pool_id], None, None)
        return [Decimal(point.micros) / 1_000_000 for point in points]

    return database.read(act)


def flood(size: int, *, step: str, apart: timedelta) -> list[ReportedPrice]:
    """Rows of one pool, all near 0.95, that differ by so much."""
    return [price(str(Decimal("0.95") + number * Decimal(step)), effective_at=START - number * apart) for number in range(size)]


@pytest.mark.parametrize(("step", "apart"), [("0", 0), ("0", 1), ("0.000001", 1), ("0.000001", 0)])
def test_one_report_does_not_outvote_three(fleet: Fleet, database: Database, clock: FakeClock, step: str, apart: int) -> None:
    agents = [fleet.agent(f"web-{number}", instance_id=f"i-{number}") for number in range(4)]
    for number in range(3):
        report(fleet, agents[number], price("0.03"), instance_id=f"i-{number}")

    outcome = report(fleet, agents[3], *flood(50, step=step, apart=timedelta(seconds=apart)), instance_id="i-3")

    assert (outcome.accepted, len(outcome.refused)) == (1, 49)
    assert sum(row.observation_count for row in snapshots(fleet)) == 4
    assert consolidated(database) == [Decimal("0.03")]


def test_a_report_that_is_sent_again_counts_once_and_is_answered_the_same(fleet: Fleet, clock: FakeClock) -> None:
    agent = fleet.agent()
    first = report(fleet, agent, price(), price("0", az_id="use1-az2"), report_id="r-1")
    clock.advance(30)

    again = report(fleet, agent, price(), price("0", az_id="use1-az2"), report_id="r-1")

    assert again == first
    (row,) = snapshots(fleet)
    assert (row.observation_count, row.last_observed_at) == (1, START)


def test_the_next_report_counts_and_so_does_another_instances_of_the_same_id(fleet: Fleet) -> None:
    one, other = fleet.agent(), fleet.agent("web-2", instance_id="i-2")
    report(fleet, one, price(), report_id="r-1")
    report(fleet, one, price(), report_id="r-2")

    report(fleet, other, price(), instance_id="i-2", report_id="r-1")

    assert [row.observation_count for row in snapshots(fleet)] == [3]


def test_a_report_that_arrives_twice_at_once_counts_once(fleet: Fleet) -> None:
    agent = fleet.agent()
    barrier = threading.Barrier(2)

    def arrive() -> None:
        barrier.wait()
        report(fleet, agent, price(), report_id="r-1")

    threads = [threading.Thread(target=arrive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [row.observation_count for row in snapshots(fleet)] == [1]
