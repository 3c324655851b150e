"""What today came to so far is remembered for a minute: no figure is older, none is counted twice, and memory has a bound."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from server_support.clock import START, FakeClock
from server_support.counting import counted
from server_support.savings import ON_DEMAND, SPOT, Account
from spot_server.db.runner import Database
from spot_server.features.savings.reckoning import Terms
from spot_server.features.savings.report_rules import Totals
from spot_server.features.savings.service import Report, ReportQuestion, read_report
from spot_server.features.savings.today_totals import TodayTotals

JAN_1 = date(2026, 1, 1)
MINUTE_USD = SPOT / 60


@pytest.fixture
def account(database: Database, clock: FakeClock) -> Account:
    return Account.on(database, clock)


@pytest.fixture
def ask(account: Account) -> Callable[[], Report]:
    """Ask for a report as one web process does, which remembers."""
    remembered = TodayTotals()
    client_id, pricing = account.fleet.client_id, account.pricing
    return lambda: account.database.read(lambda tx: read_report(tx, client_id, ReportQuestion(), pricing, remembered))


def test_today_is_reckoned_once_a_minute(account: Account, ask: Callable[[], Report], clock: FakeClock, engine: Engine) -> None:
    account.agent()
    account.passes(0.25)
    with counted(engine) as first_look:
        first = ask()
    clock.advance(59.9)
    with counted(engine) as second_look:
        second = ask()
    clock.advance(0.1)
    third = ask()

    assert (first.total, second_look.statements < first_look.statements) == (second.total, True)
    assert first.total.paid_usd == 6 * SPOT
    assert third.total.paid_usd == pytest.approx(6 * SPOT + MINUTE_USD, abs=Decimal("0.00000001"))


def test_an_agent_that_came_meanwhile_is_in_it(account: Account, ask: Callable[[], Report], clock: FakeClock) -> None:
    account.agent()
    account.passes(0.25)
    ask()
    account.agent("web-2", instance_id="i-9")
    clock.advance(30)

    report = ask()

    assert report.total.day_count == 2
    assert report.total.paid_usd == pytest.approx(6 * SPOT + MINUTE_USD / 2, abs=Decimal("0.00000001"))


def test_a_day_that_ended_in_that_minute_is_counted_once(account: Account, ask: Callable[[], Report], clock: FakeClock) -> None:
    account.agent()
    account.passes(1)
    clock.advance(-20)
    ask()
    clock.advance(30)
    before = ask()
    account.keep()
    after = ask()

    assert before.total == after.total
    assert after.total.paid_usd == pytest.approx(24 * SPOT + MINUTE_USD / 6, abs=Decimal("0.00000001"))


def test_a_day_that_was_stored_meanwhile_in_another_time_zone_is_counted_once(account: Account, ask: Callable[[], Report]) -> None:
    """2 January is over in Tokyo and stored, while it is today in New York and remembered as that."""
    account.set_client(time_zone="America/New_York")
    account.agent()
    account.passes(1.75)
    ask()
    account.set_client(time_zone="Asia/Tokyo")
    account.keep()
    account.set_client(time_zone="America/New_York")

    report = ask()

    assert report.total == account.report().total
    assert report.total.paid_usd <= 42 * SPOT


def test_another_discount_holds_at_once(account: Account, ask: Callable[[], Report]) -> None:
    account.agent()
    account.passes(0.25)
    ask()
    account.set_client(on_demand_discount_ppm=500_000)

    assert ask().total.on_demand_usd == 6 * ON_DEMAND / 2


def terms(client_id: str) -> Terms:
    return Terms(client_id, "UTC", 0)


def test_no_more_agents_are_remembered_than_its_bound_allows() -> None:
    remembered = TodayTotals(most_agents=3)
    for client_id, agents in (("a", 2), ("b", 1), ("c", 2)):
        remembered.add(terms(client_id), JAN_1, START, {f"{client_id}{number}": Totals() for number in range(agents)})

    assert {name: len(remembered.get(terms(name), JAN_1, START)) for name in "abc"} == {"a": 0, "b": 1, "c": 2}
    remembered.add(terms("d"), JAN_1, START, {str(number): Totals() for number in range(4)})
    assert remembered.get(terms("d"), JAN_1, START) == {}


def test_nothing_is_believed_of_another_day_or_by_a_clock_that_was_set_back() -> None:
    remembered = TodayTotals()
    remembered.add(terms("a"), JAN_1, START, {"x": Totals()})

    assert remembered.get(terms("a"), JAN_1, START + timedelta(seconds=59)) == {"x": Totals()}
    assert remembered.get(terms("a"), JAN_1 + timedelta(days=1), START) == {}
    remembered.add(terms("a"), JAN_1, START, {"x": Totals()})
    assert remembered.get(terms("a"), JAN_1, START - timedelta(seconds=1)) == {}
