"""Counting what was taken: each interruption is in one pool, one weekday and one hour."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.errors import FieldInvalid
from spot_server.features.analytics.rules import Days, Interruption, choose_days, count_by_pool

TODAY = date(2026, 3, 1)
YEAR = datetime(2025, 1, 1, tzinfo=UTC)
EVENTS = st.lists(
    st.builds(
        Interruption,
        st.just("us-east-1"),
        st.sampled_from(["use1-az1", "use1-az2"]),
        st.sampled_from(["m5.large", "c5.large"]),
        st.integers(0, 31_536_000).map(lambda seconds: YEAR + timedelta(seconds=seconds)),
    ),
    max_size=40,
)


@given(EVENTS, st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
def test_each_interruption_is_counted_once_in_its_pool_its_weekday_and_its_hour(events: list[Interruption], zone: str) -> None:
    pools = count_by_pool(events, zone)

    assert sum(pool.count for pool in pools) == len(events)
    assert all(sum(pool.by_weekday) == sum(pool.by_hour) == pool.count > 0 for pool in pools)
    assert [pool.count for pool in pools] == sorted((pool.count for pool in pools), reverse=True)


def test_left_out_days_are_the_last_ninety() -> None:
    assert choose_days(None, None, TODAY) == Days(TODAY - timedelta(days=89), TODAY)
    assert choose_days(None, TODAY + timedelta(days=9), TODAY).last == TODAY


def test_a_time_that_is_backwards_or_too_long_is_refused() -> None:
    for first, last in ((TODAY, TODAY - timedelta(days=1)), (TODAY - timedelta(days=366), TODAY)):
        with pytest.raises(FieldInvalid):
            choose_days(first, last, TODAY)


def test_no_day_is_before_the_first_one() -> None:
    assert choose_days(None, date(2009, 1, 2), TODAY) == Days(date(2009, 1, 1), date(2009, 1, 2))
    for first, last in ((date(2008, 12, 31), date(2009, 1, 2)), (None, date.min), (date.min, date.min)):
        with pytest.raises(FieldInvalid):
            choose_days(first, last, TODAY)
