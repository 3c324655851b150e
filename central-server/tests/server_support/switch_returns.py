"""What the new side of a modelled switch acknowledged, and the promises about it: nothing of it is lost without a word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from server_support.switch_sides import ModelStep, Order, SideModel
from spot_server.features.switches.decisions import Resume, SwitchFacts, UndoPromote, UndoReplica, UndoSettle
from spot_server.features.switches.return_rules import MOST_RETURNS
from spot_server.features.switches.stall_rules import MOST_TURNS
from spot_server.words import CommandKind, CommandStatus, StepName, StepStatus


@dataclass
class Returns:
    """How often the move went forward again, and whether the new side's daemon is of a version that says whether it served."""

    says_served: bool = True
    count: int = 0
    turns: int = 0
    has_served: bool = False

    def take_effect(self, side: SideModel, new: SideModel, order: Order) -> None:
        """Note what the new side does: what clients write there, and what it says of it."""
        if side is new and order.kind is CommandKind.START_SERVING:
            self.has_served = True
        if order.kind is CommandKind.DEMOTE and side is new and self.says_served:
            order.served = self.has_served

    def note(self, *, is_turn: bool) -> None:
        """Count one for the old side's silence, or one for the new side's service."""
        self.turns, self.count = self.turns + is_turn, self.count + (not is_turn)

    def turn(self, decision: Resume, start: ModelStep, now: datetime) -> Iterator[str]:
        """Go forward again; what is broken by that. The numbers of the attempts go on."""
        if start.undo_order is not None:
            start.undo_order.close(CommandStatus.CANCELLED, now)
        start.undo_order = None
        start.status = StepStatus.PENDING if start.status is StepStatus.PENDING else StepStatus.RUNNING
        if not decision.is_return:
            return
        self.note(is_turn=bool(decision.reason))
        if not self.has_served and not decision.reason:
            yield "the move goes forward again although its new side never served"
        if self.count > MOST_RETURNS or self.turns > MOST_TURNS:
            yield "the move goes forward again for ever"
        start.order, start.intent_at = None, None

    def settle(self, decision: UndoSettle | UndoReplica | UndoPromote, facts: SwitchFacts) -> Iterator[str]:
        """What is broken by taking a step back."""
        if not isinstance(decision, UndoSettle):
            return
        is_lost = decision.step is StepName.START and facts.leaves_new_writes and self.has_served
        if is_lost and decision.loss is None:
            yield "what the new side acknowledged is lost, and nobody is told"
        if decision.loss is not None and not facts.leaves_new_writes:
            yield "a loss is told where nothing can be lost"


def leaves_new_writes(steps: list[ModelStep]) -> bool:
    """Whether the plan copies the state: by a last pass, or by an image that is made after the quiesce."""
    names = [step.name for step in steps]
    is_imaged_after = StepName.IMAGE in names and names.index(StepName.QUIESCE) < names.index(StepName.IMAGE)
    return StepName.SYNC in names or is_imaged_after


def leaves_old_writes(steps: list[ModelStep]) -> bool:
    """Whether a rescue left the last pass out."""
    return any(step.name is StepName.SYNC and step.status is StepStatus.SKIPPED for step in steps)
