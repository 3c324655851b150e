"""What an instance costs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from spot_simulator.model.billing import MINIMUM_BILLED, billed_until, on_demand_spans, spot_spans, total_usd
from spot_simulator.model.prices import PriceChange, price_at

START = datetime(2026, 1, 1, tzinfo=UTC)
PRICES = st.decimals("0.0001", "1", places=4)
MINUTES = st.integers(0, 10_000)


@st.composite
def changes(draw: st.DrawFn) -> list[PriceChange]:
    """Draw a list of price changes, oldest first."""
    minutes = sorted(draw(st.sets(MINUTES, min_size=1, max_size=20)))
    return [PriceChange(START + timedelta(minutes=minute), draw(PRICES)) for minute in minutes]


@given(changes(), MINUTES, MINUTES)
def test_spans_cover_the_time_without_gaps_at_the_price_of_the_moment(series: list[PriceChange], first: int, length: int) -> None:
    since = START + timedelta(minutes=first)
    until = since + timedelta(minutes=length)

    spans = spot_spans(series, since, until)

    assert sum((span.until - span.since for span in spans), start=timedelta()) == until - since
    assert all(left.until == right.since for left, right in pairwise(spans))
    assert all(span.usd_per_hour == price_at(series, span.since) for span in spans)


@given(changes(), MINUTES, MINUTES, MINUTES)
def test_a_bill_is_the_sum_of_the_bills_of_its_parts(series: list[PriceChange], first: int, second: int, third: int) -> None:
    since, middle, until = (START + timedelta(minutes=minute) for minute in sorted((first, second, third)))

    whole = total_usd(spot_spans(series, since, until))
    parts = total_usd(spot_spans(series, since, middle)) + total_usd(spot_spans(series, middle, until))

    assert abs(whole - parts) < Decimal("1e-20")


def test_an_hour_costs_the_price_of_an_hour() -> None:
    spans = on_demand_spans(Decimal("0.096"), START, START + timedelta(hours=1))

    assert total_usd(spans) == Decimal("0.096")


def test_a_second_is_billed_as_a_second() -> None:
    spans = on_demand_spans(Decimal("3.6"), START, START + timedelta(seconds=1))

    assert total_usd(spans) == Decimal("0.001")


def test_what_ended_within_a_minute_is_billed_for_the_minute_and_what_runs_until_now() -> None:
    now = START + timedelta(hours=1)

    assert billed_until(START, START + timedelta(seconds=2), now) == START + MINIMUM_BILLED
    assert billed_until(START, START + timedelta(seconds=61), now) == START + timedelta(seconds=61)
    assert billed_until(now - timedelta(seconds=2), None, now) == now


def test_nothing_that_did_not_run_costs() -> None:
    assert spot_spans([PriceChange(START, Decimal(1))], START, START) == []
    assert on_demand_spans(Decimal(1), START, START) == []
    assert total_usd([]) == 0
