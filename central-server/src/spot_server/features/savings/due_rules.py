"""Which days of an agent are over and not in the books, from the days that are there: a newest day says nothing of the ones before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from spot_server.features.savings.calendar_rules import ONE_DAY, Stretch, day_of, days_between, stretch_of_day

ENDS_LATE_BY = timedelta(days=1)
"""An agent's instances may outlive it: its account goes on for this long after its deletion."""

BACKFILL_DAYS = 90
"""Prices are kept for so long: what is older cannot be reckoned any more."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an agent's account is, of the days of a window: how many are stored, and the first and the last of them."""

    agent_id: str
    created_at: datetime
    deleted_at: datetime | None
    stored_count: int
    oldest_day: date | None
    newest_day: date | None


@dataclass(frozen=True, slots=True)
class Window:
    """The days that may be missing: up to `yesterday` in the client's time zone, both included."""

    time_zone: str
    yesterday: date

    @property
    def first(self) -> date:
        """The oldest day that can still be reckoned."""
        return self.yesterday - timedelta(days=BACKFILL_DAYS - 1)


def is_over(progress: Progress, within: Stretch) -> bool:
    """Whether the agent was deleted so long before this time that nothing of it costs any more."""
    return progress.deleted_at is not None and progress.deleted_at + ENDS_LATE_BY <= within.since


def has_gaps(progress: Progress, window: Window) -> bool:
    """Whether days before its newest one may be missing: only then are its days read one by one."""
    if progress.oldest_day is None or progress.newest_day is None:
        return False
    return progress.oldest_day > _first(progress, window) or progress.stored_count <= (progress.newest_day - progress.oldest_day).days


def missing_days(progress: Progress, window: Window, began: Mapping[date, datetime] | None = None) -> list[date]:
    """Return the agent's days that are over and not stored, oldest first.

    `began`: when each of its stored days of the window begins, for an agent that has gaps; None: it has none.
    """
    first = _first(progress, window)
    if progress.oldest_day is None or progress.newest_day is None:
        days = days_between(first, window.yesterday)
    elif began is None:
        days = days_between(max(first, progress.newest_day + ONE_DAY), window.yesterday)
    else:
        # Born in the time zone of today, it may seem older than its first day, which was one of another zone: then nothing is before it.
        is_whole = began[progress.oldest_day] <= progress.created_at
        since = max(first, progress.oldest_day) if is_whole else first
        days = (day for day in days_between(since, window.yesterday) if day not in began)
    return [day for day in days if not is_over(progress, stretch_of_day(day, window.time_zone))]


def _first(progress: Progress, window: Window) -> date:
    return max(day_of(progress.created_at, window.time_zone), window.first)
