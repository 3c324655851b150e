"""A job with a deadline on one pool: what a policy makes of the recorded capacity. As in "Can't Be Late" (Wu et al., NSDI 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from spot_server.backtest.history import Known
from spot_server.backtest.terms import MOST_PRICE_RATIO, SECONDS_PER_HOUR, require
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
    known: Known
    runs_on: Mode | None
    work_seconds_left: float
    seconds_left: float
    starting_seconds_left: float

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

    def choose(self, view: JobView) -> Mode | None:
        """Return spot (only while there is capacity), on demand, or None to stand still."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a run of a job came to. `cost` is by that of the work alone on demand."""

    cost: float
    starts: int
    losses: int
    is_late: bool


def play_job(policy: JobPolicy, terms: JobTerms, known: Sequence[Known], step_seconds: float) -> JobResult:
    """Play a job that starts at the first tick of `known`, which reaches to the deadline."""
    left, starting = terms.work_seconds, 0.0
    mode: Mode | None = None
    paid_seconds, starts, losses = 0.0, 0, 0
    for place, seen in enumerate(known):
        if left <= _NOTHING_LEFT_SECONDS:
            break
        if mode is Mode.SPOT and not seen.has_capacity:
            mode, losses = None, losses + 1
        view = JobView(terms, step_seconds, seen, mode, left, terms.total_seconds - place * step_seconds, starting)
        wanted = policy.choose(view)
        if wanted is Mode.SPOT and not seen.has_capacity:
            raise ValueError("a policy chose spot without capacity")
        if wanted is not mode and wanted is not None:
            starting, starts = terms.changeover_seconds, starts + 1
        mode = wanted
        if mode is None:
            starting = 0.0
            continue
        used = min(starting, step_seconds)
        done = min(step_seconds - used, left)
        starting -= used
        left -= done
        # What is done before the tick ends is not paid to its end.
        seconds = used + done if left <= _NOTHING_LEFT_SECONDS else step_seconds
        paid_seconds += seconds * (terms.spot_price if mode is Mode.SPOT else 1.0)
    return JobResult(paid_seconds / terms.work_seconds, starts, losses, is_late=left > _NOTHING_LEFT_SECONDS)
