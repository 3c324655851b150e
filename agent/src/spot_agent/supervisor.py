"""The main thread: starts the workers, replaces one that died, and stops them in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from spot_agent import metrics
from spot_agent.clock import Clock, ThreadStop
from spot_agent.logs import Log
from spot_agent.worker import Worker

STOP_ORDER = (("pricing", "cleanup", "replica_manager", "commands"), ("heartbeat",), ("notices",))
"""Stages. Commands stop being taken first; the heartbeat tells the server until they are done; the notice path, which
must not miss anything, stops last."""

STAGE_BOUND_SECONDS = (5.0, 1.5, 1.5)
"""Together below the 10 s after which an init system kills. A thread that is still in a call then is left to the end of
the process: the journal lets the next start go on from there."""

LOOK_SECONDS = 1.0
JOIN_SLICE_SECONDS = 0.05


class Signals(Protocol):
    """Where the wish to stop comes from."""

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`; True when asked to stop."""


class Supervisor:
    """Runs one thread for each worker until asked to stop, or until `is_finished`."""

    def __init__(
        self,
        workers: Mapping[str, Worker],
        stop: ThreadStop,
        signals: Signals,
        clock: Clock,
        log: Log,
        is_finished: Callable[[], bool],
        may_leave: Callable[[str], bool],
    ) -> None:
        """`may_leave` tells of a worker whether it is in a call that may be left to the end of the process."""
        self._workers = workers
        self._stop = stop
        self._signals = signals
        self._clock = clock
        self._log = log
        self._is_finished = is_finished
        self._may_leave = may_leave
        self._threads: dict[str, threading.Thread] = {}

    def run(self) -> None:
        """Returns within 10 s of the wish to stop."""
        for name in self._workers:
            self._start(name)
        while not self._signals.wait(LOOK_SECONDS) and not self._is_finished():
            self.replace_dead()
        self.stop()

    def replace_dead(self) -> None:
        """A worker's thread ends only with its bell: one that ended otherwise is started again."""
        for name, thread in list(self._threads.items()):
            if not thread.is_alive():
                self._log.failure("worker_died", name=name)
                metrics.WORKER_RESTARTS.add(name)
                self._start(name)

    def stop(self) -> None:
        """Stage by stage; each has its bound."""
        began_seconds = self._clock.monotonic_seconds()
        self._log.info("stopping")
        self._stop.set()
        for stage, bound_seconds in zip(STOP_ORDER, STAGE_BOUND_SECONDS, strict=True):
            self._stop_stage(stage, bound_seconds)
        took_seconds = self._clock.monotonic_seconds() - began_seconds
        self._log.info("stopped", took_seconds=round(took_seconds, 2))

    def _stop_stage(self, names: tuple[str, ...], bound_seconds: float) -> None:
        for name in names:
            self._workers[name].bell.close()
        ends_seconds = self._clock.monotonic_seconds() + bound_seconds
        for name in names:
            thread = self._threads.get(name)
            while thread is not None and thread.is_alive() and not self._may_leave(name):
                left_seconds = ends_seconds - self._clock.monotonic_seconds()
                if left_seconds <= 0:
                    self._log.warning("worker_left_behind", name=name)
                    break
                thread.join(min(JOIN_SLICE_SECONDS, left_seconds))

    def _start(self, name: str) -> None:
        # A daemon thread: a call that hangs must not keep the process from ending.
        thread = threading.Thread(target=self._workers[name].run, name=name, daemon=True)
        self._threads[name] = thread
        thread.start()
