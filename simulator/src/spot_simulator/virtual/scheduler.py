"""Virtual time: a heap of callbacks, and greenlets that wait in it. Nothing sleeps; a run is a function of its seed.

What runs is one callback or one greenlet at a time, until it waits or ends: whatever does not wait is one instant, seen whole by others.
"""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta

from greenlet import GreenletExit, getcurrent, greenlet

Callback = Callable[[], None]


class ProcessKilled(GreenletExit):
    """Raised in every task of a process that was killed, where it waits. Not an Exception: nothing that the product does may hold it."""


class Timer:
    """Something that is to happen; `cancel` takes it back."""

    __slots__ = ("at_seconds", "callback")

    def __init__(self, at_seconds: float, callback: Callback) -> None:
        """`at_seconds` is in the scheduler's own time."""
        self.at_seconds = at_seconds
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """It will not happen; fine if it did."""
        self.callback = None


class Scheduler:
    """The one clock of a run, and the order in which things happen: by time, and by who asked first."""

    def __init__(self, start: datetime) -> None:
        """`start` is aware, UTC: the wall time of second 0."""
        self._start = start
        self._now_seconds = 0.0
        self._count = 0
        self._due: list[tuple[float, int, Timer]] = []
        self.hub = getcurrent()
        self.callbacks_run = 0

    def now(self) -> datetime:
        """Return the true wall time, aware, UTC."""
        return self._start + timedelta(seconds=self._now_seconds)

    def monotonic_seconds(self) -> float:
        """Return the seconds since the run began."""
        return self._now_seconds

    def after(self, seconds: float, callback: Callback) -> Timer:
        """Call `callback` when `seconds` (below 0 counts as 0) have passed; what is due together happens in the order of these calls."""
        timer = Timer(self._now_seconds + max(0.0, seconds), callback)
        self._count += 1
        heapq.heappush(self._due, (timer.at_seconds, self._count, timer))
        return timer

    def run_until(self, at_seconds: float) -> None:
        """Let everything happen that is due up to and including `at_seconds`; the clock then shows it. Called from outside of all tasks."""
        while self._due and self._due[0][0] <= at_seconds:
            self._step()
        self._now_seconds = max(self._now_seconds, at_seconds)

    def run_while(self, is_wanted: Callable[[], bool], *, until_seconds: float) -> bool:
        """Let things happen one by one for as long as `is_wanted` says so; False when `until_seconds` came first."""
        while is_wanted():
            if not self._due or self._due[0][0] > until_seconds:
                self._now_seconds = max(self._now_seconds, until_seconds)
                return False
            self._step()
        return True

    def next_due_seconds(self) -> float | None:
        """Return when the next thing happens; None when nothing ever will."""
        while self._due and self._due[0][2].callback is None:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def wait_here(self) -> None:
        """Give the clock back until somebody resumes this task. Only tasks may wait."""
        task = getcurrent()
        if task is self.hub:
            raise RuntimeError("only a task may wait; this is the scheduler itself")
        self.hub.switch()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass for this task."""
        task = getcurrent()
        timer = self.after(seconds, lambda: self.resume(task))
        try:
            self.wait_here()
        finally:
            timer.cancel()

    def resume(self, task: greenlet) -> None:
        """Let a task go on from where it waits, until it waits again. Called by callbacks only."""
        if not task.dead:
            task.switch()

    def _step(self) -> None:
        at_seconds, _, timer = heapq.heappop(self._due)
        if timer.callback is None:
            return
        self._now_seconds = max(self._now_seconds, at_seconds)
        self.callbacks_run += 1
        timer.callback()
