"""Holding the workload still for the moment of an image: journalled before it begins, thawed whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spot_agent import metrics
from spot_agent.clock import Clock, Lock
from spot_agent.errors import JournalUnwritable
from spot_agent.journal import Journal
from spot_agent.logs import Log
from spot_agent.ports import Freezer, HookResult

FORGOTTEN_AFTER_SECONDS = 60.0
"""After the bound, at which the freezer's watch has thawed already."""


@dataclass(frozen=True, slots=True)
class Held:
    """How an image's moment went. `problem` says why the workload was not still throughout; None where it was."""

    image_name: str
    problem: str | None


class Stillness:
    """Its methods may be called from any thread.

    Nothing is written to a disk between the freeze and the thaw: the disk may be what is frozen. The journal says "frozen" from before
    the one until after the other, so that a daemon that died in between thaws at its start. The freezer's own watch does so at once.
    """

    def __init__(self, freezer: Freezer, journal: Journal, lock: Lock, clock: Clock, log: Log, bound_seconds: float) -> None:
        self._freezer = freezer
        self._journal = journal
        self._lock = lock
        self._clock = clock
        self._log = log
        self._bound_seconds = bound_seconds
        self._held_for: str | None = None
        self._ends_seconds = 0.0
        self._last: Held | None = None

    def is_wanted(self) -> bool:
        """Whether a person set a freeze."""
        return self._freezer.is_set()

    def is_held_for(self, image_name: str) -> bool:
        """Whether the workload is held still for this image; it may be over meanwhile, by the bound."""
        return self._held_for == image_name

    def begin(self, image_name: str) -> None:
        """Freeze for this image. What goes wrong is kept for `outcome`, and thawed at once: the image is made all the same."""
        with self._lock:
            self._last = None
            try:
                self._journal.change(lambda now: replace(now, freezing=True))
            except JournalUnwritable as error:
                self._forget_intent()
                self._last = Held(image_name, f"not frozen: the journal cannot be written: {error}")
                return
            self._held_for = image_name
            self._ends_seconds = self._clock.monotonic_seconds() + self._bound_seconds
            result = self._freezer.freeze(self._bound_seconds)
            if not result.passed:
                self._end(_told("FREEZE_COMMAND", result))

    def end(self, reason: str | None = None) -> None:
        """Thaw, if anything is frozen. `reason`: why it is not to be called still after all."""
        with self._lock:
            if self._held_for is not None:
                self._end(reason)

    def outcome(self, image_name: str) -> Held | None:
        """How it went for this image; None when this process froze nothing for it."""
        with self._lock:
            return self._last if self._last is not None and self._last.image_name == image_name else None

    def settle(self) -> bool:
        """Thaw what an earlier process, or a thaw that failed, left frozen. Whether there was something; a failure is tried again."""
        if not self._journal.read().freezing:
            return False
        with self._lock:
            if self._held_for is not None:
                return self._end_if_over()
            if not self._journal.read().freezing:
                return False
            result = self._freezer.thaw_again()
            self._note_thawed(result)
            return True

    def _end_if_over(self) -> bool:
        """Whoever held it has given up asking."""
        is_over = self._clock.monotonic_seconds() > self._ends_seconds + FORGOTTEN_AFTER_SECONDS
        if is_over:
            self._end(None)
        return is_over

    def _end(self, reason: str | None) -> None:
        image_name, self._held_for = self._held_for or "", None
        thawed = self._freezer.thaw()
        problem = reason
        if thawed is not None:
            if problem is None and not thawed.was_held:
                problem = f"thawed {self._bound_seconds:g} s after the freeze, before EC2 showed all of the image's snapshots"
            self._note_thawed(thawed.result)
        else:
            self._note_thawed(self._freezer.thaw_again())
        self._last = Held(image_name, problem)

    def _note_thawed(self, result: HookResult) -> None:
        if not result.passed:
            metrics.THAW_FAILURES.add()
            self._log.failure("not_thawed", reason=_told("THAW_COMMAND", result))
            return
        self._forget_intent()

    def _forget_intent(self) -> None:
        try:
            self._journal.change(lambda now: replace(now, freezing=False))
        except JournalUnwritable as error:
            self._log.failure("journal_unwritable", error=str(error))


def _told(name: str, result: HookResult) -> str:
    how = "did not end in time" if result.timed_out else f"ended with {result.exit_code}"
    return f"{name} {how}: {result.output}" if result.output else f"{name} {how}"
