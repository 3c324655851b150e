"""The workload on this instance: started and stopped through its hooks, never without the start guard."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spot_agent import metrics
from spot_agent.clock import Clock, Lock, Stop
from spot_agent.errors import ActFailed, ErrorClass, Stopping
from spot_agent.guard import Guard
from spot_agent.journal import Journal
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.ports import HookName, HookResult, Hooks, Mounts
from spot_agent.rules.volumes import parse_volumes
from spot_agent.stillness import Stillness

CHECK_POLL_SECONDS = 0.5
CHECK_BOUND_SECONDS = 5.0
LEAST_BOUND_SECONDS = 0.5
CHECK_IS_FINAL_EXIT_CODE = 3
"""A serving check that ends with this, after START_COMMAND succeeded, says that waiting is no use: it has failed."""


@dataclass(frozen=True, slots=True)
class WorkloadParts:
    """What the workload is reached through. `lock` is free, and may be taken again by whoever has it."""

    journal: Journal
    live: Live
    hooks: Hooks
    guard: Guard
    mounts: Mounts
    clock: Clock
    stop: Stop
    log: Log
    lock: Lock
    stillness: Stillness


class Workload:
    """Its methods may be called from any thread. The guard is taken away first, without waiting for a start in progress."""

    def __init__(self, parts: WorkloadParts) -> None:
        self._journal = parts.journal
        self._live = parts.live
        self._hooks = parts.hooks
        self._guard = parts.guard
        self._mounts = parts.mounts
        self._clock = parts.clock
        self._stop = parts.stop
        self._log = parts.log
        self._lock = parts.lock
        self._stillness = parts.stillness
        self._has_stayed_silent = False

    def serving(self) -> bool | None:
        """What the serving check says now; None when there is none, or when it did not end in time."""
        result = self._check(CHECK_BOUND_SECONDS)
        serving = None if result is None or result.timed_out else result.passed
        self._note_serving(serving)
        return serving

    def last_serving(self) -> bool | None:
        """What the last check said, without asking again."""
        return self._live.read().serving

    def has_stayed_silent(self) -> bool:
        """Whether the serving check clearly said no, every time that it was asked since the last start by `start` began."""
        return self._has_stayed_silent

    def is_start_pending(self) -> bool:
        """Whether a start on our own failed and is to be tried again."""
        return self._live.read().start_pending

    def hold_start(self) -> None:
        """Start nothing on our own before `release_start`."""
        self._live.change(lambda facts: replace(facts, is_start_held=True))

    def release_start(self) -> bool:
        """Start on our own again. Whether that was held."""
        was_held = self._live.read().is_start_held
        self._live.change(lambda facts: replace(facts, is_start_held=False))
        return was_held

    def is_start_held(self) -> bool:
        """Whether the server is asked before the workload starts."""
        return self._live.read().is_start_held

    def is_stop_pending(self) -> bool:
        """Whether a stop was begun and not confirmed: it is to be tried again, even where no check says that the workload serves."""
        return self._live.read().stop_pending

    def grant(self) -> None:
        """Write the start guard. ActFailed when the file system refuses."""
        try:
            self._guard.grant()
        except OSError as error:
            raise ActFailed(ErrorClass.UNEXPECTED, "guard", f"cannot write the start guard: {error}") from error

    def is_granted(self) -> bool:
        """Whether the start guard is there."""
        return self._guard.is_granted()

    def revoke(self) -> None:
        """Remove the start guard. Never raises: stopping goes on without."""
        try:
            self._guard.revoke()
        except OSError as error:
            self._log.failure("guard_not_revoked", error=str(error))

    def start(self, bound_seconds: float) -> None:
        """Grant, start, and wait for the serving check.

        The journal must allow it, throughout. ActFailed leaves the guard as it is: the caller takes it back.
        """
        ends_seconds = self._clock.monotonic_seconds() + bound_seconds
        with self._lock:
            self._has_stayed_silent = True
            self._require_permission()
            self._mount_volumes(self._left(ends_seconds))
            self.grant()
            if self.serving() is True:
                return
            started = self._hooks.run(HookName.START, self._left(ends_seconds))
            if started is not None and not started.passed:
                self.serving()  # it may serve all the same, until the caller stops it
            _require_passed("START_COMMAND", started)
            self._await_serving(ends_seconds, may_be_final=started is not None)

    def start_alone(self, bound_seconds: float) -> bool:
        """Start without being told (a boot, or a new agent).

        A failure is kept in mind, to be tried again, and takes nothing back: a slow workload is not a reason to stop
        the only one.
        """
        with self._lock:
            if not self._journal.read().may_serve:
                return False
            try:
                self._mount_volumes(bound_seconds)
                self.grant()
                if self.serving() is not True:
                    _require_passed("START_COMMAND", self._hooks.run(HookName.START, bound_seconds))
            except ActFailed as error:
                self._log.failure("workload_not_started", code=error.code, reason=error.message)
                self._live.change(lambda facts: replace(facts, start_pending=True))
                return False
            self._live.change(lambda facts: replace(facts, start_pending=False))
            return True

    def stop(self, bound_seconds: float) -> None:
        """Revoke, stop, and confirm that it serves no more.

        The caller has journalled that it must not serve. ActFailed when that cannot be confirmed.
        """
        ends_seconds = self._clock.monotonic_seconds() + bound_seconds
        self.revoke()
        # What is held still cannot stop.
        self._stillness.end("the workload was stopped meanwhile")
        with self._lock:
            self.revoke()
            self._live.change(lambda facts: replace(facts, start_pending=False))
            result = self._hooks.run(HookName.STOP, self._left(ends_seconds))
            # Without the hook there is nothing to try again.
            self._live.change(lambda facts: replace(facts, stop_pending=result is not None))
            if result is None and self.serving() is not False:
                message = "STOP_COMMAND is not set, so it cannot be confirmed that the workload serves no more"
                raise ActFailed(ErrorClass.HOOK_FAILED, "no_stop_command", message)
            _require_passed("STOP_COMMAND", result)
            self._await_silence(ends_seconds)
            self._live.change(lambda facts: replace(facts, stop_pending=False))

    def stop_if_forbidden(self, bound_seconds: float) -> bool:
        """Stop, unless the journal allows to serve by the time that it is our turn. Whether it was stopped."""
        with self._lock:
            if self._journal.read().may_serve:
                return False
            self.stop(bound_seconds)
            return True

    def _mount_volumes(self, bound_seconds: float) -> None:
        """A workload whose volume is not there would write to the disk below: it is not started."""
        noted = self._journal.read().volumes
        for volume in parse_volumes(list(noted)) if noted else ():
            self._mounts.mount(volume, bound_seconds)

    def _await_serving(self, ends_seconds: float, *, may_be_final: bool) -> None:
        while True:
            result = self._check(min(CHECK_BOUND_SECONDS, self._left(ends_seconds)))
            if result is None or result.passed:
                self._note_serving(None if result is None else True)
                return
            if may_be_final and result.exit_code == CHECK_IS_FINAL_EXIT_CODE:
                raise ActFailed(ErrorClass.CHECK_FAILED, "workload_failed", result.output or "the workload has failed")
            if self._clock.monotonic_seconds() >= ends_seconds:
                raise ActFailed(ErrorClass.CHECK_FAILED, "serving_check", result.output or "the check did not pass")
            self._pause()
            self._require_permission()

    def _await_silence(self, ends_seconds: float) -> None:
        while self.serving() is True:
            if self._clock.monotonic_seconds() >= ends_seconds:
                message = "STOP_COMMAND succeeded, but the serving check still passes"
                raise ActFailed(ErrorClass.CHECK_FAILED, "still_serving", message)
            self._pause()

    def _note_serving(self, serving: bool | None) -> None:  # noqa: FBT001 - three values, not a switch
        self._live.change(lambda facts: replace(facts, serving=serving))
        metrics.SERVING.set(-1 if serving is None else int(serving))

    def _check(self, bound_seconds: float) -> HookResult | None:
        result = self._hooks.run(HookName.SERVING_CHECK, bound_seconds)
        if result is None or result.timed_out or result.passed:
            self._has_stayed_silent = False
        return result

    def _pause(self) -> None:
        if self._stop.wait(CHECK_POLL_SECONDS):
            raise Stopping

    def _require_permission(self) -> None:
        if not self._journal.read().may_serve:
            raise ActFailed(ErrorClass.REFUSED, "overtaken", "this instance was told to stop in the meantime")

    def _left(self, ends_seconds: float) -> float:
        return max(LEAST_BOUND_SECONDS, ends_seconds - self._clock.monotonic_seconds())


def _require_passed(name: str, result: HookResult | None) -> None:
    """A hook that is not set passes: the service manager does it on its own, by the guard."""
    if result is None or result.passed:
        return
    if result.timed_out:
        raise ActFailed(ErrorClass.HOOK_TIMED_OUT, name.lower(), result.output or f"{name} did not end in time")
    raise ActFailed(ErrorClass.HOOK_FAILED, f"exit_{result.exit_code}", result.output or f"{name} failed")
