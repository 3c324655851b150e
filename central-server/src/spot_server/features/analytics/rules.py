"""When a pool's instances were taken, by weekday and hour of the client's time zone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from spot_server.errors import FieldInvalid
from spot_server.features.pricing.chart_rules import EARLIEST

LONGEST_DAYS = 366
DEFAULT_DAYS = 90
HOURS_PER_DAY = 24
DAYS_PER_WEEK = 7
FIRST_DAY = EARLIEST.date()
"""Before it there was no spot instance that could be taken, and near the year 1 a time zone has no moment for midnight."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """An instance that was taken: where, and when we heard of it."""

    region: str
    az_id: str
    instance_type: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class PoolHistory:
    """How often instances of one pool were taken. `by_weekday` begins with Monday, `by_hour` with midnight."""

    region: str
    az_id: str
    instance_type: str
    count: int
    by_weekday: list[int]
    by_hour: list[int]
    last_at: datetime


def count_by_pool(found: Iterable[Interruption], time_zone: str) -> list[PoolHistory]:
    """Return the pools with what was taken in them, the most often hit first. Each interruption is in one weekday and in one hour."""
    zone = ZoneInfo(time_zone)
    pools: dict[tuple[str, str, str], list[Interruption]] = {}
    for one in found:
        pools.setdefault((one.region, one.az_id, one.instance_type), []).append(one)
    histories = [_history(pool, events, zone) for pool, events in pools.items()]
    return sorted(histories, key=lambda pool: (-pool.count, pool.region, pool.az_id, pool.instance_type))


def _history(pool: tuple[str, str, str], events: list[Interruption], zone: ZoneInfo) -> PoolHistory:
    by_weekday, by_hour = [0] * DAYS_PER_WEEK, [0] * HOURS_PER_DAY
    for event in events:
        local = event.received_at.astimezone(zone)
        by_weekday[local.weekday()] += 1
        by_hour[local.hour] += 1
    return PoolHistory(*pool, len(events), by_weekday, by_hour, max(event.received_at for event in events))


@dataclass(frozen=True, slots=True)
class Days:
    """Dates, both included."""

    first: date
    last: date


def choose_days(first: date | None, last: date | None, today: date) -> Days:
    """Fill in what was left out: the last DEFAULT_DAYS.

    FieldInvalid for a time that is backwards, longer than LONGEST_DAYS, or has a day before FIRST_DAY.
    """
    for field, day in (("since", first), ("until", last)):
        if day is not None and day < FIRST_DAY:
            raise FieldInvalid(field, day.isoformat(), f"a day from {FIRST_DAY.isoformat()} on")
    end = min(last or today, today)
    begin = first or max(FIRST_DAY, end - timedelta(days=DEFAULT_DAYS - 1))
    if begin > end:
        raise FieldInvalid("since", begin.isoformat(), f"a day up to {end.isoformat()}")
    if (end - begin).days >= LONGEST_DAYS:
        raise FieldInvalid("since", begin.isoformat(), f"at most {LONGEST_DAYS} days up to until")
    return Days(begin, end)
