"""Which step of which move was met by which kind of fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from spot_simulator.machine import Machine, State
from spot_simulator.virtual.cells import is_row
from spot_simulator.virtual.fleet import Fleet
from spot_simulator.virtual.schedule import FAULTS, OF_ONE_AGENT, Event
from spot_simulator.virtual.steps import At, Steps

LEAST_SECONDS = 1.0
"""A fault of one instant, such as a kill, counts for the steps that are under way until this is over: by then somebody has noticed."""

Met = tuple[str, str, str]
"""Trigger of the move, name of its step (`undo ...` when it is taken back), kind of the fault."""


class Lasting(NamedTuple):
    """A fault that lasts for a while, from `number` - 1 others on."""

    until_seconds: float
    number: int
    event: Event
    victim: Machine | None

    @property
    def is_past_its_victim(self) -> bool:
        """Tell whether it struck an instance that has gone since: nobody is cut off, or without metadata, any more."""
        return self.victim is not None and self.victim.state in {State.SHUTTING_DOWN, State.TERMINATED}


class Coverage:
    """Counts each step of each move once per fault that lasted while the move was at it, or came through it."""

    def __init__(self, fleet: Fleet, steps: Steps) -> None:
        """Nothing was met yet."""
        self._fleet, self._steps = fleet, steps
        self._lasting: list[Lasting] = []
        self._seen: set[tuple[int, At]] = set()
        self.faults = self._begun = 0
        self.met: Counter[Met] = Counter()
        steps.on_change.append(self._look)

    def begin(self, event: Event, struck: At | None = None, victim: Machine | None = None) -> None:
        """Remember a fault that begins now; moves are none.

        `struck`: the step that it was aimed at, if it was. `victim`: the instance that it strikes, if it is a fault of one.
        """
        if event.kind not in FAULTS:
            return
        self.faults += 1
        lasts_seconds = max(LEAST_SECONDS, float(event.facts.get("for_seconds", 0.0)))
        self._begun += 1
        self._lasting.append(Lasting(self._fleet.scheduler.monotonic_seconds() + lasts_seconds, self._begun, event, victim))
        if struck is not None:
            self._count(self._begun, event, struck)
        self._look(self._steps.now())

    def forget(self) -> None:
        """Count anew from now on. What met a step before is not counted for that step again."""
        self.met.clear()
        self.faults = 0

    def _look(self, present: Sequence[At]) -> None:
        """Count what moves are at, or came through, against the faults that last now."""
        now_seconds = self._fleet.scheduler.monotonic_seconds()
        self._lasting = [fault for fault in self._lasting if fault.until_seconds >= now_seconds and not fault.is_past_its_victim]
        for at in present if self._lasting else ():
            for number, event in self._faults_of(at.agent):
                self._count(number, event, at)

    def _count(self, number: int, event: Event, at: At) -> None:
        if is_row(at.row) and (number, at) not in self._seen:
            self._seen.add((number, at))
            self.met[at.row.trigger.value, at.row.text, event.kind.value] += 1

    def _faults_of(self, logical_agent_id: str) -> Iterator[tuple[int, Event]]:
        members = self._fleet.members
        for fault in self._lasting:
            event = fault.event
            if event.kind not in OF_ONE_AGENT or members[(event.agent or 0) % len(members)].name == logical_agent_id:
                yield fault.number, event
