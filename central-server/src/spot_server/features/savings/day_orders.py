"""Which time is a day's for each agent, and what it is compared with, from what is stored around it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from spot_server.db.runner import Transaction
from spot_server.features.savings import books
from spot_server.features.savings.books import StoredTime
from spot_server.features.savings.calendar_rules import ONE_DAY, Stretch, begin_of_day
from spot_server.features.savings.reckoning import DayOrder, Terms


def order_day(tx: Transaction, terms: Terms, day: date, agent_ids: Sequence[str], *, until: datetime) -> DayOrder:
    """Say which time is the day's for each agent: from where the stored day before it ended to where the one after it begins.

    So no hour is counted twice, and none is left out, when a client changes its time zone, or when a day that was missed is made up for. A
    day that is stored keeps its time, and what it is compared with; another is compared with what the last one before it was. A day
    of which nothing is left is empty, and is stored all the same.
    """
    usual = Stretch(begin_of_day(day, terms.time_zone), until)
    around: dict[str, list[StoredTime]] = {agent_id: [] for agent_id in agent_ids}
    for one in books.stored_around(tx, agent_ids, day):
        around[one.agent_id].append(one)
    withins = {agent_id: _within(day, usual, stored) for agent_id, stored in around.items()}
    types = {agent_id: stored[0].comparison_instance_type for agent_id, stored in around.items() if stored}
    types |= {one.agent_id: one.comparison_instance_type for stored in around.values() for one in stored if one.day == day}
    return DayOrder(day, terms, withins, types)


def _within(day: date, usual: Stretch, stored: Sequence[StoredTime]) -> Stretch:
    since, until = usual.since, usual.until
    for one in stored:
        if one.day == day:
            return Stretch(one.since_at, one.until_at)
        if one.day > day:
            until = one.since_at
        elif one.day == day - ONE_DAY:
            since = one.until_at
        else:
            since = max(since, one.until_at)
    return Stretch(since, max(since, until))
