"""Hours of a day, and what each cost: nothing is counted twice, nothing is left out, and the sum of the hours is the day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.savings.calendar_rules import ONE_DAY, Stretch, day_of, hours_in_month, hours_of, merged, stretch_of_day, without
from spot_server.features.savings.figure_rules import DayFacts, amounts_of, day_lines
from spot_server.features.savings.rules import (
    INSTANCE_PURPOSES,
    UNCOMPARED,
    Comparison,
    Line,
    PriceStep,
    Purpose,
    Run,
    StoredImage,
    Tariff,
    amount_usd,
)
from spot_server.words import Mode

DAY = datetime(2026, 3, 1, tzinfo=UTC)
WITHIN = Stretch(DAY, DAY + ONE_DAY)
TARIFF = Tariff(Decimal("0.05"), Decimal("0.1"), Decimal("0.005"))
ON_DEMAND = Comparison("m5.large", PriceStep(datetime(1970, 1, 1, tzinfo=UTC), Decimal("0.096"), "catalogue"))
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Asia/Beirut"]
)
SECONDS = st.integers(-7_200, 100_000)
PRICES = st.decimals("0.0001", "3", places=4)


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def run(since: float = 0, until: float = 24, **changes: object) -> Run:
    members = {
        "instance_id": "i-1",
        "instance_type": "m5.large",
        "az_id": "use1-az1",
        "mode": Mode.SPOT,
        "paid": Stretch(at(since), at(until)),
        "purposes": [(at(since), Purpose.PRIMARY)],
        "prices": [PriceStep(at(-5), Decimal("0.04"), "PRIMARY", at(-5))],
    }
    return Run(**{**members, **changes})  # type: ignore[arg-type]


def facts(*runs: Run, comparison: Comparison = ON_DEMAND, within: Stretch = WITHIN, images: list[StoredImage] | None = None) -> DayFacts:
    return DayFacts(within, runs, images or [], 0, Stretch(DAY, DAY), TARIFF, comparison)


def instance_lines(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.purpose in INSTANCE_PURPOSES]


def comparison_of(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.purpose is Purpose.COMPARISON]


@given(ZONES, st.dates(date(2005, 1, 1), date(2035, 1, 1)))
def test_days_follow_each_other_without_gap_or_overlap_in_every_zone(zone: str, day: date) -> None:
    one, next_one = stretch_of_day(day, zone), stretch_of_day(day + ONE_DAY, zone)

    assert one.until == next_one.since
    assert all(day_of(hour.since, zone) == day for hour in hours_of(one))
    assert sum((hour.length for hour in hours_of(one)), start=timedelta()) == one.length


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 3, 8), "America/New_York", 23),
        (date(2026, 11, 1), "America/New_York", 25),
        (date(2026, 6, 1), "Asia/Kolkata", 24),
        (date(2011, 12, 30), "Pacific/Apia", 0),
    ],
)
def test_a_day_has_as_many_hours_as_the_clocks_there_show(day: date, zone: str, hours: int) -> None:
    assert len(list(hours_of(stretch_of_day(day, zone)))) == hours


def test_a_day_whose_midnight_is_skipped_begins_with_its_first_moment() -> None:
    begin = stretch_of_day(date(2018, 11, 4), "America/Sao_Paulo").since

    assert begin.astimezone(ZoneInfo("America/Sao_Paulo")).hour == 1
    assert begin == datetime(2018, 11, 4, 3, tzinfo=UTC)


@st.composite
def runs(draw: st.DrawFn) -> list[Run]:
    """Draw instances with prices and changes of role at any second."""
    found = []
    for number in range(draw(st.integers(0, 4))):
        since, length = draw(SECONDS), draw(st.integers(0, 90_000))
        begin = DAY + timedelta(seconds=since, microseconds=draw(st.integers(0, 999_999)))
        changes = sorted(draw(st.lists(SECONDS, max_size=3)))
        purposes = [(begin, Purpose.REPLICA)] + [
            (DAY + timedelta(seconds=moment), draw(st.sampled_from(sorted(INSTANCE_PURPOSES)))) for moment in changes if moment > since
        ]
        prices = [
            PriceStep(DAY + timedelta(seconds=moment), draw(PRICES), "PRIMARY", DAY)
            for moment in sorted(draw(st.sets(SECONDS, max_size=4)))
        ]
        found.append(
            run(instance_id=f"i-{number}", paid=Stretch(begin, begin + timedelta(seconds=length)), purposes=purposes, prices=prices)
        )
    return found


@given(runs())
def test_every_moment_of_a_run_is_in_one_line_and_in_no_other(drawn: list[Run]) -> None:
    lines = day_lines(facts(*drawn))

    for one in drawn:
        pieces = sorted((line.since, line.until) for line in instance_lines(lines) if line.what == one.instance_id)
        paid = one.paid.cut(WITHIN)
        assert all(left[1] == right[0] for left, right in pairwise(pieces))
        assert (paid is None) == (pieces == [])
        if paid is not None:
            assert (pieces[0][0], pieces[-1][1]) == (paid.since, paid.until)


@given(runs())
def test_the_sum_of_the_hours_is_the_day_to_the_last_digit(drawn: list[Run]) -> None:
    lines = day_lines(facts(*drawn))

    day = amounts_of(lines, is_comparable=True)

    hours = [amounts_of([line for line in lines if line.hour_at == hour.since], is_comparable=True) for hour in hours_of(WITHIN)]
    assert sum((hour.paid_usd for hour in hours), start=Decimal(0)) == day.paid_usd
    assert sum((hour.comparison_usd or 0 for hour in hours), start=Decimal(0)) == day.comparison_usd
    assert day.saved_usd == (day.comparison_usd or 0) - day.paid_usd


@given(runs())
def test_a_line_costs_the_price_that_was_in_force_and_stays_within_its_hour(drawn: list[Run]) -> None:
    for line in instance_lines(day_lines(facts(*drawn))):
        (owner,) = [one for one in drawn if one.instance_id == line.what]
        known = [step for step in owner.prices if step.effective_at <= line.since]
        assert line.hour_at <= line.since < line.until <= line.hour_at + timedelta(hours=1)
        assert line.usd_per_unit == (known[-1].usd_per_hour if known else None)
        assert (line.usd is None) == (not known)


@given(runs())
def test_the_comparison_runs_once_whenever_something_ran_whose_price_is_known(drawn: list[Run]) -> None:
    lines = day_lines(facts(*drawn))

    compared = merged([Stretch(line.since, line.until) for line in comparison_of(lines) if line.what != UNCOMPARED])
    paid = merged([Stretch(line.since, line.until) for line in instance_lines(lines)])
    unpriced = merged([Stretch(line.since, line.until) for line in instance_lines(lines) if line.usd is None])
    expected = [left for one in paid for left in without(one, unpriced)]
    assert sum((one.length for one in compared), start=timedelta()) == sum((one.length for one in expected), start=timedelta())


@given(runs())
def test_time_with_an_unknown_price_neither_saves_nor_loses(drawn: list[Run]) -> None:
    lines = day_lines(facts(*drawn))

    unpriced = merged([Stretch(line.since, line.until) for line in instance_lines(lines) if line.usd is None])
    paid = [(line, one.cut(Stretch(line.since, line.until))) for line in instance_lines(lines) for one in unpriced]
    expected = [(part.since, amount_usd(line.usd_per_unit, Decimal(1), part.length)) for line, part in paid if line.usd_per_unit and part]
    assert sorted((line.since, line.usd or Decimal(0)) for line in comparison_of(lines) if line.what == UNCOMPARED) == sorted(expected)


def test_a_standby_without_a_price_turns_no_saving_into_a_loss() -> None:
    unpriced = run(instance_id="i-2", since=6, until=12, purposes=[(DAY, Purpose.REPLICA)], prices=[])

    day = amounts_of(day_lines(facts(run(), unpriced)), is_comparable=True)

    assert (day.paid_usd, day.unpriced_seconds) == (Decimal("0.96"), 6 * 3600)
    # Eighteen hours are compared; the six beside the standby stand on both sides at what they cost.
    assert day.comparison_usd == 18 * Decimal("0.096") + 6 * Decimal("0.04")
    assert day.saved_usd == 18 * (Decimal("0.096") - Decimal("0.04"))


def test_a_day_without_an_on_demand_price_is_paid_and_compared_with_nothing() -> None:
    lines = day_lines(facts(run(), comparison=Comparison("m5.large", None)))

    day = amounts_of(lines, is_comparable=False)

    assert day.paid_usd == Decimal("0.96")
    assert (day.comparison_usd, day.saved_usd) == (None, None)


def test_two_instances_at_once_cost_more_than_one_on_demand_and_the_loss_is_shown() -> None:
    costly = [PriceStep(at(-1), Decimal("0.09"), "PRIMARY", at(-1))]
    lines = day_lines(facts(run(prices=costly), run(prices=costly, instance_id="i-2", purposes=[(DAY, Purpose.OVERLAP)])))

    day = amounts_of(lines, is_comparable=True)

    assert (day.primary_spot_usd, day.overlap_usd, day.comparison_usd) == (Decimal("2.16"), Decimal("2.16"), Decimal("2.304"))
    assert day.saved_usd == Decimal("-2.016")


def test_a_discount_lowers_what_on_demand_would_have_cost_and_nothing_else() -> None:
    discounted = Comparison("m5.large", ON_DEMAND.price, Decimal("0.25"))

    listed, lowered = (amounts_of(day_lines(facts(run(), comparison=each)), is_comparable=True) for each in (ON_DEMAND, discounted))

    assert (listed.comparison_usd, lowered.comparison_usd) == (Decimal("2.304"), Decimal("1.728"))
    assert listed.paid_usd == lowered.paid_usd


def test_a_price_that_changes_within_an_hour_cuts_it() -> None:
    prices = [PriceStep(at(-1), Decimal("0.04"), "PRIMARY", at(-1)), PriceStep(at(2.5), Decimal("0.06"), "REPLICA", at(2.5))]

    lines = [line for line in instance_lines(day_lines(facts(run(prices=prices)))) if line.hour_at == at(2)]

    assert [(line.since, line.until, line.usd, line.source) for line in lines] == [
        (at(2), at(2.5), Decimal("0.02"), "PRIMARY"),
        (at(2.5), at(3), Decimal("0.03"), "REPLICA"),
    ]


def test_a_promotion_within_an_hour_divides_replica_from_primary() -> None:
    lines = day_lines(facts(run(until=2, purposes=[(DAY, Purpose.REPLICA), (at(1.5), Purpose.PRIMARY)])))

    day = amounts_of(lines, is_comparable=True)

    assert (day.replica_usd, day.primary_spot_usd) == (Decimal("0.06"), Decimal("0.02"))


def test_of_several_images_the_largest_counts_whole_and_the_others_by_what_they_changed() -> None:
    kept = Stretch(at(-100), at(100))
    images = [StoredImage("ami-1", 20, kept), StoredImage("ami-2", 30, kept), StoredImage("ami-3", None, kept)]

    lines = day_lines(facts(images=images))

    assert {line.quantity for line in lines} == {Decimal("32.000000")}
    assert {line.usd for line in lines} == {(Decimal("0.05") * 32 / 744).quantize(Decimal("0.00000001"))}
    assert len(lines) == 24


def test_an_address_costs_the_same_on_both_sides() -> None:
    one = DayFacts(WITHIN, [run()], [], 2, Stretch(at(12), at(99)), TARIFF, ON_DEMAND)

    day = amounts_of(day_lines(one), is_comparable=True)

    assert day.address_usd == Decimal("0.12")
    assert day.comparison_usd == Decimal("2.304") + Decimal("0.12")


@given(PRICES, st.integers(0, 10**9))
def test_an_amount_is_rounded_once_to_a_hundred_millionth(price: Decimal, microseconds: int) -> None:
    usd = amount_usd(price, Decimal(1), timedelta(microseconds=microseconds))

    assert usd == usd.quantize(Decimal("0.00000001"))
    assert abs(usd - price * microseconds / 3_600_000_000) <= Decimal("0.000000005")


def test_a_month_of_gigabytes_is_divided_by_the_hours_of_that_month() -> None:
    assert [hours_in_month(datetime(2026, month, 9, tzinfo=UTC)) for month in (1, 2, 4)] == [744, 672, 720]
