"""The use cases of the account: reckoning days into the books, and showing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import islice
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import FieldInvalid, NotFound, RangeTooWide
from spot_server.features.agents.queries import find_agent_of_client
from spot_server.features.clients.service import load_client
from spot_server.features.savings import books
from spot_server.features.savings.calendar_rules import ONE_DAY, Stretch, begin_of_day, day_of, month_of, stretch_of_day
from spot_server.features.savings.day_orders import order_day
from spot_server.features.savings.figure_rules import Amounts
from spot_server.features.savings.lines import line_document
from spot_server.features.savings.live_days import AGENTS_PER_ORDER, missing_past, not_stored, reckon_live, window_of
from spot_server.features.savings.live_totals import LiveDay, live_totals, totals_of_account
from spot_server.features.savings.projection_rules import BASIS_DAYS, Projection, project
from spot_server.features.savings.reckoning import DayAccount, Pricing, Terms, reckon
from spot_server.features.savings.report_rules import PERIOD_CHARACTERS, DayRange, Granularity, GroupBy, Totals, choose_range, totals_of_day
from spot_server.features.savings.today_totals import TodayTotals

PRICES_LATE_BY = timedelta(days=7)
"""A daemon's report may be this old (`pricing.rules.REPORT_AGE_MAX`): until then a day is reckoned again, once a day."""

RECKONED_AGAIN_AFTER = timedelta(days=1)
MOST_ROWS = 5_000
"""Of one report."""


@dataclass(frozen=True, slots=True)
class DueDay:
    """A day that is to be reckoned for these agents of a client."""

    client_id: str
    day: date
    agent_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One period of the client's, or of one agent's. `is_complete`: all its days that are asked for are over and in the books.

    Days older than `due_rules.BACKFILL_DAYS` that are not there cannot be reckoned any more, and count as there.
    """

    period: str
    agent_id: str | None
    logical_agent_id: str | None
    totals: Totals
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What was paid and saved in a time; `projection` is this month's, where the range reaches today."""

    terms: Terms
    days: DayRange
    granularity: Granularity
    by: GroupBy
    rows: list[ReportRow]
    total: Totals
    is_complete: bool
    """Whether all its days are over and in the books, those of the rows and those that have none."""
    today: date | None
    """The day that is in the last rows so far, and not over; None where the range ends before it."""
    projection: Projection | None
    now: datetime


@dataclass(frozen=True, slots=True)
class DayShown:
    """One agent's day down to its prices. `is_final`: no late price changes it; a day that is not over is computed as it is read."""

    agent_id: str
    logical_agent_id: str
    day: date
    time_zone: str
    within: Stretch
    comparison_instance_type: str
    discount_ratio: Decimal
    totals: Totals
    lines: Sequence[dict[str, Any]]
    computed_at: datetime
    is_final: bool


@dataclass(frozen=True, slots=True)
class ReportQuestion:
    """What a report is asked for; what is None is chosen."""

    since: date | None = None
    until: date | None = None
    granularity: Granularity = Granularity.DAY
    by: GroupBy = GroupBy.CLIENT
    agent_id: str | None = None


def terms_of(tx: Transaction, client_id: str) -> Terms:
    """Return how the client's days are counted and compared; NotFound for a client that there is not."""
    client = load_client(tx, client_id)
    return Terms(client_id, client.time_zone, client.on_demand_discount_ppm)


def due_days(tx: Transaction, client_id: str, most: int) -> list[DueDay]:
    """Return the days of the client that are over and not in the books, oldest first, and after them those that may have changed.

    Up to about `most` days of agents. A day that could not be reckoned is missing still, whatever came after it.
    """
    window = window_of(tx, terms_of(tx, client_id))
    missing: dict[date, list[str]] = {}
    count = 0
    for one in islice(missing_past(tx, window, books.progress_of(tx, client_id, window)), most):
        missing.setdefault(one.day, []).append(one.agent_id)
        count += 1
    for agent_id, day in books.provisional_days(tx, client_id, tx.now - RECKONED_AGAIN_AFTER, max(0, most - count)):
        missing.setdefault(day, []).append(agent_id)
    return [
        DueDay(client_id, day, tuple(ids[start : start + AGENTS_PER_ORDER]))
        for day, ids in sorted(missing.items())
        for start in range(0, len(ids), AGENTS_PER_ORDER)
    ]


def reckon_day(tx: Transaction, due: DueDay, pricing: Pricing) -> list[dict[str, Any]]:
    """Return the rows of a day that is over, to be stored as they are. Reads only."""
    terms = terms_of(tx, due.client_id)
    order = order_day(tx, terms, due.day, due.agent_ids, until=stretch_of_day(due.day, terms.time_zone).until)
    return [_row(account, tx.now) for account in reckon(tx, order, pricing)]


def _row(account: DayAccount, now: datetime) -> dict[str, Any]:
    return {
        "agent_id": account.agent.agent_id,
        "day": account.day,
        "client_id": account.terms.client_id,
        "time_zone": account.terms.time_zone,
        "since_at": account.within.since,
        "until_at": account.within.until,
        "comparison_instance_type": account.comparison_instance_type,
        "on_demand_discount_ppm": account.terms.on_demand_discount_ppm,
        **{name: getattr(account.amounts, name) for name in Amounts.__dataclass_fields__},
        "unsized_image_count": account.unsized_image_count,
        "switch_count": account.happened.switch_count,
        "interruption_count": account.happened.interruption_count,
        "downtime_ms": account.happened.downtime_ms,
        "lines": [line_document(line) for line in account.lines],
        "computed_at": now,
        "is_final": now >= account.within.until + PRICES_LATE_BY,
    }


def read_report(tx: Transaction, client_id: str, asked: ReportQuestion, pricing: Pricing, remembered: TodayTotals | None = None) -> Report:
    """Return a report; FieldInvalid for a range that cannot be, NotFound for another client's agent, RangeTooWide for too many rows.

    Days that are not in the books yet are reckoned for it, as far as `live_days` bounds them; `remembered` may know today's already.
    """
    if asked.agent_id is not None:
        find_agent_of_client(tx, client_id, asked.agent_id)
    terms = terms_of(tx, client_id)
    today = day_of(tx.now, terms.time_zone)
    days = choose_range(asked.since, asked.until, asked.granularity, today)
    reaches_today = days.last == today
    # The projection goes by days before the range, too.
    missing = not_stored(tx, terms, replace(days, first=min(days.first, _basis(today).first)) if reaches_today else days, asked.agent_id)
    live = live_totals(tx, terms, pricing, missing, remembered or TodayTotals())
    open_keys = {_key(asked, one.agent_id, one.day) for one in missing if one.day >= days.first}
    if reaches_today and asked.by is GroupBy.CLIENT:
        open_keys.add(_key(asked, "", today))
    sums = _sums(tx, client_id, asked, days, live)
    names = books.names_of(tx, client_id, sorted({agent_id for _, agent_id in sums if agent_id is not None}))
    return Report(
        terms=terms,
        days=days,
        granularity=asked.granularity,
        by=asked.by,
        rows=[ReportRow(*key, names.get(key[1] or ""), sums[key], is_complete=key not in open_keys) for key in sorted(sums, key=_place)],
        total=reduce(Totals.plus, sums.values(), Totals()),
        is_complete=not open_keys and not reaches_today,
        today=today if reaches_today else None,
        projection=_projection(tx, terms, asked.agent_id, today, live) if reaches_today else None,
        now=tx.now,
    )


def _sums(
    tx: Transaction, client_id: str, asked: ReportQuestion, days: DayRange, live: Sequence[LiveDay]
) -> dict[tuple[str, str | None], Totals]:
    stored = books.sums(tx, client_id, days, asked.granularity, asked.by, asked.agent_id, MOST_ROWS + 1)
    sums = {(period, agent_id): totals for period, agent_id, totals in stored}
    for one in live:
        if one.day >= days.first:
            key = _key(asked, one.agent_id, one.day)
            sums[key] = sums.get(key, Totals()).plus(one.totals)
    if len(sums) > MOST_ROWS:
        raise RangeTooWide(f"this report has more than {MOST_ROWS} rows; ask for a shorter time, fewer agents or longer periods")
    return sums


def _key(asked: ReportQuestion, agent_id: str, day: date) -> tuple[str, str | None]:
    return day.isoformat()[: PERIOD_CHARACTERS[asked.granularity]], agent_id if asked.by is GroupBy.AGENT else None


def _place(key: tuple[str, str | None]) -> tuple[str, str]:
    period, agent_id = key
    return period, agent_id or ""


def _basis(today: date) -> DayRange:
    """Return the days that a projection goes by: this month's so far, and the last complete ones."""
    return DayRange(min(month_of(today)[0], today - timedelta(days=BASIS_DAYS)), today)


def _projection(tx: Transaction, terms: Terms, agent_id: str | None, today: date, live: Sequence[LiveDay]) -> Projection | None:
    """Project this month's savings from its days so far and the spread of the last complete days."""
    begin, end = month_of(today)
    basis = _basis(today)
    by_day = books.sums(tx, terms.client_id, basis, Granularity.DAY, GroupBy.CLIENT, agent_id, BASIS_DAYS + 32)
    saved = {day: totals.saved_usd for day, _, totals in by_day if totals.saved_usd is not None}
    for one in live:
        if one.day >= basis.first and one.totals.saved_usd is not None:
            saved[one.day.isoformat()] = saved.get(one.day.isoformat(), Decimal(0)) + one.totals.saved_usd
    so_far = sum((usd for day, usd in saved.items() if day >= begin.isoformat()), start=Decimal(0))
    left = begin_of_day(end + ONE_DAY, terms.time_zone) - tx.now
    days_left = (Decimal(left // timedelta(seconds=1)) / 86_400).quantize(Decimal("0.001"))
    return project(so_far, days_left, [saved[day] for day in sorted(saved) if day < today.isoformat()])


def read_day(tx: Transaction, client_id: str, agent_id: str, day: date, pricing: Pricing) -> DayShown:
    """Return one agent's day with its lines: as stored, or reckoned now where it is not. NotFound for a day that has no account."""
    agent = find_agent_of_client(tx, client_id, agent_id)
    terms = terms_of(tx, client_id)
    stored = books.find_snapshot(tx, agent_id, day)
    if stored is not None:
        counts = {"switch_count": stored.switch_count, "interruption_count": stored.interruption_count, "downtime_ms": stored.downtime_ms}
        return DayShown(
            agent_id=agent_id,
            logical_agent_id=agent.logical_agent_id,
            day=day,
            time_zone=stored.time_zone,
            within=Stretch(stored.since_at, stored.until_at),
            comparison_instance_type=stored.comparison_instance_type,
            discount_ratio=replace(terms, on_demand_discount_ppm=stored.on_demand_discount_ppm).discount_ratio,
            totals=totals_of_day(stored.amounts, unsized_image_count=stored.unsized_image_count, **counts),
            lines=stored.lines,
            computed_at=stored.computed_at,
            is_final=stored.is_final,
        )
    today = day_of(tx.now, terms.time_zone)
    if day > today:
        raise FieldInvalid("day", day.isoformat(), f"a day up to today, {today.isoformat()}")
    live = list(reckon_live(tx, terms, pricing, not_stored(tx, terms, DayRange(day, day), agent_id)))
    if not live:
        raise NotFound(f"agent {agent_id} has no account of {day.isoformat()}: it did not live then, or its prices are not kept any more")
    (account,) = live
    return DayShown(
        agent_id=agent_id,
        logical_agent_id=agent.logical_agent_id,
        day=day,
        time_zone=terms.time_zone,
        within=account.within,
        comparison_instance_type=account.comparison_instance_type,
        discount_ratio=terms.discount_ratio,
        totals=totals_of_account(account),
        lines=[line_document(line) for line in account.lines],
        computed_at=tx.now,
        is_final=False,
    )
