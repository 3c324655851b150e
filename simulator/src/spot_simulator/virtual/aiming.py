"""Faults that are aimed: they wait for a step of a move, and strike in the moment in which it begins.

Most steps last for less than a second. A fault that falls anywhere into the minutes of a move hardly ever meets them.
"""

from __future__ import annotations

from collections.abc import Callable

from spot_simulator.virtual.fleet import Fleet
from spot_simulator.virtual.schedule import AT_STEP, Event

_RUNNING = (
    "SELECT 1 FROM switch_steps p JOIN switches s USING (switch_id) JOIN agents a USING (agent_id)"
    " WHERE a.logical_agent_id = ? AND p.name = ? AND p.status IN ('running', 'undoing') LIMIT 1"
)


class Aim:
    """Holds the faults that were not met by their step yet."""

    def __init__(self, fleet: Fleet, strike: Callable[[Event], None]) -> None:
        """`strike` lets a fault happen."""
        self._fleet, self._strike = fleet, strike
        self._waiting: list[Event] = []
        self._is_looking = False
        fleet.database.watch.heed("switch_steps", self._look_soon)

    def add(self, event: Event) -> None:
        """Wait from now on for the step that `event` is aimed at."""
        self._waiting.append(event)
        self._look_soon()

    def give_up(self) -> None:
        """Let nothing strike any more."""
        self._waiting.clear()

    def _look_soon(self) -> None:
        """A step begins with the transaction that says so, which is not committed yet."""
        if self._waiting and not self._is_looking:
            self._is_looking = True
            self._fleet.scheduler.after(0.0, self._look)

    def _look(self) -> None:
        self._is_looking = False
        met = [event for event in self._waiting if self._is_met(event)]
        self._waiting = [event for event in self._waiting if event not in met]
        for event in met:
            self._strike(event)

    def _is_met(self, event: Event) -> bool:
        name = self._fleet.members[(event.agent or 0) % len(self._fleet.members)].name
        return self._fleet.database.raw.execute(_RUNNING, (name, event.facts[AT_STEP])).fetchone() is not None
