"""What tasks wait on: events, bells, stops and locks with the meaning of their namesakes for threads."""

from __future__ import annotations

from collections import deque
from types import TracebackType

from greenlet import getcurrent, greenlet

from spot_simulator.virtual.process import Process
from spot_simulator.virtual.scheduler import Timer


class VirtualEvent:
    """As threading.Event."""

    def __init__(self, process: Process) -> None:
        """Not set."""
        self._process = process
        self._is_set = False
        self._waiting: list[greenlet] = []

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and let everyone go on who waits."""
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            self._process.scheduler.after(0.0, lambda task=task: self._process.scheduler.resume(task))  # type: ignore[misc]

    def clear(self) -> None:
        """Unset it."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most `timeout` seconds; return whether it is."""
        self._process.check()
        if self._is_set or (timeout is not None and timeout <= 0):
            return self._is_set
        scheduler, me = self._process.scheduler, getcurrent()
        timer: Timer | None = None
        if timeout is not None:
            timer = scheduler.after(timeout, lambda: self._give_up(me))
        self._waiting.append(me)
        try:
            scheduler.wait_here()
        finally:
            if timer is not None:
                timer.cancel()
            self._waiting = [task for task in self._waiting if task is not me]
        self._process.check()
        return self._is_set

    def _give_up(self, task: greenlet) -> None:
        if task in self._waiting:
            self._waiting.remove(task)
            self._process.scheduler.resume(task)


class VirtualBell:
    """The daemon's Bell."""

    def __init__(self, process: Process) -> None:
        """Not rung."""
        self._event = VirtualEvent(process)
        self._is_closed = False

    def wait(self, seconds: float) -> None:
        """Wait up to `seconds`, or until rung or closed."""
        if not self._is_closed:
            self._event.wait(max(0.0, seconds))
            self._event.clear()

    def ring(self) -> None:
        """End the present wait, or the next one."""
        self._event.set()

    def close(self) -> None:
        """End every wait from now on."""
        self._is_closed = True
        self._event.set()

    def is_closed(self) -> bool:
        """Tell whether the worker is asked to end."""
        return self._is_closed


class VirtualStop:
    """The daemon's Stop, and what its main thread waits on as Signals."""

    def __init__(self, process: Process) -> None:
        """Not asked to stop."""
        self._event = VirtualEvent(process)

    def set(self) -> None:
        """Ask to stop."""
        self._event.set()

    def is_set(self) -> bool:
        """Tell whether it is asked to stop."""
        return self._event.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait up to `seconds`, None: for as long as it takes; True at once when asked to stop."""
        return self._event.wait(None if seconds is None else max(0.0, seconds))


class VirtualLock:
    """As threading.RLock, between tasks."""

    def __init__(self, process: Process) -> None:
        """Free."""
        self._process = process
        self._owner: greenlet | None = None
        self._depth = 0
        self._waiting: deque[greenlet] = deque()

    def __enter__(self) -> bool:
        """Take it, in turn."""
        self._process.check()
        me = getcurrent()
        while self._owner not in (None, me):
            self._waiting.append(me)
            try:
                self._process.scheduler.wait_here()
            finally:
                if me in self._waiting:
                    self._waiting.remove(me)
            self._process.check()
        self._owner = me
        self._depth += 1
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give it back; the next in turn goes on."""
        self._depth -= 1
        if self._depth:
            return
        self._owner = None
        if self._waiting:
            task = self._waiting.popleft()
            scheduler = self._process.scheduler
            scheduler.after(0.0, lambda: scheduler.resume(task))
