"""When an agent may be moved: its maintenance window, decided from values alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from spot_server.weekdays import WEEKDAYS

_DAYS_AHEAD = 15
"""A window of one day a week opens within a week, or within two where the clocks skip it once."""


def is_open(window: Mapping[str, Any] | None, now: datetime) -> bool:
    """Tell whether decisions may move the agent now. The end is left out; None: always."""
    return window is None or any(starts_at <= now < ends_at for starts_at, ends_at in _openings(window, now))


def opens_at(window: Mapping[str, Any] | None, now: datetime) -> datetime | None:
    """Return when the window opens next, in UTC; None while it is open."""
    if window is None or is_open(window, now):
        return None
    return min(starts_at for starts_at, _ in _openings(window, now) if starts_at > now)


def _openings(window: Mapping[str, Any], now: datetime) -> list[tuple[datetime, datetime]]:
    """Return the windows that began yesterday or begin within the next days, as moments.

    Times of day are those of the zone's clocks; one that the clocks skip is read as if they had not, one that comes twice is its first.
    """
    zone = ZoneInfo(window["time_zone"])
    today = now.astimezone(zone).date()
    starts, ends = time.fromisoformat(window["starts_at"]), time.fromisoformat(window["ends_at"])
    found = []
    for offset in range(-1, _DAYS_AHEAD + 1):
        day = today + timedelta(days=offset)
        if WEEKDAYS[day.weekday()] not in window["days"]:
            continue
        last = day if ends > starts else day + timedelta(days=1)
        found.append((_moment(day, starts, zone), _moment(last, ends, zone)))
    return [(opens, closes) for opens, closes in found if opens < closes]


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
