"""Figures for operators. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from spot_server.db.runner import Transaction
from spot_server.features.analytics import queries
from spot_server.features.analytics.queries import AgentHealth, EmergencyDay, StepRow
from spot_server.features.analytics.rules import Days, PoolHistory, choose_days, count_by_pool
from spot_server.features.clients.service import load_client
from spot_server.paging import Page, page_of, read_cursor

MOST_STEPS = 10_000
"""About a thousand moves: more in one day than any page can show."""

MOST_INTERRUPTIONS = 100_000


@dataclass(frozen=True, slots=True)
class MovePerformance:
    """A move that ended in the last 24 hours, with what each of its steps took."""

    first: StepRow
    steps: list[StepRow]

    @property
    def downtime_seconds(self) -> float | None:
        """None for a move that was not completed."""
        return None if self.first.downtime_ms is None else self.first.downtime_ms / 1000

    @property
    def total_seconds(self) -> float:
        """From the wish to the end."""
        return (self.first.completed_at - self.first.initiated_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Performance:
    """The moves of the last 24 hours, the latest first; `is_truncated` when there were more than one answer may carry."""

    moves: list[MovePerformance]
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class EmergencyDays:
    """The days of a time on which there were interruptions."""

    days: Days
    rows: list[EmergencyDay]


@dataclass(frozen=True, slots=True)
class InterruptionHistory:
    """When instances were taken, by pool, weekday and hour of the client's time zone."""

    days: Days
    time_zone: str
    pools: list[PoolHistory]
    is_truncated: bool


def read_health(tx: Transaction, client_id: str, *, limit: int, cursor: str | None) -> Page[AgentHealth]:
    """Return the client's living agents by id."""
    (after,) = read_cursor(cursor, str) or [""]
    rows = queries.list_health(tx, client_id, after=after, most=limit + 1)
    return page_of(rows, limit=limit, position=lambda row: (row.agent_id,))


def read_performance(tx: Transaction, client_id: str) -> Performance:
    """Return the moves that ended in the last 24 hours."""
    rows = queries.list_steps_24h(tx, client_id, most=MOST_STEPS + 1)
    groups = [list(steps) for _, steps in groupby(rows[:MOST_STEPS], key=lambda row: row.switch_id)]
    return Performance([MovePerformance(steps[0], steps) for steps in groups], is_truncated=len(rows) > MOST_STEPS)


def read_emergency_days(tx: Transaction, client_id: str, since: date | None, until: date | None) -> EmergencyDays:
    """Return the days with interruptions, in UTC; FieldInvalid for a time that cannot be."""
    days = choose_days(since, until, tx.now.date())
    return EmergencyDays(days, queries.list_emergency_days(tx, client_id, days))


def read_history(tx: Transaction, client_id: str, since: date | None, until: date | None) -> InterruptionHistory:
    """Return when instances were taken, in the client's time zone; FieldInvalid for a time that cannot be."""
    time_zone = load_client(tx, client_id).time_zone
    zone = ZoneInfo(time_zone)
    days = choose_days(since, until, tx.now.astimezone(zone).date())
    begin, end = (datetime.combine(day, time(), zone) for day in (days.first, days.last + timedelta(days=1)))
    found = queries.list_taken(tx, client_id, begin, end, most=MOST_INTERRUPTIONS + 1)
    pools = count_by_pool(found[:MOST_INTERRUPTIONS], time_zone)
    return InterruptionHistory(days, time_zone, pools, is_truncated=len(found) > MOST_INTERRUPTIONS)
