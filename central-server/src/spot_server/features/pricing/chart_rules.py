"""What a chart of prices shows: over which window, in buckets of which width, and what stands in each, decided from values alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from spot_server.errors import FieldInvalid
from spot_server.features.consolidations.rules import Point
from spot_server.features.pricing.rules import BUCKET_SECONDS, bucket_from

EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
"""EC2 has had a spot market since December 2009."""

WINDOW_MAX = timedelta(days=366)
USUAL_WINDOW = timedelta(days=7)

USUAL_WIDTHS_SECONDS = (BUCKET_SECONDS, 3600, 21_600, 86_400)
USUAL_POINTS = 600
"""More than a screen has room for: without a wish, the narrowest usual bucket with at most this many points for each pool is taken."""

MOST_POINTS = 20_000
"""Of all pools of one answer: some two megabytes."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, its end left out, and the width of a chart's buckets in it."""

    since: datetime
    until: datetime
    bucket_seconds: int

    @property
    def points(self) -> int:
        """How many buckets it touches."""
        first, last = int(self.since.timestamp()) // self.bucket_seconds, int(self.until.timestamp() - 1) // self.bucket_seconds
        return last - first + 1


class Slot(NamedTuple):
    """The prices of one bucket, such that two of the same bucket can be added; in millionths of a dollar per hour.

    The sum is that of its five minutes with a price, of which there are `row_count`. `rank` is that of the source that is believed first of
    those that told; `is_interpolated`: nobody saw any of it.
    """

    at_seconds: int
    sum_micros: int
    row_count: int
    least_micros: int
    most_micros: int
    rank: int
    is_interpolated: bool
    distinct_price_count: int

    @property
    def mean_micros(self) -> int:
        """The mean over its five minutes, rounded."""
        return (2 * self.sum_micros + self.row_count) // (2 * self.row_count)


def choose_window(since: datetime | None, until: datetime | None, bucket_seconds: int | None, now: datetime) -> Window:
    """Fill in what was left out: seven days up to the end of the present five minutes, in buckets that make a readable chart.

    FieldInvalid for a window that is empty or longer than WINDOW_MAX.
    """
    end = min(until or bucket_from(now), bucket_from(now))
    begin = since or max(end, EARLIEST) - USUAL_WINDOW
    if begin >= end:
        raise FieldInvalid("since", begin.isoformat(), "a moment before until, and in the past")
    if end - begin > WINDOW_MAX:
        raise FieldInvalid("since", begin.isoformat(), f"at most {WINDOW_MAX.days} days before until")
    if bucket_seconds is not None:
        return Window(begin, end, bucket_seconds)
    widths = (width for width in USUAL_WIDTHS_SECONDS if (end - begin).total_seconds() <= USUAL_POINTS * width)
    return Window(begin, end, next(widths, USUAL_WIDTHS_SECONDS[-1]))


def require_few_points(window: Window, pools: int) -> None:
    """Refuse a chart of so many pools that would have more than MOST_POINTS points; FieldInvalid says which width would do."""
    if window.points * pools <= MOST_POINTS:
        return
    points_each = max(1, MOST_POINTS // pools - 1)
    least_seconds = -(-int((window.until - window.since).total_seconds()) // points_each)
    expected = f"at least {least_seconds} for {pools} pools over this window, or fewer pools by instance_type and az_id"
    raise FieldInvalid("bucket_seconds", window.bucket_seconds, expected)


def slots_of(points: Iterable[Point], bucket_seconds: int) -> list[Slot]:
    """Return the points of one pool, in order, in buckets."""
    slots: list[Slot] = []
    for point in points:
        at_seconds = point.bucket * BUCKET_SECONDS // bucket_seconds * bucket_seconds
        one = Slot(at_seconds, point.micros, 1, point.micros, point.micros, point.rank, point.is_interpolated, point.distinct_price_count)
        if slots and slots[-1].at_seconds == at_seconds:
            slots[-1] = _sum(slots[-1], one)
        else:
            slots.append(one)
    return slots


def join_slots(earlier: list[Slot], later: list[Slot]) -> list[Slot]:
    """Return a pool's chart from two lists in order, of which the first's last bucket may be the second's first."""
    if earlier and later and earlier[-1].at_seconds == later[0].at_seconds:
        return [*earlier[:-1], _sum(earlier[-1], later[0]), *later[1:]]
    return [*earlier, *later]


def _sum(one: Slot, other: Slot) -> Slot:
    return Slot(
        one.at_seconds,
        one.sum_micros + other.sum_micros,
        one.row_count + other.row_count,
        min(one.least_micros, other.least_micros),
        max(one.most_micros, other.most_micros),
        min(one.rank, other.rank),
        one.is_interpolated and other.is_interpolated,
        max(one.distinct_price_count, other.distinct_price_count),
    )
