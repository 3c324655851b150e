"""What a coverage table must show: each step of each kind of move, done and undone, met by each kind of fault. Pure.

A cell that cannot be has a reason here, in code. The report says when such a cell was met all the same: then the reason is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import gcd
from typing import NamedTuple

from spot_server.features.switches.plans import plan_promotion, plan_rescue, plan_switch
from spot_server.words import RESCUE_TRIGGERS, Carry, StepName, SwitchTrigger
from spot_simulator.virtual.schedule import FAULTS, OF_ONE_INSTANCE, Kind

CARRIES = (Carry.STATELESS, Carry.IMAGE_AFTER_QUIESCE)
"""Those that schedules draw; the steps of the others are no rows."""
TRIGGERS = (SwitchTrigger.MANUAL, SwitchTrigger.PROMOTION, SwitchTrigger.ROLLBACK, SwitchTrigger.NOTICE, SwitchTrigger.FAILOVER)
"""Why drawn moves begin. An `automatic` one has the plan of a manual one; no drawn price makes the server wish for one."""
NEVER_DONE = frozenset({StepName.CONFIRM})
"""Drawn agents have an Elastic IP alone, of which nothing has to be confirmed afterwards."""


class Row(NamedTuple):
    """One step of one kind of move, on its way there or back."""

    trigger: SwitchTrigger
    step: StepName
    is_undo: bool

    @property
    def text(self) -> str:
        """Name the step as the table does."""
        return f"undo {self.step}" if self.is_undo else str(self.step)


class Cell(NamedTuple):
    """A step of a move, and a kind of fault that may meet it."""

    row: Row
    kind: Kind


def rows() -> Iterator[Row]:
    """Give every step that the plans of the moves hold, there and back, by move and in the order of the steps."""
    for trigger in TRIGGERS:
        held = steps_of(trigger)
        for is_undo in (False, True):
            yield from (Row(trigger, step, is_undo) for step in StepName if step in held)


@cache
def steps_of(trigger: SwitchTrigger) -> frozenset[StepName]:
    """Return the steps that a move begun for this reason may have, with any of the drawn carries."""
    plans = {step for carry in CARRIES for step in plan_promotion(carry)}
    if trigger is SwitchTrigger.MANUAL:
        plans |= {step for carry in CARRIES for step in plan_switch(carry, takes_image=True)}
    elif trigger in RESCUE_TRIGGERS:
        plans |= {step for carry in CARRIES for step in plan_rescue(carry)}
    return frozenset(plans) - NEVER_DONE


def why_row_is_never_met(row: Row) -> str | None:
    """Return why no run ever comes to this step of this move; None: it may."""
    match row:
        case Row(SwitchTrigger.FAILOVER, StepName.QUIESCE, False):
            return "a loss moves an agent once EC2 has said that the instance is gone: nobody is left to be asked"
        case Row(_, StepName.FENCE, False) if row.trigger not in RESCUE_TRIGGERS:
            return "a planned move fences nobody: its old side confirms, or it is taken back, or a notice or a loss makes a rescue of it"
        case Row(_, _, True) if row.trigger in RESCUE_TRIGGERS:
            return "a rescue is not taken back: its old instance is lost, or being taken away"
        case Row(_, StepName.FENCE, True):
            return "a planned move fences nobody"
        case Row(_, StepName.RETIRE, True):
            return "a move that has completed is not taken back: a rollback is a move of its own"
        case _:
            return None


def why_never_met(cell: Cell) -> str | None:
    """Return why a fault of this kind never meets this step; None: it may."""
    why = why_row_is_never_met(cell.row)
    if why is None and cell.row[:2] == (SwitchTrigger.FAILOVER, StepName.LAUNCH) and cell.kind in OF_ONE_INSTANCE:
        return "an agent that has lost its only instance has none that the fault could strike before another is launched"
    return why


@cache
def cells() -> tuple[Cell, ...]:
    """Return the cells that can be met, row by row."""
    every = (Cell(row, kind) for row in rows() for kind in FAULTS)
    return tuple(cell for cell in every if why_never_met(cell) is None)


GOLDEN = 0.6180339887498949
"""A walk with strides of this part of the whole is spread as evenly as can be after any number of them."""


def aimed_cells(seed: int, count: int) -> list[Cell]:
    """Return the `count` cells that the run of this seed aims at.

    Runs in a row, of any first seed, aim at all cells equally often: the n-th aim of all is at the n-th stop of one walk over the cells.
    """
    every = cells()
    stride = _stride(len(every))
    return [every[(seed * count + number) * stride % len(every)] for number in range(count)]


@cache
def _stride(size: int) -> int:
    """Return the number without a common factor with `size` next to its golden part, so that the walk comes by everywhere."""
    middle = round(size * GOLDEN)
    return next(at for distance in range(size) for at in (middle + distance, middle - distance) if at > 0 and gcd(at, size) == 1)
