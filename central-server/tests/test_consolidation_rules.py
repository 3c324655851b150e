"""What holds for every set of prices that is consolidated."""

from __future__ import annotations

from datetime import timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.consolidations.rules import (
    LONGEST_GAP_BUCKETS,
    Counts,
    Point,
    Seen,
    consolidate,
    due_window_end,
    fill,
    median_of,
)

FIRST = 5_890_000
HALF_A_DAY = timedelta(hours=12)
prices = st.integers(1, 10**9)
rows = st.builds(Seen, bucket=st.integers(FIRST, FIRST + 40), rank=st.integers(1, 3), micros=prices, observation_count=st.integers(1, 9))
seen_rows = st.lists(rows, unique_by=lambda row: (row.bucket, row.rank, row.micros)).map(
    lambda found: sorted(found, key=lambda row: row.bucket)
)
edges = st.none() | st.builds(Point, st.integers(FIRST - 40, FIRST - 1), prices, st.integers(1, 3), st.just(False), st.just(1))


@given(seen_rows, edges, st.none() | prices)
def test_every_row_is_accounted_for_and_each_bucket_has_one_point(seen: list[Seen], previous: Point | None, most: int | None) -> None:
    points, counts = consolidate(seen, previous, most)

    buckets = [point.bucket for point in points]
    assert buckets == sorted(set(buckets))
    assert counts.rows_in == len(seen)
    assert counts.rows_out == len(points)
    assert counts.rows_in == counts.rows_merged + counts.rows_refused + counts.rows_out - counts.rows_interpolated
    assert counts.rows_refused == sum(most is not None and row.micros > most for row in seen)


@given(seen_rows, edges)
def test_what_was_seen_stands_and_what_was_not_is_marked(seen: list[Seen], previous: Point | None) -> None:
    points, _counts = consolidate(seen, previous, None)

    observed = {row.bucket for row in seen}
    assert {point.bucket for point in points if not point.is_interpolated} == observed
    for point in points:
        if not point.is_interpolated:
            best = min(row.rank for row in seen if row.bucket == point.bucket)
            believed = [row.micros for row in seen if row.bucket == point.bucket and row.rank == best]
            assert min(believed) <= point.micros <= max(believed)
            assert (point.rank, point.distinct_price_count) == (best, len(believed))


@given(seen_rows, edges)
def test_without_long_gaps_there_is_a_point_in_every_bucket(seen: list[Seen], previous: Point | None) -> None:
    points, _counts = consolidate(seen, previous, None)

    if seen:
        begin = seen[0].bucket if previous is None else previous.bucket + 1
        assert [point.bucket for point in points] == list(range(begin, seen[-1].bucket + 1))


@given(seen_rows, edges, st.integers(0, 41))
def test_in_two_parts_it_comes_to_the_same_as_at_once(seen: list[Seen], previous: Point | None, cut: int) -> None:
    at_once, counts = consolidate(seen, previous, None)

    first, earlier = consolidate([row for row in seen if row.bucket < FIRST + cut], previous, None)
    last = next((point for point in reversed(first) if not point.is_interpolated), previous)
    second, later = consolidate([row for row in seen if row.bucket >= FIRST + cut], last, None)

    assert first + second == at_once
    assert (earlier + later).rows_merged == counts.rows_merged
    assert (earlier + later).rows_out == counts.rows_out


@given(st.lists(st.tuples(prices, st.integers(1, 5)), min_size=1))
def test_the_median_counts_each_price_as_often_as_it_was_seen(found: list[tuple[int, int]]) -> None:
    spelled_out = [micros for micros, count in found for _ in range(count)]

    assert median_of(found) == int(median(spelled_out))


def test_one_mistaken_daemon_among_many_does_not_move_the_price() -> None:
    rows = [Seen(FIRST, 1, 35_000, 30), Seen(FIRST, 1, 340_000, 1)]

    ((point,), _counts) = consolidate(rows, None, None)

    assert (point.micros, point.distinct_price_count) == (35_000, 2)


def test_a_primary_is_believed_before_replicas_and_these_before_the_server() -> None:
    rows = [Seen(FIRST, 3, 1, 9), Seen(FIRST, 2, 2, 9), Seen(FIRST, 1, 3, 1), Seen(FIRST + 1, 3, 1, 9), Seen(FIRST + 1, 2, 2, 1)]

    points, _counts = consolidate(rows, None, None)

    assert [point.micros for point in points] == [3, 2]


@given(prices, prices, st.integers(1, LONGEST_GAP_BUCKETS))
def test_a_gap_is_filled_on_a_straight_line(before: int, after: int, width: int) -> None:
    earlier = Point(FIRST, before, 1, is_interpolated=False, distinct_price_count=1)
    later = Point(FIRST + width, after, 3, is_interpolated=False, distinct_price_count=1)

    filled = list(fill(earlier, later))

    line = [before, *(point.micros for point in filled), after]
    assert len(filled) == width - 1
    assert line in (sorted(line), sorted(line, reverse=True))
    assert all(abs(point.micros - (before + (after - before) * step / width)) <= 1 for step, point in enumerate(filled, start=1))
    assert all(point.is_interpolated and point.rank == 1 and point.distinct_price_count == 0 for point in filled)


def test_a_line_across_more_than_a_day_is_not_drawn() -> None:
    earlier = Point(FIRST, 1, 1, is_interpolated=False, distinct_price_count=1)
    later = earlier._replace(bucket=FIRST + LONGEST_GAP_BUCKETS + 1)

    assert list(fill(earlier, later)) == []


@pytest.mark.parametrize(
    ("now", "last_end", "due"),
    [
        (START, None, START - timedelta(minutes=10)),
        (START + timedelta(minutes=14), START - timedelta(hours=12), START),
        (START + timedelta(minutes=9), START - timedelta(hours=12), None),
        (START + timedelta(days=3), START, START + timedelta(days=3) - timedelta(minutes=10)),
    ],
    ids=["never", "just due", "just not", "after days of standstill"],
)
def test_it_is_due_once_its_period_has_passed_and_its_last_bucket_has_settled(now: object, last_end: object, due: object) -> None:
    assert due_window_end(now, last_end, HALF_A_DAY) == due  # type: ignore[arg-type]


def test_counts_add_up_one_by_one() -> None:
    assert Counts(1, 2, 3, 4, 5, 6) + Counts(10, 20, 30, 40, 50, 60) == Counts(11, 22, 33, 44, 55, 66)
