"""Spot prices as EC2 shows them: a list of changes per pool, generated from a seed or taken from a recording."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol

from spot_simulator.model.delays import unit_draw

HISTORY_DAYS = 90
"""How far DescribeSpotPriceHistory looks back."""
LARGEST_STEP_RATIO = 0.05
"""Of recorded zone-level prices of 2022 no single step exceeds about 5 %."""
MOST_CHANGES_A_DAY = 4
_DAYS_BEFORE_HISTORY = 5
USUAL_SPOT_RATIO = (0.30, 0.52)
"""Range of a pool's long-term spot price as a part of on demand: about 59 % below in the middle."""
_STEP_WITHOUT_ROUNDING = 0.045
_PRICE_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True, order=True)
class PriceChange:
    """From ``at`` on, the pool costs ``usd_per_hour``."""

    at: datetime
    usd_per_hour: Decimal


@dataclass(frozen=True, slots=True)
class PriceAxis:
    """Region days on the wall clock: before ``start`` a day is a day, after it a day passes ``1 / time_scale`` times as fast."""

    start: datetime
    time_scale: float

    def wall(self, region_day: float) -> datetime:
        """Return the wall time of a region day; day 0 is the start of the region."""
        return self.start + timedelta(days=region_day * (self.time_scale if region_day > 0 else 1.0))

    def region_day(self, wall: datetime) -> float:
        """Return the region day of a wall time."""
        days = (wall - self.start) / timedelta(days=1)
        return days / self.time_scale if days > 0 else days


class PriceSeries(Protocol):
    """The prices of one pool."""

    def changes_until(self, until: datetime) -> Sequence[PriceChange]:
        """Return every change up to and including ``until``, oldest first, none repeated, at least one."""
        ...


class GeneratedSeries:
    """A walk around the pool's long-term price; the same seed and pool give the same walk. Not safe for several threads."""

    def __init__(self, seed: int, pool: str, on_demand_usd_per_hour: Decimal, axis: PriceAxis, history_days: int = HISTORY_DAYS) -> None:
        """``pool`` is any text that names the pool; the walk begins a few days before ``history_days``, at the long-term price."""
        self._key, self._axis = (seed, pool), axis
        low, high = USUAL_SPOT_RATIO
        self._usual = float(on_demand_usd_per_hour) * (low + (high - low) * unit_draw(*self._key, "usual"))
        self._ceiling = float(on_demand_usd_per_hour)
        self._next_day = -(history_days + _DAYS_BEFORE_HISTORY)
        self._changes = [PriceChange(axis.wall(self._next_day), _rounded(self._usual))]

    def changes_until(self, until: datetime) -> Sequence[PriceChange]:
        """Return every change up to and including ``until``; the first lies before the days of history."""
        last_day = math.floor(self._axis.region_day(until))
        while self._next_day <= last_day:
            self._append_day(self._next_day)
            self._next_day += 1
        return self._changes[: max(1, bisect.bisect_right(self._changes, until, key=lambda change: change.at))]

    def _append_day(self, day: int) -> None:
        count = 1 + int(unit_draw(*self._key, day, "count") * MOST_CHANGES_A_DAY)
        moments = sorted(unit_draw(*self._key, day, "moment", number) for number in range(count))
        for number, moment in enumerate(moments):
            before = self._changes[-1].usd_per_hour
            after = self._stepped(before, unit_draw(*self._key, day, "step", number))
            if after != before:
                self._changes.append(PriceChange(self._axis.wall(day + moment), after))

    def _stepped(self, before: Decimal, draw: float) -> Decimal:
        pull = 0.05 * (math.log(self._usual) - math.log(float(before)))
        step = pull + (2 * draw - 1) * 0.03
        step = max(-_STEP_WITHOUT_ROUNDING, min(_STEP_WITHOUT_ROUNDING, step))
        return _rounded(min(self._ceiling, float(before) * math.exp(step)))


class RecordedSeries:
    """A recording; its first price also counts for the time before it."""

    def __init__(self, changes: Sequence[PriceChange]) -> None:
        """``changes`` are oldest first and at least one."""
        self._changes = list(changes)

    def changes_until(self, until: datetime) -> Sequence[PriceChange]:
        """Return every change up to and including ``until``, or the first one if all are later."""
        return self._changes[: max(1, bisect.bisect_right(self._changes, until, key=lambda change: change.at))]


def history(changes: Sequence[PriceChange], since: datetime, until: datetime) -> list[PriceChange]:
    """Return the changes (oldest first) in [since, until] and the last one before ``since``, newest first.

    That is what DescribeSpotPriceHistory answers: with ``since`` = ``until`` = now, the price that counts now.
    """
    first = bisect.bisect_left(changes, since, key=lambda change: change.at)
    end = bisect.bisect_right(changes, until, key=lambda change: change.at)
    return list(reversed(changes[max(0, first - 1) : max(first, end)]))


def one_per_second(changes: Sequence[PriceChange]) -> list[PriceChange]:
    """Leave out, of changes newest first, those that a newer one in the same second replaced: EC2 tells whole seconds."""
    return [
        change
        for index, change in enumerate(changes)
        if index == 0 or changes[index - 1].at.replace(microsecond=0) != change.at.replace(microsecond=0)
    ]


def price_at(changes: Sequence[PriceChange], moment: datetime) -> Decimal:
    """Return USD per hour at ``moment``; before the first change, the first price."""
    index = bisect.bisect_right(changes, moment, key=lambda change: change.at)
    return changes[max(0, index - 1)].usd_per_hour


def _rounded(usd_per_hour: float) -> Decimal:
    return max(_PRICE_PLACES, Decimal(usd_per_hour).quantize(_PRICE_PLACES, rounding=ROUND_HALF_EVEN))
