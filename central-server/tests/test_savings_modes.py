"""An instance whose mode is in doubt: the days that are in the books stay priced as they were."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from server_support.clock import START, FakeClock
from server_support.savings import ON_DEMAND, SPOT, Account
from spot_server.db.runner import Database
from spot_server.db.tables import instances
from spot_server.words import Mode

JAN_1, JAN_2, JAN_4 = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 4)


@pytest.fixture
def account(database: Database, clock: FakeClock) -> Account:
    return Account.on(database, clock)


def set_mode(account: Account, mode: Mode) -> None:
    """Metadata and API disagree from now on, or agree again."""
    account.fleet.execute(update(instances).values(mode=mode))


@pytest.mark.parametrize(("mode", "usd"), [(Mode.SPOT, SPOT), (Mode.ON_DEMAND, ON_DEMAND)])
def test_a_mode_that_is_not_known_any_more_takes_no_price_out_of_the_books(account: Account, mode: Mode, usd: Decimal) -> None:
    agent = account.agent(mode=mode)
    account.passes(3.1)
    account.keep()
    set_mode(account, Mode.UNKNOWN)
    account.passes(1.1)

    assert account.keep() == "reckoned 4 days of agents"

    for day in (JAN_1, JAN_2):
        totals = account.day(agent, day).totals
        assert (totals.paid_usd, totals.unpriced_seconds) == (24 * usd, 0)
        assert totals.on_demand_usd == 24 * ON_DEMAND
    doubtful = account.day(agent, JAN_4).totals
    assert (doubtful.paid_usd, doubtful.unpriced_seconds) == (Decimal(0), 86_400)


def test_a_late_price_changes_such_a_day_all_the_same(account: Account) -> None:
    agent = account.agent()
    account.passes(1.1)
    account.keep()
    set_mode(account, Mode.UNKNOWN)
    account.price(Decimal("0.05"), at=START + timedelta(hours=12))
    account.passes(1)
    account.keep()
    account.passes(1)

    account.keep()

    assert account.day(agent, JAN_1).totals.paid_usd == 12 * SPOT + 12 * Decimal("0.05")


def test_a_day_of_doubt_is_priced_once_the_mode_is_known_again(account: Account) -> None:
    agent = account.agent()
    set_mode(account, Mode.UNKNOWN)
    account.passes(1.1)
    account.keep()
    before = account.day(agent, JAN_1).totals
    set_mode(account, Mode.SPOT)
    account.passes(1)
    account.keep()

    assert (before.paid_usd, before.unpriced_seconds) == (Decimal(0), 86_400)
    assert account.day(agent, JAN_1).totals.paid_usd == 24 * SPOT
