"""A job with a deadline in one zone or several: what a policy makes of recorded capacity. As in "Can't Be Late" (Wu et al., NSDI 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from spot_server.backtest.history import JobTick, Known
from spot_server.backtest.terms import MOST_PRICE_RATIO, ON_DEMAND, SECONDS_PER_HOUR, require
from spot_server.words import Mode

LONGEST_SECONDS = 10_000 * SECONDS_PER_HOUR
_NOTHING_LEFT_SECONDS = 1e-3


@dataclass(frozen=True, slots=True)
class JobTerms:
    """The job, and what machines cost; on demand costs 1 an hour."""

    work_seconds: float = 48 * SECONDS_PER_HOUR
    total_seconds: float = 60 * SECONDS_PER_HOUR
    changeover_seconds: float = 0.2 * SECONDS_PER_HOUR
    """What each start costs before work goes on; it is paid."""
    price_ratio: float = 3.145
    """On demand by spot."""

    def __post_init__(self) -> None:
        """Refuse what cannot be played. ImpossibleTerms names the value."""
        hours = self.work_seconds / SECONDS_PER_HOUR
        require(0.0 < self.work_seconds <= LONGEST_SECONDS, "work hours", hours, "a number above 0, to 10000")
        start = self.changeover_seconds
        require(0.0 <= start <= self.work_seconds, "changeover hours", start / SECONDS_PER_HOUR, f"a number from 0 to the work's {hours:g}")
        least = self.work_seconds + start
        is_possible = least <= self.total_seconds <= LONGEST_SECONDS
        total_hours = self.total_seconds / SECONDS_PER_HOUR
        require(is_possible, "deadline hours", f"{total_hours:g}", f"at least work and one start, {least / SECONDS_PER_HOUR:g}, to 10000")
        require(1.0 <= self.price_ratio <= MOST_PRICE_RATIO, "price ratio", self.price_ratio, f"a number from 1 to {MOST_PRICE_RATIO:g}")

    @property
    def spot_price(self) -> float:
        """Of an hour, by that on demand."""
        return 1.0 / self.price_ratio


@dataclass(frozen=True, slots=True)
class JobView:
    """What a policy is told at a tick."""

    terms: JobTerms
    step_seconds: float
    zones: Sequence[Known]
    """The zones in which it may run, each for itself."""
    known: Known
    """All of them together: whether any has capacity, for how long there was always one that had, and so on."""
    runs_in: int | None
    """The number of a zone, ON_DEMAND, or None: it stands still."""
    work_seconds_left: float
    seconds_left: float
    starting_seconds_left: float

    @property
    def runs_on(self) -> Mode | None:
        """How what it runs on is paid."""
        if self.runs_in is None:
            return None
        return Mode.ON_DEMAND if self.runs_in == ON_DEMAND else Mode.SPOT

    @property
    def zone_to_take(self) -> int | None:
        """The zone in which it runs, else the one that has had capacity for longest; None: none has any, or it would be too late."""
        if not self.known.has_capacity or not self.may_run_on_spot:
            return None
        if self.runs_on is Mode.SPOT:
            return self.runs_in
        able = [number for number, zone in enumerate(self.zones) if zone.has_capacity]
        return max(able, key=lambda number: (self.zones[number].spell_seconds, -number))

    @property
    def may_wait(self) -> bool:
        """Whether the deadline can still be kept, on demand, after this tick without a machine."""
        return self.work_seconds_left + self.terms.changeover_seconds <= self.seconds_left - self.step_seconds

    @property
    def may_run_on_spot(self) -> bool:
        """Whether it can still be kept, on demand, after this tick on spot: capacity that is there lasts for the tick."""
        starting = self.starting_seconds_left if self.runs_on is Mode.SPOT else self.terms.changeover_seconds
        left = self.work_seconds_left - max(0.0, self.step_seconds - starting)
        return left <= 0 or left + self.terms.changeover_seconds <= self.seconds_left - self.step_seconds


class JobPolicy(Protocol):
    """Where a job runs from one tick to the next."""

    def choose(self, view: JobView) -> int | None:
        """Return the number of a zone (only while it has capacity), ON_DEMAND, or None to stand still."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a run of a job came to. `cost` is by that of the work alone on demand."""

    cost: float
    starts: int
    losses: int
    is_late: bool


def play_job(policy: JobPolicy, terms: JobTerms, ticks: Sequence[JobTick], step_seconds: float) -> JobResult:
    """Play a job that starts at the first of `ticks`, which reach to the deadline."""
    left, starting = terms.work_seconds, 0.0
    place: int | None = None
    paid_seconds, starts, losses = 0.0, 0, 0
    for number, (zones, together) in enumerate(ticks):
        if left <= _NOTHING_LEFT_SECONDS:
            break
        if not _is_able(place, zones):
            place, losses = None, losses + 1
        view = JobView(terms, step_seconds, zones, together, place, left, terms.total_seconds - number * step_seconds, starting)
        wanted = policy.choose(view)
        if not _is_able(wanted, zones):
            raise ValueError("a policy chose spot without capacity")
        if wanted != place and wanted is not None:
            starting, starts = terms.changeover_seconds, starts + 1
        place = wanted
        if place is None:
            starting = 0.0
            continue
        used = min(starting, step_seconds)
        done = min(step_seconds - used, left)
        starting -= used
        left -= done
        # What is done before the tick ends is not paid to its end.
        seconds = used + done if left <= _NOTHING_LEFT_SECONDS else step_seconds
        paid_seconds += seconds * (1.0 if place == ON_DEMAND else terms.spot_price)
    return JobResult(paid_seconds / terms.work_seconds, starts, losses, is_late=left > _NOTHING_LEFT_SECONDS)


def _is_able(place: int | None, zones: Sequence[Known]) -> bool:
    """Whether a job can be there."""
    return place is None or place == ON_DEMAND or zones[place].has_capacity
