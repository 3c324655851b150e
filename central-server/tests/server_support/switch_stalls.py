"""A modelled switch whose old side is silent while it is taken back, and that goes forward again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from server_support.clock import START
from server_support.switch_returns import Returns
from server_support.switch_sides import ModelStep, Order, SideModel
from spot_server.features.switches.decisions import Resume, TurnForward
from spot_server.features.switches.plans import AFTERWARDS
from spot_server.words import CommandKind, CommandStatus, StepName, StepStatus


@dataclass
class Silence:
    """When the old side was heard last."""

    heard_at: datetime = START

    def seconds(self, old: SideModel, now: datetime) -> float:
        self.heard_at = now if old.is_heard else self.heard_at
        return (now - self.heard_at).total_seconds()


def was_told_to_serve(old: SideModel, sweep_order: Order | None) -> bool:
    """Whether the switch handed its old side an order to serve again."""
    own = [order for order in old.orders if order is not sweep_order]
    return any(order.kind is CommandKind.START_SERVING and order.was_delivered for order in own)


def turn(decision: Resume | TurnForward, steps: list[ModelStep], returns: Returns, now: datetime) -> Iterator[str]:
    """Go forward again, from START or from the QUIESCE on; what is broken by that."""
    if isinstance(decision, Resume):
        return returns.turn(decision, next(step for step in steps if step.name is StepName.START), now)
    returns.note(is_turn=True)
    return _turn_forward(decision, steps, now)


def _turn_forward(decision: TurnForward, steps: list[ModelStep], now: datetime) -> Iterator[str]:
    """Take the steps after the QUIESCE anew; what is broken by that."""
    if decision.loses:
        yield "what was written is left behind without leave"
    for step in steps:
        if step.undo_order is not None:
            step.undo_order.close(CommandStatus.CANCELLED, now)
    quiesce = next(step for step in steps if step.name is StepName.QUIESCE)
    quiesce.status, quiesce.undo_order = StepStatus.DONE, None
    for step in steps[steps.index(quiesce) + 1 :]:
        if step.name in AFTERWARDS or step.status in {StepStatus.PENDING, StepStatus.SKIPPED}:
            continue
        is_kept = step.name is StepName.SYNC
        step.status, step.undo_order = StepStatus.DONE if is_kept else StepStatus.PENDING, None
        step.order, step.intent_at = (step.order, step.intent_at) if is_kept else (None, None)
