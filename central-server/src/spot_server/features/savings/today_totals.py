"""Remembering for a minute what today came to so far, so that a page that many look at is not reckoned for each of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from spot_server.features.savings.reckoning import Terms
from spot_server.features.savings.report_rules import Totals

BELIEVED_FOR = timedelta(seconds=60)
"""How old what is remembered may be: today's sum grows by less than a thousandth of a day in it."""

MOST_AGENTS = 20_000
"""Of all clients together, in one process."""


@dataclass(frozen=True, slots=True)
class _Entry:
    terms: Terms
    day: date
    reckoned_at: datetime
    totals: Mapping[str, Totals]


class TodayTotals:
    """Each client's totals of today by agent, the client that was asked for longest ago out first. Safe to share between threads.

    It says nothing of which agents have such a day: who asks reads that from the books each time, and takes from here what it needs.
    """

    def __init__(self, *, most_agents: int = MOST_AGENTS) -> None:
        """Start empty."""
        self._most_agents = most_agents
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, terms: Terms, day: date, now: datetime) -> Mapping[str, Totals]:
        """Return what is known of the client's day by agent, reckoned by these terms less than a minute ago; empty: nothing."""
        with self._lock:
            return self._get(terms, day, now)

    def add(self, terms: Terms, day: date, now: datetime, totals: Mapping[str, Totals]) -> None:
        """Remember these agents, reckoned at `now`, beside those that are known. All of them count as old as the first."""
        if not totals:
            return
        with self._lock:
            known = self._get(terms, day, now)
            reckoned_at = self._entries[terms.client_id].reckoned_at if known else now
            self._entries[terms.client_id] = _Entry(terms, day, reckoned_at, {**known, **totals})
            while sum(len(entry.totals) for entry in self._entries.values()) > self._most_agents:
                self._entries.popitem(last=False)

    def _get(self, terms: Terms, day: date, now: datetime) -> Mapping[str, Totals]:
        entry = self._entries.get(terms.client_id)
        if entry is None:
            return {}
        # A clock that was set back makes nothing younger.
        if (entry.terms, entry.day) != (terms, day) or not timedelta(0) <= now - entry.reckoned_at < BELIEVED_FOR:
            del self._entries[terms.client_id]
            return {}
        self._entries.move_to_end(terms.client_id)
        return entry.totals
