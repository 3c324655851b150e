"""What the prices that were seen come to, decided from values alone.

Values are the numbers of the price tables, for half a day of 500 pools is hundreds of thousands of rows: buckets of five minutes counted
from the epoch, prices in millionths of a dollar per hour, and sources by their rank, 1 being believed first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from spot_server.features.pricing.rules import BUCKET_SECONDS, bucket_of

SETTLE = timedelta(minutes=10)
"""How long after its end a bucket is left alone: the reports of the daemons' last round are on their way."""

LONGEST_GAP_BUCKETS = 288
"""A day. EC2 changes a price one to four times a day (README of the recorded prices): a line across more than that would be made up."""


class Seen(NamedTuple):
    """A row of the staging tier."""

    bucket: int
    rank: int
    micros: int
    observation_count: int


class Point(NamedTuple):
    """A row of the canonical tier. `distinct_price_count` is 0 for what is interpolated."""

    bucket: int
    micros: int
    rank: int
    is_interpolated: bool
    distinct_price_count: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of rows: rows_in = rows_merged + rows_refused + (rows_out - rows_interpolated)."""

    pools: int = 0
    rows_in: int = 0
    rows_merged: int = 0
    rows_refused: int = 0
    rows_interpolated: int = 0
    rows_out: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Add up, count by count."""
        return Counts(*(getattr(self, name) + getattr(other, name) for name in Counts.__dataclass_fields__))


def bucket_number(bucket_at: datetime) -> int:
    """Return a bucket's number in the price tables; `bucket_at` is the start of one."""
    return int(bucket_at.timestamp()) // BUCKET_SECONDS


def due_window_end(now: datetime, last_end: datetime | None, period: timedelta) -> datetime | None:
    """Return up to which bucket (left out) prices are to be consolidated now, or None when the last time is less than `period` ago."""
    end = bucket_of(now - SETTLE)
    return end if last_end is None or end - last_end >= period else None


def next_begins_at(last_end: datetime | None, period: timedelta) -> datetime | None:
    """Return from when on the next consolidation is due; None: at once, for there was none."""
    return None if last_end is None else last_end + period + SETTLE


def consolidate(seen: Sequence[Seen], previous: Point | None, most_micros: int | None) -> tuple[list[Point], Counts]:
    """Return one point per bucket of one pool, oldest first, with the gaps filled, and what became of the rows.

    `seen` is in the order of buckets, all after `previous`: the last bucket before them in which a price was seen. Above `most_micros` a
    price is refused. In each bucket the source of the lowest rank is believed, and of several prices of that source the median is taken,
    each as often as it was seen. Gaps up to LONGEST_GAP_BUCKETS are interpolated; after the last row it stays open for the next time.
    """
    points: list[Point] = []
    refused_count = 0
    for bucket, group in groupby(seen, key=itemgetter(0)):
        rows = list(group)
        believed = rows if most_micros is None else [row for row in rows if row.micros <= most_micros]
        refused_count += len(rows) - len(believed)
        if not believed:
            continue
        point = _point_of(bucket, believed)
        if previous is not None:
            points.extend(fill(previous, point))
        points.append(point)
        previous = point
    interpolated_count = sum(point.is_interpolated for point in points)
    seen_count = len(points) - interpolated_count
    counts = Counts(1, len(seen), len(seen) - refused_count - seen_count, refused_count, interpolated_count, len(points))
    return points, counts


def _point_of(bucket: int, rows: Sequence[Seen]) -> Point:
    if len(rows) == 1:
        return Point(bucket, rows[0].micros, rows[0].rank, is_interpolated=False, distinct_price_count=1)
    rank = min(row.rank for row in rows)
    prices = [(row.micros, row.observation_count) for row in rows if row.rank == rank]
    return Point(bucket, median_of(prices), rank, is_interpolated=False, distinct_price_count=len(prices))


def median_of(prices: Iterable[tuple[int, int]]) -> int:
    """Return the median of prices, each counted so many times (>= 1); between two in the middle their mean, a half rounded down."""
    in_order = sorted(prices)
    total = sum(count for _micros, count in in_order)
    return (_at(in_order, (total - 1) // 2) + _at(in_order, total // 2)) // 2


def _at(in_order: Sequence[tuple[int, int]], position: int) -> int:
    for micros, count in in_order:
        position -= count
        if position < 0:
            return micros
    raise IndexError(position)


def fill(earlier: Point, later: Point) -> Iterator[Point]:
    """Yield the points on the straight line between two, marked; none where nothing is missing or too much is."""
    width = later.bucket - earlier.bucket
    if width > LONGEST_GAP_BUCKETS:
        return
    rise = later.micros - earlier.micros
    for step in range(1, width):
        micros = earlier.micros + (2 * rise * step + width) // (2 * width)
        yield Point(earlier.bucket + step, micros, earlier.rank, is_interpolated=True, distinct_price_count=0)
