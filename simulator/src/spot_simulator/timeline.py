"""Things that happen later: one thread that runs callbacks in the order in which they are due."""

import heapq
import itertools
import threading
from collections.abc import Callable

from spot_simulator.clock import Clock
from spot_simulator.ports import Log


class ThreadTimeline:
    """Callbacks run one at a time, never before their time, and must be short; one that raises is logged and the rest goes on."""

    def __init__(self, clock: Clock, log: Log) -> None:
        """Nothing runs before ``start``."""
        self._clock, self._log = clock, log
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="timeline", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Run ``callback`` when ``seconds`` (>= 0, of this machine's clock) have passed; callbacks due together keep their order."""
        with self._changed:
            entry = (self._clock.monotonic_seconds() + max(0.0, seconds), next(self._numbers), callback)
            heapq.heappush(self._due, entry)
            self._changed.notify()

    def stop(self) -> None:
        """Drop what is waiting and end the thread (at most 2 s)."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def _run(self) -> None:
        while (callback := self._next()) is not None:
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - the one loop of the region: it must outlive any callback
                self._log.append("internal-error", where="timeline", error=repr(error))

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next callback that is due; None once stopped."""
        with self._changed:
            while not self._is_stopped:
                wait_seconds = self._due[0][0] - self._clock.monotonic_seconds() if self._due else None
                if wait_seconds is not None and wait_seconds <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait_seconds)
            return None
