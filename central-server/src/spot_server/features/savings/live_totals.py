"""What days that are not in the books come to, without their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from spot_server.db.runner import Transaction
from spot_server.features.savings.calendar_rules import day_of
from spot_server.features.savings.live_days import AgentDay, reckon_live
from spot_server.features.savings.reckoning import DayAccount, Pricing, Terms
from spot_server.features.savings.report_rules import Totals, totals_of_day
from spot_server.features.savings.today_totals import TodayTotals


@dataclass(frozen=True, slots=True)
class LiveDay:
    """What a day of one agent comes to that is not in the books."""

    agent_id: str
    day: date
    totals: Totals


def live_totals(tx: Transaction, terms: Terms, pricing: Pricing, missing: Sequence[AgentDay], remembered: TodayTotals) -> list[LiveDay]:
    """Return what these days come to. What is remembered of today is taken from there, and what is not is remembered."""
    today = day_of(tx.now, terms.time_zone)
    known = remembered.get(terms, today, tx.now)
    is_known = {one for one in missing if one.day == today and one.agent_id in known}
    # Totals alone are kept: the lines of thousands of agents would fill the memory.
    left = [one for one in missing if one not in is_known]
    reckoned = [LiveDay(one.agent.agent_id, one.day, totals_of_account(one)) for one in reckon_live(tx, terms, pricing, left)]
    remembered.add(terms, today, tx.now, {one.agent_id: one.totals for one in reckoned if one.day == today})
    return [*(LiveDay(one.agent_id, today, known[one.agent_id]) for one in missing if one in is_known), *reckoned]


def totals_of_account(account: DayAccount) -> Totals:
    """Return what an account comes to."""
    return totals_of_day(
        account.amounts,
        unsized_image_count=account.unsized_image_count,
        switch_count=account.happened.switch_count,
        interruption_count=account.happened.interruption_count,
        downtime_ms=account.happened.downtime_ms,
    )
