"""The two sides of a switch in memory, the orders that they are given, and the steps that the orders belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from spot_server.features.switches.decisions import CommandView
from spot_server.features.switches.plans import Side
from spot_server.words import OPEN_COMMAND_STATUSES, CommandKind, CommandStatus, StepName, StepStatus


@dataclass(eq=False)
class Order:
    """A command on its way: to the old side, to the new side, or to whom the table names."""

    kind: CommandKind
    to: Side
    epoch: int
    priority: int
    target: Side
    issued_at: datetime
    deadline_at: datetime
    status: CommandStatus = CommandStatus.QUEUED
    was_delivered: bool = False
    is_executed: bool = False
    state: str | None = None
    error_class: str | None = None
    finished_at: datetime | None = None
    served: bool | None = None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_COMMAND_STATUSES

    def close(self, status: CommandStatus, now: datetime) -> None:
        if self.is_open:
            self.status, self.finished_at = status, now


def view_of(order: Order, *, is_actor_reachable: bool) -> CommandView:
    """Return the order as the rules see it."""
    return CommandView(
        kind=order.kind,
        status=order.status,
        state=order.state,
        error_class=order.error_class,
        error_text=order.error_class or order.status,
        deadline_at=order.deadline_at,
        issued_at=order.issued_at,
        finished_at=order.finished_at,
        is_actor_reachable=is_actor_reachable,
        was_delivered=order.was_delivered,
        served=order.served,
    )


@dataclass
class ModelStep:
    """A step as the table `switch_steps` holds it."""

    name: StepName
    part: int = 0
    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    intent_at: datetime | None = None
    order: Order | None = None
    undo_attempt: int = 0
    undo_order: Order | None = None
    is_alarmed: bool = False


@dataclass
class SideModel:
    """One instance: what EC2 says of it, whether its daemon is heard, what it does, and the orders that it was given."""

    ec2: str = "running"
    is_heard: bool = True
    is_serving: bool = False
    epoch: int = 1
    orders: list[Order] = field(default_factory=list)

    @property
    def can_act(self) -> bool:
        return self.ec2 == "running"

    def in_hand(self) -> list[Order]:
        """What it was given, or would be, and has not carried out. A daemon asks again only when it has done what it was given."""
        if not self.can_act:
            return []
        return [order for order in self.orders if not order.is_executed and (order.was_delivered or order.is_open)]

    def deliver(self) -> list[Order]:
        """It asks for orders, and is given all that wait."""
        given = [order for order in self.in_hand() if order.is_open]
        for order in given:
            order.status, order.was_delivered = CommandStatus.DELIVERED, True
        return given

    def poll(self) -> None:
        """The daemon takes what waits for it, and is then slow."""
        if not any(order.was_delivered for order in self.in_hand()):
            self.deliver()

    def end(self, state: str) -> None:
        if self.ec2 == "none":
            return
        self.ec2, self.is_serving, self.is_heard = state, False, False


ONLY_BY_UNDO = frozenset({StepName.TRAFFIC, StepName.PROMOTE, StepName.START})
UNTOUCHED = frozenset({StepStatus.PENDING, StepStatus.UNDONE, StepStatus.SKIPPED})


def left_behind(steps: list[ModelStep]) -> list[str]:
    """What a move must not leave behind when it ends without having been taken back: nobody else brings it back."""
    return [f"{step.name} is left behind" for step in steps if step.name in ONLY_BY_UNDO and step.status not in UNTOUCHED]
