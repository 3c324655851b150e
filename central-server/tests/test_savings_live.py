"""Days that are over and not in the books yet: a report and a day are whole all the same, and say that they are not complete."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, delete, update

from server_support.clock import FakeClock
from server_support.counting import counted
from server_support.savings import ON_DEMAND, SPOT, Account
from spot_server.db.runner import Database
from spot_server.db.tables import agents, savings_snapshots
from spot_server.features.savings.report_rules import Granularity, GroupBy
from spot_server.features.savings.service import Report

JAN_1, JAN_2 = date(2026, 1, 1), date(2026, 1, 2)


@pytest.fixture
def account(database: Database, clock: FakeClock) -> Account:
    return Account.on(database, clock)


def complete(report: Report) -> dict[str, bool]:
    return {row.period: row.is_complete for row in report.rows}


def test_the_report_is_no_day_short_between_midnight_and_the_job(account: Account, clock: FakeClock) -> None:
    account.agent()
    account.passes(4)
    clock.advance(-120)
    account.keep()
    clock.advance(180)

    early = account.report()
    account.keep()
    late = account.report()

    assert early.total == late.total
    assert early.total.paid_usd == (SPOT * (4 * 24 + Decimal(1) / 60)).quantize(SPOT / 10**6)
    assert early.projection == late.projection
    assert early.projection is not None
    assert early.projection.basis_days == 4
    assert complete(early) == {"2026-01-01": True, "2026-01-02": True, "2026-01-03": True, "2026-01-04": False, "2026-01-05": False}
    assert complete(late) == {**complete(early), "2026-01-04": True}
    assert not early.is_complete


def test_days_of_agents_that_were_missed_are_in_the_report_at_once(account: Account) -> None:
    account.agent("web-1")
    second = account.agent("web-2", instance_id="i-9")
    account.passes(5.25)
    account.keep()
    stored = account.report(by=GroupBy.AGENT)
    gone = delete(savings_snapshots).where(savings_snapshots.c.agent_id == second.agent_id, savings_snapshots.c.day.in_([JAN_2, JAN_1]))
    account.fleet.execute(gone)

    report = account.report(by=GroupBy.AGENT)
    alone = account.report(until=JAN_2, by=GroupBy.AGENT, granularity=Granularity.MONTH)

    assert [(row.period, row.agent_id, row.totals) for row in report.rows] == [
        (row.period, row.agent_id, row.totals) for row in stored.rows
    ]
    assert {(row.period, row.logical_agent_id) for row in report.rows if not row.is_complete} == {
        ("2026-01-01", "web-2"),
        ("2026-01-02", "web-2"),
        ("2026-01-06", "web-1"),
        ("2026-01-06", "web-2"),
    }
    assert {row.logical_agent_id: row.is_complete for row in alone.rows} == {"web-1": True, "web-2": False}
    assert alone.total.paid_usd == 4 * 24 * SPOT


def test_a_report_of_past_days_is_complete_once_they_are_in_the_books(account: Account) -> None:
    account.agent()
    account.passes(3.1)
    before = account.report(until=JAN_2)
    account.keep()

    after = account.report(until=JAN_2)

    assert (before.is_complete, after.is_complete) == (False, True)
    assert before.total == after.total
    assert complete(before) == {"2026-01-01": False, "2026-01-02": False}


def test_a_deleted_agents_month_is_complete_while_the_clients_goes_on(account: Account) -> None:
    gone = account.agent("web-1")
    account.agent("web-2", instance_id="i-9")
    account.passes(1.5)
    account.fleet.delete(gone)
    account.passes(5)
    account.keep()

    by_agent = account.report(by=GroupBy.AGENT, granularity=Granularity.MONTH)
    by_client = account.report(granularity=Granularity.MONTH)

    assert {row.logical_agent_id: row.is_complete for row in by_agent.rows} == {"web-1": True, "web-2": False}
    assert complete(by_client) == {"2026-01": False}


def test_the_last_day_of_a_month_is_not_projected_into_the_next(account: Account, clock: FakeClock) -> None:
    account.agent()
    account.passes(30.5)
    account.keep()
    account.passes(0.5)
    clock.advance(3600)

    early = account.report()
    account.keep()

    assert early.projection == account.report().projection
    assert early.projection is not None
    assert early.projection.expected_usd == (28 * 24 * (ON_DEMAND - SPOT)).quantize(Decimal("0.01"))
    assert [row.period for row in early.rows] == ["2026-02-01"]


def test_a_day_that_is_over_is_shown_before_the_job_ran(account: Account) -> None:
    agent = account.agent()
    account.passes(3.1)

    early = account.day(agent, JAN_2)
    account.keep()
    late = account.day(agent, JAN_2)

    assert (early.totals, early.within, early.is_final) == (late.totals, late.within, False)
    assert list(early.lines) == list(late.lines)


def test_one_agents_report_asks_for_no_other_agents_days(account: Account, engine: Engine) -> None:
    """A hundred agents are two batches of statements: one of them is one."""
    agent = account.agent()
    for number in range(60):
        account.agent(f"more-{number}", instance_id=f"i-more-{number}")
    account.passes(0.25)
    with counted(engine) as all_agents:
        account.report()
    with counted(engine) as one_agent:
        report = account.report(agent_id=agent.agent_id)

    assert report.total.paid_usd == 6 * SPOT
    assert one_agent.statements < all_agents.statements


def test_what_is_too_old_to_be_reckoned_is_left_out(account: Account) -> None:
    """An agent older than its prices: only the days that can still be reckoned are looked for."""
    agent = account.agent()
    account.fleet.execute(update(agents).values(created_at=account.clock.now() - timedelta(days=400)))
    account.passes(0.25)

    report = account.report(since=JAN_1 - timedelta(days=365), granularity=Granularity.YEAR)

    assert report.total.day_count == 1 + 90
    assert account.day(agent, JAN_1).totals.paid_usd == 6 * SPOT
