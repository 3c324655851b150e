"""Events that are aimed: they wait for a step of a move, and strike in the moment in which it begins, or a little later.

Most steps last for less than a second. A fault that falls anywhere into the minutes of a move hardly ever meets them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spot_simulator.virtual.cells import Row
from spot_simulator.virtual.fleet import Fleet
from spot_simulator.virtual.schedule import AFTER_SECONDS, AT_MOVE, AT_STEP, IS_UNDO, MOVES, Event, Kind
from spot_simulator.virtual.steps import At, Steps

Strike = Callable[[Event, At], None]
Branch = Callable[[Sequence[At], bool], Event | None]


class Aim:
    """Holds the events that were not met by their step yet."""

    def __init__(self, fleet: Fleet, steps: Steps, strike: Strike) -> None:
        """`strike` lets an event happen, at a step."""
        self._fleet, self._steps, self._strike = fleet, steps, strike
        self._waiting: list[Event] = []
        self._is_over = False
        self.branch: Branch | None = None
        """Asked at each look whether another fault strikes, in a future of the run (branching.py)."""
        self.aimed = 0
        """How many faults were aimed."""
        self.missed: list[str] = []
        """The faults whose step never came, or that found nobody there: where they waited, and their kind."""
        steps.on_change.append(lambda present: self._look(present, is_in_transaction=False))
        steps.in_transaction.append(lambda present: self._look(present, is_in_transaction=True))

    def add(self, event: Event) -> None:
        """Wait from now on for the step that `event` is aimed at."""
        self.aimed += event.kind not in MOVES
        self._waiting.append(event)
        self._look(self._steps.now(), is_in_transaction=False)

    def forget(self) -> None:
        """Count anew from now on: what waits is still to be counted, as one that strikes or as one that does not."""
        self.aimed = sum(event.kind not in MOVES for event in self._waiting)
        self.missed.clear()

    def give_up(self) -> None:
        """Let nothing strike any more."""
        for event in self._waiting:
            self.note_missed(event)
        self._waiting.clear()
        self._is_over = True

    def note_missed(self, event: Event) -> None:
        """Remember of a fault that it struck nobody."""
        if event.kind not in MOVES:
            self.missed.append(f"{place_of(event)}: {event.kind}")

    def _look(self, present: Sequence[At], *, is_in_transaction: bool) -> None:
        """A step begins with the transaction that says so. What befalls transactions befalls that one; all else comes when it is over."""
        self._add_branch(present, is_in_transaction=is_in_transaction)
        due = [event for event in self._waiting if (event.kind is Kind.TRANSACTION_BLOW) is is_in_transaction]
        met = [(event, at) for event in due if (at := self._met_by(event, present)) is not None]
        for event, at in met:
            self._waiting.remove(event)
            after_seconds = float(event.facts.get(AFTER_SECONDS, 0.0))
            if after_seconds:
                self._fleet.scheduler.after(after_seconds, lambda event=event, at=at: self._strike_late(event, at))  # type: ignore[misc]
            else:
                self._strike(event, at)

    def _add_branch(self, present: Sequence[At], *, is_in_transaction: bool) -> None:
        if self.branch is None or self._is_over:
            return
        event = self.branch(present, is_in_transaction)
        if event is not None:
            self.aimed += event.kind not in MOVES
            # Before the others, as if it had waited there since the first event.
            self._waiting.insert(0, event)

    def _strike_late(self, event: Event, at: At) -> None:
        if self._is_over:
            self.note_missed(event)
        else:
            self._strike(event, at)

    def _met_by(self, event: Event, present: Sequence[At]) -> At | None:
        name = self._fleet.members[(event.agent or 0) % len(self._fleet.members)].name
        return next((at for at in present if at.agent == name and _is_aimed_at(event, at.row)), None)


def _is_aimed_at(event: Event, row: Row) -> bool:
    facts = event.facts
    is_there = row.step == facts[AT_STEP] and row.is_undo == bool(facts.get(IS_UNDO, False))
    return is_there and facts.get(AT_MOVE, row.trigger) == row.trigger


def place_of(event: Event) -> str:
    """Say at which step an aimed event waits."""
    parts = (event.facts.get(AT_MOVE), "undo" if event.facts.get(IS_UNDO) else None, event.facts[AT_STEP])
    return " ".join(str(part) for part in parts if part is not None)
