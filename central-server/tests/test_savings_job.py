"""The daily job: days that were missed, runs that die or meet, prices that come late."""

from __future__ import annotations

from dataclasses import astuple
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from server_support.at_once import at_once
from server_support.clock import START, FakeClock
from server_support.dying_database import DyingDatabase
from server_support.savings import DAY_SECONDS, SPOT, Account
from server_support.story import PowerCut
from spot_server.db.runner import Database
from spot_server.db.tables import savings_snapshots
from spot_server.features.savings.due_rules import BACKFILL_DAYS
from spot_server.features.savings.service import due_days
from spot_server.jobs.lease import Lease, LeaseLost
from spot_server.jobs.leased_database import LeasedDatabase

JAN_1 = date(2026, 1, 1)


@pytest.fixture
def account(database: Database, clock: FakeClock) -> Account:
    return Account.on(database, clock)


def figures(account: Account) -> list[Any]:
    return [(row.agent_id, row.day, row.primary_spot_usd, row.comparison_usd, row.since_at, row.until_at) for row in account.books()]


def test_a_day_is_in_the_books_as_soon_as_it_is_over_in_the_clients_time_zone(account: Account, clock: FakeClock) -> None:
    account.set_client(time_zone="America/New_York")
    account.agent()
    clock.advance(5 * 3600 - 1)
    before = account.keep()

    clock.advance(1)
    account.keep()

    assert before == ""
    (row,) = account.books()
    assert (row.day, row.until_at) == (date(2025, 12, 31), START + timedelta(hours=5))
    assert row.primary_spot_usd == 5 * SPOT


def test_a_run_with_nothing_to_do_says_nothing_and_writes_nothing(account: Account) -> None:
    account.agent()
    account.passes(1.1)
    told = account.keep()
    rows = account.books()

    again = account.keep()

    assert (told, again) == ("reckoned 1 days of agents", "")
    assert account.books() == rows


def test_days_that_were_missed_are_made_up_for(account: Account) -> None:
    account.agent()
    account.passes(6.2)

    account.keep()

    assert [row.day for row in account.books()] == [JAN_1 + timedelta(days=number) for number in range(6)]
    assert {row.primary_spot_usd for row in account.books()} == {24 * SPOT}


def test_what_is_older_than_the_prices_is_not_made_up_for(account: Account, clock: FakeClock) -> None:
    account.agent()
    clock.advance(200 * DAY_SECONDS)

    due = account.database.read(lambda tx: due_days(tx, account.fleet.client_id, 10_000))

    assert len(due) == BACKFILL_DAYS
    assert due[-1].day == account.today - timedelta(days=1)


def test_a_run_stops_at_its_bound_and_the_next_goes_on(account: Account) -> None:
    account.agent()
    account.passes(5.2)

    told = [account.keep(savings_run_days=2) for _ in range(4)]

    assert told == ["reckoned 2 days of agents"] * 2 + ["reckoned 1 days of agents", ""]
    assert len(account.books()) == 5


@pytest.mark.parametrize("dies_after_commit", [False, True], ids=["before the commit", "after the commit"])
def test_a_run_that_dies_in_any_batch_is_finished_by_the_next(
    engine: Engine, account: Account, clock: FakeClock, dies_after_commit: bool
) -> None:
    account.agent()
    account.passes(4.2)
    deaths = 0
    is_dead = True
    while is_dead:
        dying = DyingDatabase(engine, clock=clock, sleeper=clock)
        dying.dies_in, dying.dies_after_commit = deaths + 1, dies_after_commit
        try:
            account.keep(dying)
            is_dead = False
        except PowerCut:
            deaths += 1
        days = [row.day for row in account.books()]
        assert days == [JAN_1 + timedelta(days=number) for number in range(len(days))]

    assert deaths >= 2
    assert [row.primary_spot_usd for row in account.books()] == [24 * SPOT] * 4


def test_two_runs_at_once_write_the_same_rows_once(account: Account) -> None:
    for number in range(3):
        account.agent(f"web-{number}", instance_id=f"i-{number}")
    account.passes(3.2)

    results = at_once([account.keep, account.keep])

    assert all("reckoned" in told for told in results)
    assert len(figures(account)) == 9
    assert {row[2] for row in figures(account)} == {24 * SPOT}
    assert account.database.read(lambda tx: tx.execute(select(func.count()).select_from(savings_snapshots)).scalar_one()) == 9


def test_a_process_that_leads_no_more_writes_nothing(account: Account, database: Database, clock: FakeClock) -> None:
    account.agent()
    account.passes(1.2)
    old, new = (Lease(database, holder=name, duration_seconds=10.0, read_now=lambda tx: tx.now) for name in ("old", "new"))
    old.acquire()
    clock.advance(11)
    new.acquire()

    with pytest.raises(LeaseLost):
        account.keep(LeasedDatabase(database, old))

    assert account.books() == []


def test_a_price_that_comes_late_changes_the_day_until_it_is_final(account: Account) -> None:
    agent = account.agent()
    account.passes(1.2)
    account.keep()
    account.price(Decimal("0.05"), at=START + timedelta(hours=12))
    account.passes(1)

    account.keep()

    assert account.day(agent, JAN_1).totals.paid_usd == 12 * SPOT + 12 * Decimal("0.05")
    account.passes(8)
    account.keep()
    assert account.day(agent, JAN_1).is_final
    before = figures(account)[0]
    account.price(Decimal("0.07"), at=START + timedelta(hours=1), seen_at=START + timedelta(hours=13))
    account.passes(3)
    account.keep()
    assert figures(account)[0] == before


def test_a_deleted_agents_days_stay_and_no_new_ones_begin_after_its_instances_ended(account: Account) -> None:
    agent = account.agent()
    account.passes(1.5)
    account.fleet.delete(agent)
    account.passes(10)

    account.keep()

    rows = {row.day: row.primary_spot_usd for row in account.books()}
    assert rows[JAN_1] == 24 * SPOT
    assert rows[JAN_1 + timedelta(days=1)] == 12 * SPOT
    assert sum(rows.values()) == 36 * SPOT
    assert max(rows) <= JAN_1 + timedelta(days=3)


def test_a_day_reckoned_again_gives_the_same_figures(account: Account) -> None:
    account.agent(addresses=1)
    account.passes(3.2)
    account.keep()
    before = figures(account)
    account.passes(1)

    account.keep()

    assert figures(account)[:3] == before
    assert astuple(account.report(until=JAN_1).total)[0] == 24 * SPOT
