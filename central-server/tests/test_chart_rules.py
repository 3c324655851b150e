"""What holds for every chart of prices."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.errors import FieldInvalid
from spot_server.features.consolidations.rules import Point
from spot_server.features.pricing.chart_rules import (
    MOST_POINTS,
    USUAL_POINTS,
    Window,
    choose_window,
    join_slots,
    require_few_points,
    slots_of,
)

FIRST = 5_890_000
numbers = st.lists(st.integers(FIRST, FIRST + 600), unique=True).map(sorted)
points_at = {"micros": st.integers(1, 10**6), "rank": st.integers(1, 3), "is_interpolated": st.booleans()}
series = numbers.flatmap(
    lambda found: st.tuples(*[st.builds(Point, st.just(number), **points_at, distinct_price_count=st.integers(0, 4)) for number in found])
)
widths = st.sampled_from([300, 400, 900, 3600, 86_400])


@given(series, widths)
def test_a_chart_has_one_point_per_bucket_in_order_and_keeps_to_what_it_is_made_of(points: tuple[Point, ...], width: int) -> None:
    chart = join_slots(slots_of(points, width), [])

    assert [shown.at_seconds for shown in chart] == sorted({point.bucket * 300 // width * width for point in points})
    for shown in chart:
        inside = [point for point in points if point.bucket * 300 // width * width == shown.at_seconds]
        assert shown.least_micros == min(point.micros for point in inside)
        assert shown.most_micros == max(point.micros for point in inside)
        assert abs(shown.mean_micros * len(inside) - sum(point.micros for point in inside)) <= len(inside)
        assert shown.rank == min(point.rank for point in inside)
        assert shown.is_interpolated == all(point.is_interpolated for point in inside)


@given(series, widths, st.integers(FIRST, FIRST + 600))
def test_where_the_two_tiers_meet_makes_no_difference(points: tuple[Point, ...], width: int, end: int) -> None:
    earlier = slots_of([point for point in points if point.bucket < end], width)
    later = slots_of([point for point in points if point.bucket >= end], width)

    assert join_slots(earlier, later) == join_slots(slots_of(points, width), [])


@given(st.integers(1, 366 * 24), st.integers(1, 40))
def test_without_a_wish_a_chart_can_be_read(hours: int, pools: int) -> None:
    window = choose_window(START - timedelta(hours=hours), START, None, START)

    assert window.points <= USUAL_POINTS + 1
    require_few_points(window, min(pools, 30))


@given(st.integers(1, 366 * 24), st.integers(300, 10**6), st.integers(1, 60))
def test_the_width_that_a_refusal_names_would_do(hours: int, width: int, pools: int) -> None:
    window = Window(START - timedelta(hours=hours), START, width)

    try:
        require_few_points(window, pools)
    except FieldInvalid as refused:
        assert window.points * pools > MOST_POINTS
        named = int(str(refused.detail).partition("at least ")[2].split()[0])
        require_few_points(Window(window.since, window.until, named), pools)
    else:
        assert window.points * pools <= MOST_POINTS


def test_a_window_is_seven_days_up_to_the_end_of_these_five_minutes_unless_said_otherwise() -> None:
    window = choose_window(None, None, None, START + timedelta(seconds=1))

    assert (window.until, window.until - window.since) == (START + timedelta(minutes=5), timedelta(days=7))
    assert window.bucket_seconds == 3600


@pytest.mark.parametrize(
    ("days", "width"), [(1, 300), (2, 300), (3, 3600), (25, 3600), (26, 21_600), (150, 21_600), (151, 86_400), (366, 86_400)]
)
def test_the_longer_the_window_the_wider_its_buckets(days: int, width: int) -> None:
    assert choose_window(START - timedelta(days=days), START, None, START).bucket_seconds == width


def test_more_than_a_year_or_nothing_at_all_is_no_window() -> None:
    with pytest.raises(FieldInvalid):
        choose_window(START - timedelta(days=400), None, None, START)
    with pytest.raises(FieldInvalid):
        choose_window(START, START, None, START)
