"""Days that are not in the books: which they are, and what they come to when they are reckoned as they are asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from spot_server.db.runner import Transaction
from spot_server.features.savings import books
from spot_server.features.savings.calendar_rules import ONE_DAY, Stretch, day_of, stretch_of_day
from spot_server.features.savings.day_orders import order_day
from spot_server.features.savings.due_rules import Progress, Window, has_gaps, is_over, missing_days
from spot_server.features.savings.reckoning import DayAccount, Pricing, Terms, reckon
from spot_server.features.savings.report_rules import DayRange

AGENTS_PER_ORDER = 50
"""Agents whose day is reckoned at once: their lines are in memory together, a few hundred each."""

MOST_LIVE_DAYS = 10_000
"""Past days of agents that one report reckons itself, the newest of them: the night of as many agents as were measured."""


@dataclass(frozen=True, slots=True)
class AgentDay:
    """A day of one agent that is not in the books."""

    agent_id: str
    day: date


def window_of(tx: Transaction, terms: Terms) -> Window:
    """Return the days that are over in the client's time zone, and can still be reckoned."""
    return Window(terms.time_zone, day_of(tx.now, terms.time_zone) - ONE_DAY)


def missing_past(tx: Transaction, window: Window, found: Sequence[Progress]) -> Iterator[AgentDay]:
    """Give the days that are over and not stored; the days of agents that have gaps are read a few agents at a time."""
    gaps = [one.agent_id for one in found if has_gaps(one, window)]
    began: dict[str, dict[date, datetime]] = {}
    for one in found:
        if gaps and one.agent_id == gaps[0]:
            began = books.beginnings_of(tx, gaps[:AGENTS_PER_ORDER], window)
            gaps = gaps[AGENTS_PER_ORDER:]
        for day in missing_days(one, window, began.get(one.agent_id)):
            yield AgentDay(one.agent_id, day)


def not_stored(tx: Transaction, terms: Terms, within: DayRange, agent_id: str | None = None) -> list[AgentDay]:
    """Return the days of the client's agents, or of one, that are not in the books, today's included, the newest first.

    An agent whose day of today's date is stored already is left out: it was over before the client moved its clocks westwards. What it pays
    since then comes with its next day.
    """
    window = window_of(tx, terms)
    today = window.yesterday + ONE_DAY
    found = books.progress_of(tx, terms.client_id, window, agent_id)
    now = Stretch(tx.now, tx.now)
    live = [AgentDay(one.agent_id, today) for one in found if not is_over(one, now) and (one.newest_day is None or one.newest_day < today)]
    missing = [one for one in [*live, *missing_past(tx, window, found)] if within.first <= one.day <= within.last]
    return sorted(missing, key=lambda one: (-one.day.toordinal(), one.agent_id))


def reckon_live(tx: Transaction, terms: Terms, pricing: Pricing, missing: Sequence[AgentDay]) -> Iterator[DayAccount]:
    """Give the accounts of days that are not stored, the newest `MOST_LIVE_DAYS` that are over, and today up to now.

    A few agents are reckoned at a time.
    """
    today = day_of(tx.now, terms.time_zone)
    by_day: dict[date, list[str]] = defaultdict(list)
    for one in islice((one for one in missing if one.day < today), MOST_LIVE_DAYS):
        by_day[one.day].append(one.agent_id)
    by_day[today] = [one.agent_id for one in missing if one.day == today]
    for day, ids in by_day.items():
        until = tx.now if day == today else stretch_of_day(day, terms.time_zone).until
        for start in range(0, len(ids), AGENTS_PER_ORDER):
            yield from reckon(tx, order_day(tx, terms, day, ids[start : start + AGENTS_PER_ORDER], until=until), pricing)
