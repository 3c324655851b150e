"""Which time a report is about, and how days add up in it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from enum import StrEnum

from spot_server.errors import FieldInvalid
from spot_server.features.savings.figure_rules import ZERO, Amounts

LONGEST_DAILY_DAYS = 366
LONGEST_DAYS = 3_660
"""Ten years: more than any savings account that there is."""


class Granularity(StrEnum):
    """What one row of a report covers."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class GroupBy(StrEnum):
    """Whether a row is the client's, or one agent's."""

    CLIENT = "client"
    AGENT = "agent"


PERIOD_CHARACTERS = {Granularity.DAY: 10, Granularity.MONTH: 7, Granularity.YEAR: 4}
"""How much of 2026-01-05 names the period."""


@dataclass(frozen=True, slots=True)
class DayRange:
    """Dates of the client's time zone, both included."""

    first: date
    last: date


def choose_range(first: date | None, last: date | None, granularity: Granularity, today: date) -> DayRange:
    """Fill in what was left out: up to today, from the month's first day (by year: from the year's).

    FieldInvalid for a range that is backwards, begins after today, or is longer than a report may be.
    """
    end = min(last or today, today)
    begin = first or (end.replace(month=1, day=1) if granularity is Granularity.YEAR else end.replace(day=1))
    if begin > today:
        raise FieldInvalid("since", begin.isoformat(), f"a day up to today, {today.isoformat()}")
    if last is not None and last < begin:
        raise FieldInvalid("until", last.isoformat(), f"a day from since, {begin.isoformat()}, on")
    most = LONGEST_DAILY_DAYS if granularity is Granularity.DAY else LONGEST_DAYS
    if (end - begin).days >= most:
        raise FieldInvalid("since", begin.isoformat(), f"at most {most} days up to until, by {granularity.value}")
    return DayRange(begin, end)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over days of agents. Days whose on-demand price is not known are in `paid_usd`, and neither save nor lose."""

    primary_spot_usd: Decimal = ZERO
    primary_on_demand_usd: Decimal = ZERO
    replica_usd: Decimal = ZERO
    overlap_usd: Decimal = ZERO
    image_usd: Decimal = ZERO
    address_usd: Decimal = ZERO
    compared_usd: Decimal = ZERO
    """What one instance on demand would have cost on the days that could be compared."""
    uncompared_paid_usd: Decimal = ZERO
    """What the other days cost."""
    day_count: int = 0
    uncompared_day_count: int = 0
    unpriced_seconds: int = 0
    unsized_image_count: int = 0
    switch_count: int = 0
    interruption_count: int = 0
    downtime_ms: int = 0

    @property
    def paid_usd(self) -> Decimal:
        """What was paid for everything, on all days."""
        instances = self.primary_spot_usd + self.primary_on_demand_usd + self.replica_usd + self.overlap_usd
        return instances + self.image_usd + self.address_usd

    @property
    def on_demand_usd(self) -> Decimal | None:
        """What on demand would have cost, the days that cannot be compared at what they cost; None if none can be."""
        if self.day_count and self.day_count == self.uncompared_day_count:
            return None
        return self.compared_usd + self.uncompared_paid_usd

    @property
    def saved_usd(self) -> Decimal | None:
        """Below zero where on demand would have been cheaper."""
        on_demand_usd = self.on_demand_usd
        return None if on_demand_usd is None else on_demand_usd - self.paid_usd

    @property
    def saved_ratio(self) -> float | None:
        """Of what on demand would have cost."""
        on_demand_usd, saved_usd = self.on_demand_usd, self.saved_usd
        return None if not on_demand_usd or saved_usd is None else round(float(saved_usd / on_demand_usd), 6)

    @property
    def downtime_seconds(self) -> float:
        """Of the moves that ended in the time."""
        return self.downtime_ms / 1000

    def plus(self, other: Totals) -> Totals:
        """Return both together."""
        return Totals(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(Totals)})


def totals_of_day(amounts: Amounts, *, unsized_image_count: int, switch_count: int, interruption_count: int, downtime_ms: int) -> Totals:
    """Return one agent's day as totals."""
    is_compared = amounts.comparison_usd is not None
    return Totals(
        primary_spot_usd=amounts.primary_spot_usd,
        primary_on_demand_usd=amounts.primary_on_demand_usd,
        replica_usd=amounts.replica_usd,
        overlap_usd=amounts.overlap_usd,
        image_usd=amounts.image_usd,
        address_usd=amounts.address_usd,
        compared_usd=amounts.comparison_usd or ZERO,
        uncompared_paid_usd=ZERO if is_compared else amounts.paid_usd,
        day_count=1,
        uncompared_day_count=0 if is_compared else 1,
        unpriced_seconds=amounts.unpriced_seconds,
        unsized_image_count=unsized_image_count,
        switch_count=switch_count,
        interruption_count=interruption_count,
        downtime_ms=downtime_ms,
    )
