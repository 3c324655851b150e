"""A loop of the server at its period, without the looks that would come to nothing (foresight.py says which)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.foresight import NEAR_SECONDS, Foresight, Outlook
from spot_simulator.virtual.insight import Insight
from spot_simulator.virtual.limits import Limits
from spot_simulator.virtual.patience import EXACTLY_SECONDS, until_tick_seconds
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.table_watch import CLOCKS, TableWatch

LONGEST_SECONDS = 1200.0
"""Nothing is foreseen beyond this."""


@dataclass(slots=True)
class Ticks:
    """Where one loop stands: it looks at `began_seconds` plus a multiple of its period, or not at all."""

    period_seconds: float
    began_seconds: float
    besides: frozenset[str] = CLOCKS
    """What the looks depend on beside rows and the time."""
    ahead_seconds: float = NEAR_SECONDS
    """How far ahead the next look is rehearsed."""

    def begin_anew(self) -> None:
        """Something happened: what comes next may come soon."""
        self.ahead_seconds = NEAR_SECONDS


class QuietLooks:
    """Waits in place of the loops of one process."""

    def __init__(self, process: Process, clock: ProcessClock, watch: TableWatch, foresight: Foresight) -> None:
        """`clock` and `foresight` are those of the process."""
        self._process, self._clock, self._watch, self._foresight = process, clock, watch, foresight

    def wait(self, ticks: Ticks, tables: frozenset[str], rehearse: Callable[[], None], limits: Limits | None = None) -> None:
        """Let time pass, after a look at `tables` that came to nothing, until the tick at which one may come to something.

        `limits`: those that the look met, if it was watched: nothing need be tried out to find them.
        """
        ahead_seconds = ticks.ahead_seconds if limits is None else LONGEST_SECONDS
        outlook = self._foresight.look_ahead(rehearse, ahead_seconds, ticks.period_seconds, ticks.besides, limits)
        quiet_seconds = outlook.until_seconds - self._clock.monotonic_seconds()
        ticks.ahead_seconds = min(2 * quiet_seconds, LONGEST_SECONDS) if outlook.is_near_its_end else LONGEST_SECONDS
        while (left_seconds := outlook.until_seconds - self._clock.monotonic_seconds()) > EXACTLY_SECONDS:
            self._watch.wait_for_change(self._process, tables | ticks.besides, min(left_seconds, self._heard_for_seconds(outlook)))
            self._process.sleep(until_tick_seconds(ticks.period_seconds, self._clock.monotonic_seconds() - ticks.began_seconds))
            if not self._holds(outlook, ticks):
                return

    def wait_knowing(self, ticks: Ticks, insight: Insight) -> None:
        """Let time pass, after any look, until the tick at which the next may come to something; what is known of the loop says when."""
        self._process.sleep(ticks.period_seconds)
        while (quiet_seconds := min(insight.quiet_seconds(), LONGEST_SECONDS)) > EXACTLY_SECONDS:
            self._watch.wait_for_change(self._process, insight.tables | ticks.besides, quiet_seconds)
            self._process.sleep(until_tick_seconds(ticks.period_seconds, self._clock.monotonic_seconds() - ticks.began_seconds))

    def _heard_for_seconds(self, outlook: Outlook) -> float:
        """Return for how long all who were heard when an outlook was made are heard in any case."""
        return min(self._foresight.listen().values(), default=inf) if outlook.heard else inf

    def _holds(self, outlook: Outlook, ticks: Ticks) -> bool:
        is_heard_alike = outlook.heard is None or self._foresight.listen().keys() == outlook.heard
        if is_heard_alike and self._watch.version(ticks.besides) == outlook.version and outlook.sight.is_as_it_was():
            return True
        ticks.begin_anew()
        return False
