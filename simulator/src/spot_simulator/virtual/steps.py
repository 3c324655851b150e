"""Where the moves of a fleet are: the step that each is at, and those that it came through in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from spot_server.words import StepName, StepStatus, SwitchStatus, SwitchTrigger
from spot_simulator.virtual.cells import Row
from spot_simulator.virtual.database import DatabaseServer
from spot_simulator.virtual.scheduler import Scheduler

_STEPS = (
    "SELECT a.logical_agent_id, s.switch_id, s.trigger, s.status, p.position, p.name, p.status FROM switch_steps p"
    " JOIN switches s ON s.switch_id = p.switch_id JOIN agents a ON a.agent_id = s.agent_id ORDER BY s.switch_id, p.position"
)
_AHEAD = frozenset({StepStatus.PENDING, StepStatus.RUNNING})
_NOT_TAKEN_BACK = frozenset({StepStatus.PENDING, StepStatus.SKIPPED, StepStatus.UNDONE})
_TAKEN = {StepStatus.DONE: False, StepStatus.FAILED: False, StepStatus.UNDONE: True}
"""What a step that was taken since the last look is now, and whether it was taken back. One that was left out was not met by anything."""


class At(NamedTuple):
    """A move of an agent is at this step, or has come through it in the transaction before this look."""

    agent: str
    switch_id: str
    row: Row


class _Stored(NamedTuple):
    agent: str
    switch_id: str
    trigger: str
    switch_status: str
    position: int
    name: str
    status: str

    def at(self, *, is_undo: bool) -> At:
        return At(self.agent, self.switch_id, Row(SwitchTrigger(self.trigger), StepName(self.name), is_undo))


class Steps:
    """Looks whenever rows of a move changed: in the middle of the transaction, and once more when it is over."""

    def __init__(self, database: DatabaseServer, scheduler: Scheduler) -> None:
        """No move was seen yet."""
        self._database, self._scheduler = database, scheduler
        self._known: dict[tuple[str, int], str] = {}
        self._is_looking = False
        self.on_change: list[Callable[[list[At]], None]] = []
        """Told after the transaction."""
        self.in_transaction: list[Callable[[list[At]], None]] = []
        """Told before it is committed, when it may still come to nothing."""
        for table in ("switch_steps", "switches"):
            database.watch.heed(table, self._changed)

    def now(self) -> list[At]:
        """Return the steps that moves are at, and those that they came through since the last look."""
        return self._compare(self._read())

    def _read(self) -> list[_Stored]:
        return [_Stored(*row) for row in self._database.raw.execute(_STEPS)]

    def _changed(self) -> None:
        for tell in self.in_transaction:
            tell(self.now())
        if not self._is_looking:
            self._is_looking = True
            self._scheduler.after(0.0, self._look)

    def _look(self) -> None:
        self._is_looking = False
        rows = self._read()
        found = self._compare(rows)
        self._known = {(row.switch_id, row.position): row.status for row in rows}
        for tell in self.on_change:
            tell(found)

    def _compare(self, rows: list[_Stored]) -> list[At]:
        found = {row.at(is_undo=is_undo) for row, is_undo in _present(rows)}
        for row in rows:
            before = self._known.get((row.switch_id, row.position), StepStatus.PENDING)
            if row.status != before and row.status in _TAKEN:
                found.add(row.at(is_undo=_TAKEN[StepStatus(row.status)]))
        return sorted(found)


def _present(rows: list[_Stored]) -> list[tuple[_Stored, bool]]:
    """Return for each move the step that it is at, with whether that is taken back.

    On its way there it is at the first step that is not settled, also while that only waits for something, such as a boot; on its way
    back at the last that is not taken back. A retirement that waits for its time is not begun.
    """
    present: dict[str, tuple[_Stored, bool]] = {}
    for row in rows:
        match row.switch_status:
            case SwitchStatus.RUNNING if row.status in _AHEAD:
                present.setdefault(row.switch_id, (row, False))
            case SwitchStatus.ROLLING_BACK if row.status not in _NOT_TAKEN_BACK:
                present[row.switch_id] = (row, True)
            case SwitchStatus.COMPLETED if row.status == StepStatus.RUNNING:
                present.setdefault(row.switch_id, (row, False))
            case _:
                pass
    return list(present.values())
