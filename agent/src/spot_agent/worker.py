"""The one loop class. A step is a plain callable that returns an outcome; the loop does all the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spot_agent import metrics
from spot_agent.clock import Bell, Clock
from spot_agent.logs import Log
from spot_agent.outcomes import Did, Failed, Idle, Outcome
from spot_agent.rules.backoff import backoff_seconds, is_worth_logging

Step = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a worker steps. `period_seconds` is asked before each wait, so a new setting counts at once."""

    period_seconds: Callable[[], float]
    backoff_base_seconds: float = 1.0
    backoff_cap_seconds: float = 60.0


class Worker:
    """Runs `step` at `pace`: catches everything, logs once, keeps its period, backs off on failures, wakes when rung."""

    def __init__(self, name: str, step: Step, pace: Pace, clock: Clock, bell: Bell, log: Log, draw: Callable[[], float]) -> None:
        """`draw` gives a number in 0..1 for the jitter."""
        self.name = name
        self.bell = bell
        self._step = step
        self._pace = pace
        self._clock = clock
        self._log = log
        self._draw = draw
        self._failures = 0
        self._last_idle_reason = ""

    def run(self) -> None:
        """Until the bell is closed."""
        while not self.bell.is_closed():
            self.bell.wait(self.cycle())

    def cycle(self) -> float:
        """One step. Returns the seconds to wait before the next (0 or more)."""
        began_seconds = self._clock.monotonic_seconds()
        outcome = self._guarded_step()
        took_seconds = self._clock.monotonic_seconds() - began_seconds
        metrics.STEP_SECONDS.observe(took_seconds, self.name)
        metrics.STEPS.add(self.name, type(outcome).__name__.lower())
        return max(0.0, self._delay_after(outcome, took_seconds))

    def _guarded_step(self) -> Outcome:
        try:
            return self._step()
        except Exception as error:  # noqa: BLE001 - the one place that keeps a thread alive
            self._log.failure("step_raised", traceback=is_worth_logging(self._failures + 1), error=str(error))
            return Failed("step_raised")

    def _delay_after(self, outcome: Outcome, took_seconds: float) -> float:
        if isinstance(outcome, Failed):
            return self._after_failure(outcome)
        if self._failures:
            self._log.info("worker_recovered", after_failures=self._failures)
        self._failures = 0
        if isinstance(outcome, Did):
            self._log.info(outcome.event, **outcome.fields)
        elif outcome.reason != self._last_idle_reason:
            self._log.debug("worker_idle", reason=outcome.reason)
        self._last_idle_reason = outcome.reason if isinstance(outcome, Idle) else ""
        if outcome.next_after_seconds is not None:
            return outcome.next_after_seconds
        return self._pace.period_seconds() - took_seconds

    def _after_failure(self, outcome: Failed) -> float:
        self._failures += 1
        if is_worth_logging(self._failures) and outcome.event != "step_raised":
            self._log.warning(outcome.event, failures=self._failures, **outcome.fields)
        if outcome.retry_after_seconds is not None:
            return outcome.retry_after_seconds
        return backoff_seconds(self._failures, self._pace.backoff_base_seconds, self._pace.backoff_cap_seconds, self._draw())
