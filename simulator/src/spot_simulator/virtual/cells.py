"""What a coverage table must show: each step of each kind of move, done and undone, met by each kind of fault. Pure.

The rows are the product's own plans: a step that only one carry, or one kind of handle, brings is a row of its own, and a step that moves
share with any carry is one row of each. A cell that cannot be has a reason here, in code. The report says when such a cell was met all the
same: then the reason is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import gcd
from typing import NamedTuple

from spot_server.features.autonomy.service import ADOPTION
from spot_server.features.switches.carry_rules import SYNC_STEPS
from spot_server.features.switches.plans import UNDO_SPECS, plan_promotion, plan_rescue, plan_switch
from spot_server.words import RESCUE_TRIGGERS, Carry, StepName, SwitchTrigger
from spot_simulator.virtual.schedule import FAULTS, LASTING, OF_ONE_INSTANCE, Kind

TRIGGERS = (SwitchTrigger.MANUAL, SwitchTrigger.PROMOTION, SwitchTrigger.ROLLBACK, SwitchTrigger.NOTICE, SwitchTrigger.FAILOVER)
"""Why drawn moves begin. An `automatic` one has the plan of a manual one; no drawn price makes the server wish for one."""
TAKEN_BACK_BY_AN_ACT = frozenset(UNDO_SPECS) | {StepName.LAUNCH, StepName.TRAFFIC, StepName.PROMOTE}
"""The others are taken back by writing that they are, in the transaction of the step after them: no fault finds them."""
COPIES_OF_VOLUMES = frozenset({StepName.SNAPSHOT, StepName.COPY_VOLUMES})


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
            yield from (row for step in StepName if step in held and is_row(row := Row(trigger, step, is_undo)))


def is_row(row: Row) -> bool:
    """Tell whether a step is anything that a fault can meet; what is taken back without an act is not."""
    return not row.is_undo or row.step in TAKEN_BACK_BY_AN_ACT


@cache
def plans_of(trigger: SwitchTrigger, carry: Carry) -> tuple[tuple[StepName, ...], ...]:
    """Return the plans of the product that a move begun for this reason may have, for an agent with this carry."""
    match trigger:
        case SwitchTrigger.MANUAL:
            return (plan_switch(carry, takes_image=True),)
        case SwitchTrigger.NOTICE:
            return plan_rescue(carry), plan_promotion(carry)
        case SwitchTrigger.FAILOVER:
            return plan_rescue(carry), plan_promotion(carry), ADOPTION
        case _:
            return (plan_promotion(carry),)


@cache
def steps_of(trigger: SwitchTrigger) -> frozenset[StepName]:
    """Return the steps that a move begun for this reason may have, with any carry."""
    return frozenset(step for carry in Carry for plan in plans_of(trigger, carry) for step in plan)


@cache
def carries_with(trigger: SwitchTrigger, step: StepName) -> tuple[Carry, ...]:
    """Return the carries with which a move begun for this reason has this step."""
    return tuple(carry for carry in Carry if any(step in plan for plan in plans_of(trigger, carry)))


def why_row_is_never_met(row: Row) -> str | None:
    """Return why no run ever comes to this step of this move; None: it may."""
    trigger, step, is_undo = row
    if is_undo:
        return "a rescue is not taken back: its old instance is lost, or being taken away" if trigger in RESCUE_TRIGGERS else None
    if step is StepName.FENCE and trigger not in RESCUE_TRIGGERS:
        return "a planned move fences nobody: its old side confirms, or it is taken back, or a notice or a loss makes a rescue of it"
    if step is StepName.SNAPSHOT and trigger in RESCUE_TRIGGERS:
        return "a rescue has no time for a snapshot beforehand"
    if step in COPIES_OF_VOLUMES and trigger is SwitchTrigger.PROMOTION:
        return "the standby of an agent with data volumes is in their zone: nothing is copied"
    if trigger is SwitchTrigger.FAILOVER and step in SYNC_STEPS | {StepName.QUIESCE, StepName.UNMOUNT}:
        return "a loss moves an agent once EC2 has said that the instance is gone: nobody is left to be asked"
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


@cache
def stops() -> tuple[Cell, ...]:
    """Return where the walk over the cells comes by: once at a fault that lasts, twice at one that does not.

    What lasts meets the steps after the one that it was aimed at as well.
    """
    return cells() + tuple(cell for cell in cells() if cell.kind not in LASTING)


GOLDEN = 0.6180339887498949
"""A walk with strides of this part of the whole is spread as evenly as can be after any number of them."""


def aimed_cells(seed: int, count: int) -> list[Cell]:
    """Return the `count` cells that the run of this seed aims at.

    Runs in a row, of any first seed, aim at all stops equally often: the n-th aim of all is at the n-th stop of one walk over them.
    """
    every = stops()
    stride = _stride(len(every))
    return [every[(seed * count + number) * stride % len(every)] for number in range(count)]


@cache
def _stride(size: int) -> int:
    """Return the number without a common factor with `size` next to its golden part, so that the walk comes by everywhere."""
    middle = round(size * GOLDEN)
    return next(at for distance in range(size) for at in (middle + distance, middle - distance) if at > 0 and gcd(at, size) == 1)
