"""Days that could not be reckoned while later ones were: each of them is made up for, and nothing is counted twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from sqlalchemy import Engine, delete, update

from server_support.clock import START, FakeClock
from server_support.counting import counted
from server_support.savings import SPOT, Account
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import instances, savings_snapshots
from spot_server.features.savings.due_rules import BACKFILL_DAYS, Progress, Window, has_gaps, missing_days
from spot_server.features.savings.service import due_days

Result = TypeVar("Result")
JAN_1 = date(2026, 1, 1)


class StumblingDatabase(Database):
    """A database on which one write of a run fails, for a reason of that write's own."""

    stumbles_at = 0
    writes = 0

    def write(self, use_case: Callable[[Transaction], Result]) -> Result:
        self.writes += 1
        if self.writes == self.stumbles_at:
            raise ValueError("this batch cannot be stored")
        return super().write(use_case)


@pytest.fixture
def account(database: Database, clock: FakeClock) -> Account:
    return Account.on(database, clock)


def days_of(account: Account) -> list[date]:
    return [row.day for row in account.books()]


def forget(account: Account, *days: date) -> None:
    """As if these days had never been stored."""
    account.fleet.execute(delete(savings_snapshots).where(savings_snapshots.c.day.in_(days)))


def days(*numbers: int) -> list[date]:
    return [JAN_1 + timedelta(days=number - 1) for number in numbers]


@pytest.mark.parametrize("failing", [1, 2, 4])
def test_a_day_that_failed_is_made_up_for_though_later_ones_are_in_the_books(
    engine: Engine, account: Account, clock: FakeClock, failing: int
) -> None:
    account.agent()
    account.passes(4.2)
    stumbling = StumblingDatabase(engine, clock=clock, sleeper=clock)
    stumbling.stumbles_at = failing
    with pytest.raises(ExceptionGroup, match="1 of them failed"):
        account.keep(stumbling)
    assert days_of(account) == [day for day in days(1, 2, 3, 4) if day.day != failing]

    told = account.keep()

    assert told == "reckoned 1 days of agents"
    assert days_of(account) == days(1, 2, 3, 4)
    assert {row.primary_spot_usd for row in account.books()} == {24 * SPOT}
    assert account.keep() == ""


def test_several_gaps_of_several_agents_are_all_made_up_for(account: Account) -> None:
    first, second = account.agent("web-1"), account.agent("web-2", instance_id="i-9")
    account.passes(9.2)
    account.keep()
    forget(account, *days(1, 2, 5, 9))
    kept = delete(savings_snapshots).where(savings_snapshots.c.agent_id == second.agent_id, savings_snapshots.c.day == days(7)[0])
    account.fleet.execute(kept)

    account.keep()

    stored = {agent.agent_id: [row.day for row in account.books() if row.agent_id == agent.agent_id] for agent in (first, second)}
    assert stored == {first.agent_id: days(*range(1, 10)), second.agent_id: days(*range(1, 10))}


def test_a_day_that_is_made_up_for_is_compared_with_what_the_days_around_it_are(account: Account) -> None:
    """The first instance may be gone from the books by then, or be another type."""
    account.agent()
    account.passes(5.2)
    account.keep()
    forget(account, *days(2, 3))
    account.fleet.execute(update(instances).values(instance_type="m5.4xlarge"))

    account.keep()

    assert {row.comparison_instance_type for row in account.books()} == {"m5.large"}


def test_a_day_that_is_made_up_for_takes_the_time_between_its_neighbours(account: Account) -> None:
    """The client changed its time zone meanwhile: the hours fit all the same, none twice and none left out."""
    account.agent()
    account.passes(4.2)
    account.keep()
    forget(account, *days(2, 3))
    account.set_client(time_zone="Asia/Tokyo")

    account.keep()

    books = account.books()
    assert [row.since_at for row in books[1:]] == [row.until_at for row in books[:-1]]
    assert sum(row.primary_spot_usd for row in books) == SPOT * Decimal((books[-1].until_at - START).total_seconds()) / 3600


def test_nothing_is_missing_before_the_first_day_of_another_time_zone(account: Account) -> None:
    """Born on the 2nd in Tokyo, which in New York is the 1st: that has no day of its own, and no run looks for it."""
    account.set_client(time_zone="Asia/Tokyo")
    account.clock.advance(17 * 3600)
    account.agent()
    account.passes(2)
    account.keep()
    account.set_client(time_zone="America/New_York")
    account.passes(1)
    account.keep()

    assert account.keep() == ""
    assert days_of(account)[0] == date(2026, 1, 2)


def test_an_account_without_gaps_has_none_of_its_days_read_one_by_one(account: Account, engine: Engine) -> None:
    """A quarter of a year of ten thousand agents is a million rows: only an agent that has gaps has them read."""
    account.agent()
    account.passes(6.2)
    account.keep()
    with counted(engine) as without_gaps:
        assert due(account) == []
    forget(account, *days(3, 5))
    with counted(engine) as with_gaps:
        assert due(account) == days(3, 5)

    assert with_gaps.statements == without_gaps.statements + 1


def due(account: Account) -> list[date]:
    return [one.day for one in account.database.read(lambda tx: due_days(tx, account.fleet.client_id, 100))]


def progress(created_at: datetime, *stored: date, deleted_at: datetime | None = None) -> Progress:
    return Progress("a", created_at, deleted_at, len(stored), min(stored, default=None), max(stored, default=None))


def test_what_is_missing_is_within_what_can_still_be_reckoned() -> None:
    window = Window("UTC", date(2026, 6, 30))
    old = START - timedelta(days=400)
    stored = [window.first + timedelta(days=number) for number in range(BACKFILL_DAYS)]

    assert missing_days(progress(old), window) == stored
    assert not has_gaps(progress(old, *stored), window)
    assert missing_days(progress(old, *stored), window) == []
    assert missing_days(progress(old, *stored[:-2]), window) == stored[-2:]
    for hole in (0, 40, BACKFILL_DAYS - 2):
        left = [day for day in stored if day != stored[hole]]
        began = {day: datetime(day.year, day.month, day.day, tzinfo=START.tzinfo) for day in left}
        assert has_gaps(progress(old, *left), window)
        assert missing_days(progress(old, *left), window, began) == [stored[hole]]


def test_nothing_is_missing_of_an_agent_after_its_end() -> None:
    window = Window("UTC", date(2026, 1, 20))
    gone = START + timedelta(days=3, hours=1)

    assert missing_days(progress(START, deleted_at=gone), window) == days(1, 2, 3, 4, 5)
