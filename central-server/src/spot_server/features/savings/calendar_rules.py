"""Days and months in a client's time zone, and the hours of a day, as stretches of UTC."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time from `since` up to `until`, its end left out. Empty when they are equal; never backwards."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until - self.since

    def cut(self, other: Stretch) -> Stretch | None:
        """Return what both have in common, or None."""
        since, until = max(self.since, other.since), min(self.until, other.until)
        return Stretch(since, until) if since < until else None


def begin_of_day(day: date, time_zone: str) -> datetime:
    """Return when `day` begins there. Where clocks skip midnight it begins with the first moment that there is."""
    return datetime.combine(day, time(), ZoneInfo(time_zone)).astimezone(UTC)


def stretch_of_day(day: date, time_zone: str) -> Stretch:
    """Return the day as UTC: 23 or 25 hours long where clocks change, and as long as nothing at all where a day was left out."""
    return Stretch(begin_of_day(day, time_zone), begin_of_day(day + ONE_DAY, time_zone))


def day_of(moment: datetime, time_zone: str) -> date:
    """Return the date that the moment has there."""
    return moment.astimezone(ZoneInfo(time_zone)).date()


def days_between(first: date, last: date) -> Iterator[date]:
    """Give every date from `first` to `last`, both included; none if they are the other way round."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def hours_of(stretch: Stretch) -> Iterator[Stretch]:
    """Cut a stretch into hours from its beginning on; the last one may be shorter (half an hour on Lord Howe Island)."""
    since = stretch.since
    while since < stretch.until:
        until = min(since + HOUR, stretch.until)
        yield Stretch(since, until)
        since = until


def hours_in_month(moment: datetime) -> int:
    """Return how many hours the moment's month has in UTC, which is what AWS's price of a GB-month is divided by."""
    at = moment.astimezone(UTC)
    return calendar.monthrange(at.year, at.month)[1] * 24


def month_of(day: date) -> tuple[date, date]:
    """Return the first and the last date of the day's month."""
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])


def merged(stretches: list[Stretch]) -> list[Stretch]:
    """Return the time that any of them covers, in order, as stretches that do not touch."""
    found: list[Stretch] = []
    for one in sorted(stretches, key=lambda each: each.since):
        if found and one.since <= found[-1].until:
            found[-1] = Stretch(found[-1].since, max(found[-1].until, one.until))
        elif one.since < one.until:
            found.append(one)
    return found


def without(stretch: Stretch, taken: list[Stretch]) -> list[Stretch]:
    """Return what is left of a stretch when the time of `taken`, merged, is taken away."""
    left, since = [], stretch.since
    for hole in taken:
        if hole.until <= since or hole.since >= stretch.until:
            continue
        if since < hole.since:
            left.append(Stretch(since, hole.since))
        since = hole.until
    return [*left, Stretch(since, stretch.until)] if since < stretch.until else left
