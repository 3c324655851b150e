"""The account in the books: what a day cost, down to its prices, and reports over days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, insert, update

from server_support.builders import create_client
from server_support.clock import START, FakeClock
from server_support.counting import counted
from server_support.savings import DAY_SECONDS, MARKET, ON_DEMAND, SPOT, Account
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import agent_images, instances
from spot_server.errors import FieldInvalid, NotFound
from spot_server.features.agents.queries import load_agent
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import change_role, promote
from spot_server.features.pricing.on_demand import OnDemandCatalogue
from spot_server.features.savings.live_days import AGENTS_PER_ORDER
from spot_server.features.savings.reckoning import Pricing
from spot_server.features.savings.report_rules import Granularity, GroupBy
from spot_server.features.savings.service import ReportQuestion, read_day, read_report
from spot_server.words import Mode

JAN_1, JAN_2 = date(2026, 1, 1), date(2026, 1, 2)


@pytest.fixture
def account(database: Database, clock: FakeClock) -> Account:
    return Account.on(database, clock)


def test_a_day_on_spot_is_paid_by_its_price_and_compared_with_the_same_hours_on_demand(account: Account) -> None:
    agent = account.agent()
    account.passes(1.25)
    account.keep()

    shown = account.day(agent, JAN_1)

    assert shown.totals.primary_spot_usd == shown.totals.paid_usd == 24 * SPOT
    assert shown.totals.on_demand_usd == 24 * ON_DEMAND
    assert shown.totals.saved_usd == 24 * (ON_DEMAND - SPOT)
    assert (shown.totals.unpriced_seconds, shown.is_final) == (0, False)


def test_each_figure_is_the_sum_of_lines_that_name_their_price_its_source_and_its_bucket(account: Account) -> None:
    agent = account.agent()
    account.passes(1.25)
    account.keep()

    lines = account.day(agent, JAN_1).lines

    primary = [line for line in lines if line["purpose"] == "primary"]
    assert len(primary) == 24
    assert sum(Decimal(line["usd"]) for line in primary) == 24 * SPOT
    first = primary[0]
    assert (first["price_source"], first["price_bucket_at"], first["price_effective_at"]) == ("primary",) + ("2026-01-01T00:00:00Z",) * 2
    assert (first["what"], first["hour_at"], first["usd_per_unit"]) == ("i-1", "2026-01-01T00:00:00Z", "0.04")


def test_a_price_holds_from_when_ec2_changed_it_not_from_when_somebody_saw_it(account: Account, clock: FakeClock) -> None:
    agent = account.agent()
    account.passes(0.5)
    account.price(Decimal("0.08"), at=START + timedelta(hours=6), seen_at=clock.now())
    account.passes(1)
    account.keep()

    assert account.day(agent, JAN_1).totals.paid_usd == 6 * SPOT + 18 * Decimal("0.08")


def test_a_move_is_paid_twice_while_both_run_and_says_for_what(account: Account, clock: FakeClock) -> None:
    agent = account.agent()
    clock.advance(6 * 3600)
    account.fleet.launched_replica(agent, launched_at=clock.now())
    clock.advance(3600)
    nonce = account.fleet.launched_replica(agent, instance_id="i-3", launched_at=clock.now()).nonce
    clock.advance(600)
    account.fleet.register(nonce, logical_agent_id="web-1", instance_id="i-3", booted_at=clock.now() - timedelta(minutes=6))
    clock.advance(1200)
    account.database.write(lambda tx: _promote(tx, agent.agent_id, "i-3"))
    clock.advance(3600)
    account.database.write(
        lambda tx: change_role(tx, agent_id=agent.agent_id, instance_id="i-1", event=RoleEvent.TERMINATED, reason="test", by="test")
    )
    account.passes(1)
    account.keep()

    by_purpose = {
        purpose: {line["what"]: Decimal(0) for line in account.day(agent, JAN_1).lines if line["purpose"] == purpose}
        for purpose in ("primary", "replica", "overlap")
    }
    for line in account.day(agent, JAN_1).lines:
        if line["purpose"] in by_purpose:
            by_purpose[line["purpose"]][line["what"]] += Decimal(line["usd"])
    promoted_hours, end_hours = Decimal(7) + Decimal("0.5"), Decimal(24)
    assert by_purpose["primary"] == {"i-1": SPOT * promoted_hours, "i-3": SPOT * (end_hours - promoted_hours)}
    assert by_purpose["overlap"] == {"i-1": SPOT}
    assert by_purpose["replica"] == {"i-2": SPOT * 18, "i-3": pytest.approx(SPOT * 26 / 60, abs=Decimal("0.00000001"))}
    assert account.day(agent, JAN_1).totals.on_demand_usd == 24 * ON_DEMAND


def _promote(tx: Transaction, agent_id: str, instance_id: str) -> None:
    agent = load_agent(tx, agent_id, for_update=True)
    assert promote(tx, agent=agent, new_instance_id=instance_id, expected_epoch=agent.epoch, by="test", reason="test") is not None


def test_images_and_addresses_are_paid_by_the_tariff(account: Account, clock: FakeClock) -> None:
    agent = account.agent(addresses=1)
    sizes = {"volumes": {"/dev/xvda": {"size_gib": 31}}}
    account.fleet.execute(update(instances).values(configuration=sizes))
    values = {"agent_id": agent.agent_id, "client_id": account.fleet.client_id, "image_name": "x", "source_instance_id": "i-1"}
    account.fleet.execute(insert(agent_images).values(**values, image_id="ami-1", snapshot_ids=[], started_at=clock.now()))
    account.passes(1.25)
    account.keep()

    totals = account.day(agent, JAN_1).totals

    assert totals.image_usd == pytest.approx(Decimal("0.05"), abs=Decimal("0.000001"))
    assert totals.address_usd == Decimal("0.12")
    assert totals.on_demand_usd == 24 * ON_DEMAND + Decimal("0.12")


def test_on_demand_hours_save_nothing_and_a_replica_beside_them_loses(account: Account, clock: FakeClock) -> None:
    agent = account.agent(mode=Mode.ON_DEMAND)
    account.fleet.launched_replica(agent, launched_at=clock.now())
    account.passes(1.25)
    account.keep()

    totals = account.day(agent, JAN_1).totals

    assert (totals.primary_on_demand_usd, totals.replica_usd) == (24 * ON_DEMAND, 24 * SPOT)
    assert totals.saved_usd == -24 * SPOT


def test_time_without_a_known_price_is_in_no_amount_and_is_told(account: Account) -> None:
    agent = account.agent(az_id="use1-az4")
    account.price(SPOT, market=(MARKET[0], "use1-az4", *MARKET[2:]), at=START + timedelta(hours=8))
    account.passes(1.25)
    account.keep()

    totals = account.day(agent, JAN_1).totals

    assert totals.unpriced_seconds == 8 * 3600
    assert (totals.paid_usd, totals.on_demand_usd) == (16 * SPOT, 16 * ON_DEMAND)


def test_without_an_on_demand_price_a_day_is_paid_and_compared_with_nothing(account: Account) -> None:
    agent = account.agent()
    account.pricing = Pricing(OnDemandCatalogue(), account.pricing.tariff)
    account.passes(1.25)
    account.keep()

    totals, total = account.day(agent, JAN_1).totals, account.report(until=JAN_1).total

    assert (totals.paid_usd, totals.on_demand_usd, totals.saved_usd) == (24 * SPOT, None, None)
    assert (total.paid_usd, total.saved_usd, total.uncompared_day_count) == (24 * SPOT, None, 1)


@pytest.mark.parametrize(("product", "usd"), [("Linux/UNIX (Amazon VPC)", 24 * ON_DEMAND), ("Red Hat Enterprise Linux", None)])
def test_the_price_of_linux_in_the_catalogue_is_that_of_no_other_product(account: Account, product: str, usd: Decimal | None) -> None:
    agent = account.agent(mode=Mode.ON_DEMAND, product=product)
    account.passes(1.25)
    account.keep()

    totals = account.day(agent, JAN_1).totals

    assert (totals.paid_usd, totals.on_demand_usd) == (usd or 0, usd)
    assert totals.unpriced_seconds == (0 if usd else 24 * 3600)


def test_today_is_reckoned_as_far_as_it_is_gone(account: Account) -> None:
    agent = account.agent()
    account.passes(0.25)
    account.clock.advance(0.9)

    shown, report = account.day(agent, JAN_1), account.report()

    assert shown.totals.paid_usd == 6 * SPOT + Decimal("0.00001")
    assert not shown.is_final
    assert (report.total.paid_usd, report.today, report.total.day_count) == (shown.totals.paid_usd, JAN_1, 1)


def test_reports_add_days_up_to_months_and_years_for_the_client_and_for_each_agent(account: Account, clock: FakeClock) -> None:
    first, second = account.agent("web-1"), account.agent("web-2", instance_id="i-9")
    account.passes(33.5)
    account.keep()

    by_day = account.report(since=JAN_1)
    by_month = account.report(since=JAN_1, granularity=Granularity.MONTH)
    by_year = account.report(granularity=Granularity.YEAR, by=GroupBy.AGENT)

    assert len(by_day.rows) == 34
    assert [row.period for row in by_month.rows] == ["2026-01", "2026-02"]
    assert by_month.rows[0].totals.paid_usd == 2 * 31 * 24 * SPOT
    assert {(row.period, row.agent_id, row.logical_agent_id) for row in by_year.rows} == {
        ("2026", first.agent_id, "web-1"),
        ("2026", second.agent_id, "web-2"),
    }
    assert by_day.total == by_month.total == by_year.total
    assert account.report(since=JAN_1, agent_id=first.agent_id).total.paid_usd * 2 == by_day.total.paid_usd


def test_this_month_is_projected_from_its_days_so_far(account: Account) -> None:
    account.agent()
    account.passes(10)
    account.keep()

    projection = account.report().projection

    assert projection is not None
    assert projection.expected_usd == (31 * 24 * (ON_DEMAND - SPOT)).quantize(Decimal("0.01"))
    assert (projection.low_usd, projection.basis_days, projection.days_left) == (projection.expected_usd, 10, Decimal("21.000"))
    assert account.report(until=JAN_2).projection is None


def test_a_discount_lowers_the_comparison_and_is_said(account: Account) -> None:
    agent = account.agent()
    account.set_client(on_demand_discount_ppm=250_000)
    account.passes(1.25)
    account.keep()

    shown = account.day(agent, JAN_1)

    assert shown.totals.on_demand_usd == 24 * ON_DEMAND * Decimal("0.75")
    assert shown.discount_ratio == Decimal("0.25")
    assert {line["usd_per_unit"] for line in shown.lines if line["purpose"] == "comparison"} == {"0.072"}


@pytest.mark.parametrize(("start", "hours"), [(datetime(2026, 3, 28, 12, tzinfo=UTC), 23), (datetime(2026, 10, 24, 12, tzinfo=UTC), 25)])
def test_a_day_on_which_clocks_change_has_its_own_hours(account: Account, clock: FakeClock, start: datetime, hours: int) -> None:
    account.set_client(time_zone="Europe/Berlin")
    clock.jump((start - clock.now()).total_seconds())
    agent = account.agent()
    account.passes(2)
    account.keep()

    shown = account.day(agent, start.date() + timedelta(days=1))

    assert shown.totals.paid_usd == hours * SPOT
    assert len([line for line in shown.lines if line["purpose"] == "primary"]) == hours


def test_no_hour_is_lost_or_counted_twice_when_the_time_zone_changes(account: Account) -> None:
    account.agent()
    account.passes(2.1)
    account.keep()
    account.set_client(time_zone="Asia/Tokyo")
    account.passes(2)
    account.keep()
    account.set_client(time_zone="America/New_York")
    account.passes(3)
    account.keep()

    days = account.books()

    assert [day.since_at for day in days[1:]] == [day.until_at for day in days[:-1]]
    covered_hours = Decimal((days[-1].until_at - START).total_seconds()) / 3600
    assert sum(day.primary_spot_usd for day in days) == covered_hours * SPOT


def test_a_day_that_is_in_the_books_is_not_reckoned_as_today_after_a_move_westwards(account: Account) -> None:
    agent = account.agent()
    account.set_client(time_zone="Asia/Tokyo")
    account.passes(1.75)
    account.keep()
    account.set_client(time_zone="America/New_York")

    report, alone = account.report(), account.report(agent_id=agent.agent_id)
    account.passes(1)
    account.keep()
    later = account.report()

    # In Tokyo 2 January ended 39 hours after the start; in New York it is that day still.
    assert (report.total.paid_usd, report.total.day_count) == (39 * SPOT, 2)
    assert alone.total == report.total
    hourly = ON_DEMAND - SPOT
    assert report.projection is not None
    assert report.projection.expected_usd == (39 * hourly + 15 * hourly * report.projection.days_left).quantize(Decimal("0.01"))
    # What came since is in the next day, so that nothing is lost.
    assert later.total.paid_usd == 66 * SPOT


def test_a_report_reckons_today_of_many_agents_a_few_at_a_time(account: Account, engine: Engine) -> None:
    for number in range(AGENTS_PER_ORDER):
        account.agent(f"web-{number}", instance_id=f"i-{number}")
    account.passes(0.25)
    with counted(engine) as one_order:
        account.report()
    account.agent("one-more", instance_id="i-more")
    with counted(engine) as two_orders:
        report = account.report()

    assert report.total.paid_usd == AGENTS_PER_ORDER * 6 * SPOT
    assert two_orders.statements > one_order.statements


def test_what_an_agent_is_compared_with_stays_what_it_began_with(account: Account) -> None:
    agent = account.agent()
    account.passes(1.1)
    account.keep()
    account.fleet.execute(update(instances).values(instance_type="m5.4xlarge"))
    account.passes(1)
    account.keep()

    assert account.day(agent, JAN_2).comparison_instance_type == "m5.large"


def test_another_clients_agent_is_as_unknown_as_one_that_never_was(account: Account, database: Database) -> None:
    agent = account.agent()
    other = create_client(database)

    with pytest.raises(NotFound):
        database.read(lambda tx: read_day(tx, other, agent.agent_id, JAN_1, account.pricing))
    with pytest.raises(NotFound):
        database.read(lambda tx: read_report(tx, other, ReportQuestion(agent_id=agent.agent_id), account.pricing))


def test_a_day_that_has_no_account_is_told(account: Account) -> None:
    agent = account.agent()
    account.passes(0.5)

    with pytest.raises(NotFound, match="no account of 2025-12-31"):
        account.day(agent, date(2025, 12, 31))
    with pytest.raises(FieldInvalid, match="up to today"):
        account.day(agent, date(2026, 2, 1))


def test_a_report_costs_as_many_statements_for_many_agents_and_days_as_for_one(account: Account, engine: Engine) -> None:
    account.agent()
    account.passes(1.5)
    account.keep()
    with counted(engine) as few:
        account.report()

    for number in range(8):
        account.agent(f"more-{number}", instance_id=f"i-more-{number}")
    account.passes(5)
    account.keep()
    with counted(engine) as many:
        account.report()

    assert many.statements == few.statements
    assert many.statements <= 20
    assert many.reads == 1


def test_a_day_of_many_agents_is_reckoned_with_as_many_statements_as_that_of_one(
    account: Account, engine: Engine, clock: FakeClock
) -> None:
    account.agent()
    account.passes(1.5)
    with counted(engine) as few:
        account.keep()
    for number in range(8):
        account.agent(f"more-{number}", instance_id=f"i-more-{number}")
    clock.advance(DAY_SECONDS / 2 + 1)
    with counted(engine) as many:
        account.keep()

    assert len(account.books()) == 1 + 9
    assert many.statements <= few.statements + 1
