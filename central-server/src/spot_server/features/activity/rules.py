"""An agent's usual week, decided from values alone: what an hour adds to it, and when it is quietest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from spot_server.weekdays import WEEKDAYS

HOUR = timedelta(hours=1)
HOURS_OF_DAY = 24
HOURS_OF_WEEK = 7 * HOURS_OF_DAY

LEAST_DAYS = 3
"""Every hour of the day must have been seen on so many days before anything is said. One day may be any day and two may be a weekend;
the third is another kind of day. A wrong guess costs little: a move waits only where that costs less than it spares."""

MOST_WEIGHT = 4
"""Of the weeks that an hour was seen the last four count: a new one for a quarter. A habit that changes is relearned in about a month."""

LEAST_HEARTBEATS = 10
"""An hour of which fewer were heard is not counted. A daemon sends 120 in an hour by default."""

LATEST = timedelta(minutes=15)
"""What is read later than this after an hour's end is not that hour's any more."""

IDLE_RATIO = 0.02
"""Added to every hour before hours are compared: an operating system alone is about so busy, and hours that differ by less than that are
equally quiet. Chosen, not measured."""


class HourActivity(NamedTuple):
    """One hour of the week: how busy it usually is (0..1), and how often it was counted."""

    busy_ratio: float
    seen_count: int


UNSEEN = HourActivity(0.0, 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the heartbeats of the PRIMARY added up to at a moment: both only grow, as long as it is the same instance."""

    instance_id: str
    cpu_busy_ratio_sum: float
    cpu_busy_count: int


@dataclass(frozen=True, slots=True)
class Profile:
    """An agent's usual week: HOURS_OF_WEEK hours from Monday 00:00 in `time_zone`.

    All hours before `hour_at` are counted as far as they ever will be; `reading` was taken within the hour that begins there.
    """

    time_zone: str
    hours: tuple[HourActivity, ...]
    hour_at: datetime
    reading: Reading


@dataclass(frozen=True, slots=True)
class UsualWeek:
    """How busy (0..1) an agent is to be expected in each hour of the week, from Monday 00:00 in `time_zone`."""

    time_zone: str
    days: int
    """On how many days each hour of the day was seen, at least; LEAST_DAYS or more."""
    busy_ratios: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Quiet:
    """What is known of an agent's hours now. Ratios are by its average hour (1.0), and above zero."""

    activity_ratio: float
    quiet_ratio: float | None
    """Of the quietest hour of the next day in which it may be moved; None: none is quieter than this one."""
    quiet_at: datetime | None


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the UTC hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def hour_of_week(moment: datetime, time_zone: str) -> int:
    """Return which hour of the week (0..167, 0: Monday 00:00) the clocks of the zone show then."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return local.weekday() * HOURS_OF_DAY + local.hour


def fold(profile: Profile | None, reading: Reading, now: datetime, time_zone: str) -> Profile:
    """Return the agent's week with the hour that ended last, unless that is counted already: the same profile then.

    The hour is left out, and only the reading kept, where it was not heard from its beginning, or too little, or by another instance.
    Another time zone begins the week anew.
    """
    hour_at = hour_of(now)
    if profile is None or profile.time_zone != time_zone:
        return Profile(time_zone, (UNSEEN,) * HOURS_OF_WEEK, hour_at, reading)
    if profile.hour_at >= hour_at:
        return profile
    busy_ratio = None
    if profile.hour_at == hour_at - HOUR and now - hour_at <= LATEST:
        busy_ratio = _busy_between(profile.reading, reading)
    hours = list(profile.hours)
    if busy_ratio is not None:
        place = hour_of_week(profile.hour_at, time_zone)
        hours[place] = _with(hours[place], busy_ratio)
    return Profile(time_zone, tuple(hours), hour_at, reading)


def _busy_between(before: Reading, after: Reading) -> float | None:
    count = after.cpu_busy_count - before.cpu_busy_count
    if after.instance_id != before.instance_id or count < LEAST_HEARTBEATS:
        return None
    return min(1.0, max(0.0, (after.cpu_busy_ratio_sum - before.cpu_busy_ratio_sum) / count))


def _with(hour: HourActivity, busy_ratio: float) -> HourActivity:
    count = hour.seen_count + 1
    return HourActivity(round(hour.busy_ratio + (busy_ratio - hour.busy_ratio) / min(count, MOST_WEIGHT), 4), count)


def usual_week(profile: Profile) -> UsualWeek | None:
    """Return what is to be expected by the profile; None while not every hour of the day was seen on LEAST_DAYS days."""
    counts = [one.seen_count for one in profile.hours]
    days = min(sum(counts[hour::HOURS_OF_DAY]) for hour in range(HOURS_OF_DAY))
    return None if days < LEAST_DAYS else UsualWeek(profile.time_zone, days, _expected(profile.hours))


def quiet_hours(week: UsualWeek, now: datetime, may_move: Callable[[datetime], bool]) -> Quiet:
    """Return when the agent is quietest of the hours that begin within the next day and in which it may be moved."""
    average = sum(week.busy_ratios) / HOURS_OF_WEEK

    def ratio_at(moment: datetime) -> float:
        busy_ratio = week.busy_ratios[hour_of_week(moment, week.time_zone)]
        return round((busy_ratio + IDLE_RATIO) / (average + IDLE_RATIO), 4)

    activity_ratio = ratio_at(now)
    coming = [hour_of(now) + HOUR * offset for offset in range(1, HOURS_OF_DAY)]
    quieter = [(ratio, begins) for begins in coming if (ratio := ratio_at(begins)) < activity_ratio and may_move(begins)]
    if not quieter:
        return Quiet(activity_ratio, None, None)
    return Quiet(activity_ratio, *min(quieter))


def describe_quiet_hours(week: UsualWeek) -> str:
    """Return from how many days the agent's hours are known, and the quietest of its week, for a person."""
    place = min(range(HOURS_OF_WEEK), key=lambda one: (week.busy_ratios[one], one))
    day, hour = divmod(place, HOURS_OF_DAY)
    return f"known from {week.days} days, quietest {WEEKDAYS[day].capitalize()} {hour:02}:00 {week.time_zone}"


def _expected(hours: Sequence[HourActivity]) -> tuple[float, ...]:
    """An hour that was seldom seen, or never, on its own day of the week is taken to be like the same hour of the other days."""
    found = [0.0] * HOURS_OF_WEEK
    for hour in range(HOURS_OF_DAY):
        weighted = [(busy_ratio, min(count, MOST_WEIGHT)) for busy_ratio, count in hours[hour::HOURS_OF_DAY]]
        of_days = sum(busy_ratio * weight for busy_ratio, weight in weighted) / sum(weight for _, weight in weighted)
        found[hour::HOURS_OF_DAY] = [round((busy_ratio * weight + of_days) / (weight + 1), 4) for busy_ratio, weight in weighted]
    return tuple(found)
