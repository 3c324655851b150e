"""How long a workload may go unserved once everything is mended and somebody could serve it. While faults last it is only measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from spot_simulator.virtual.scheduler import Scheduler

INVARIANT = "served-within-the-bound"
BOUND_SECONDS = 45 * 60.0
"""A silence is looked into, a lost launch asked for again, a boot has a bound of a quarter of an hour, and between two orders to serve, or
two attempts at a rescue, there is as much again."""
LOOK_SECONDS = 60.0


class ServiceGaps:
    """Looks once a minute in which anything happened, from the moment on in which everything is mended."""

    def __init__(self, scheduler: Scheduler, unserved: Callable[[], Sequence[str]]) -> None:
        """`unserved` gives the agents that nobody answers for, though somebody could. Nothing is mended yet."""
        self._scheduler, self._unserved = scheduler, unserved
        self._next_seconds: float | None = None
        self._since: dict[str, float] = {}
        """Since when an agent is unserved, as far as was looked."""

    def begin(self) -> None:
        """Judge from now on: everything is mended."""
        self._next_seconds = self._scheduler.monotonic_seconds()

    def look(self) -> Iterator[tuple[str, str]]:
        """Give what has been unserved for too long: (invariant, what it is)."""
        now_seconds = self._scheduler.monotonic_seconds()
        if self._next_seconds is None or now_seconds < self._next_seconds:
            return
        self._next_seconds = now_seconds + LOOK_SECONDS
        self._since = {agent: self._since.get(agent, now_seconds) for agent in self._unserved()}
        for agent, since_seconds in self._since.items():
            if now_seconds - since_seconds > BOUND_SECONDS:
                yield INVARIANT, f"{agent} has not been served for {now_seconds - since_seconds:.0f} s, with everything mended"
