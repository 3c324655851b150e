"""A switch in memory: decisions are applied as the service applies them, and two daemons, EC2 and time do as they please."""

from __future__ import annotations

from datetime import datetime, timedelta

from server_support.clock import START
from server_support.switch_likeness import Likeness
from server_support.switch_partings import is_parting
from server_support.switch_returns import Returns, leaves_new_writes, leaves_old_writes
from server_support.switch_sides import ModelStep, Order, SideModel, left_behind, view_of
from server_support.switch_stalls import Silence, turn, was_told_to_serve
from spot_server.features.recoveries.rules import is_workload_held
from spot_server.features.switches.decisions import (
    SETTLED,
    Abandon,
    Alarm,
    BeginUndo,
    CommandView,
    Complete,
    Decision,
    FinishUndo,
    Issue,
    LeaveUndone,
    MakeReplica,
    NoteAttendance,
    NoteComparison,
    PromoteNew,
    Resume,
    Settle,
    StepView,
    SwitchFacts,
    TurnForward,
    UndoIssue,
    UndoPromote,
    UndoReplica,
    UndoSettle,
    Wait,
)
from spot_server.features.switches.plans import Side, list_rows
from spot_server.features.switches.rules import decide
from spot_server.policy import MovePolicy
from spot_server.words import (
    LIVE_REPLICA_STATUSES,
    CommandKind,
    CommandStatus,
    HandleKind,
    ReplicaStatus,
    Role,
    StepName,
    StepStatus,
    SwitchStatus,
)

POLICY = MovePolicy()
STOPPING = frozenset({CommandKind.QUIESCE, CommandKind.DEMOTE})


class SwitchModel:
    """Advance with `run`; the walk's moves are the other methods. Every broken promise is noted in `broken`."""

    def __init__(
        self,
        plan: tuple[StepName, ...],
        *,
        handle_count: int,
        has_image: bool,
        may_terminate_old: bool,
        likeness: Likeness | None = None,
        returns: Returns | None = None,
    ) -> None:
        self.now = START
        self.steps = [
            ModelStep(planned.name, planned.part) for planned in list_rows(plan, [{"kind": HandleKind.ELASTIC_IP}] * handle_count)
        ]
        self.status = SwitchStatus.RUNNING
        self.handle_count, self.has_image, self.may_terminate_old = handle_count, has_image, may_terminate_old
        self.likeness, self.returns = likeness or Likeness(), returns or Returns()
        self.old = SideModel(is_serving=True)
        self.new = SideModel(ec2="none" if StepName.LAUNCH in plan else "running")
        self.table = SideModel()
        self.replica = None if StepName.LAUNCH in plan else ReplicaStatus.READY
        self.old_role = Role.PRIMARY
        self.new_role: Role | None = Role.REPLICA if self.replica else None
        self.epoch = 1
        self.action_at: datetime | None = None
        self.new_launched_at: datetime | None = None if StepName.LAUNCH in plan else START
        self.unattended_since: datetime | None = None
        self.silence = Silence()
        self.keeps_its_word = True
        self.is_outlived = False
        self.priority = 75
        self.broken: list[str] = []
        self.last: Decision = Wait("not asked yet")
        self.demotion: Order | None = None
        self.sweep_order: Order | None = None
        """What the sweep over workloads that stand still gave last; it belongs to no switch."""

    # What the rules see.

    def facts(self) -> SwitchFacts:
        return SwitchFacts(
            status=self.status,
            steps=tuple(self._view(step) for step in self.steps),
            replica_status=self.replica,
            replica_reason="lost",
            new_instance_id=None if self.new.ec2 == "none" else "i-new",
            new_role=self.new_role,
            is_new_past_its_end=False,
            old_role=self.old_role,
            is_old_reachable=self.old.is_heard and (self.is_outlived or self.action_at is None or self.now < self.action_at),
            has_handle=self.handle_count > 0,
            has_fallback_image=self.has_image,
            action_at=None if self.is_outlived else self.action_at,
            may_terminate_old=self.may_terminate_old,
            now=self.now,
            is_rescue=self.action_at is not None,
            is_end_announced=self.action_at is not None,
            is_old_heard=self.old.is_heard,
            new_launched_at=self.new_launched_at,
            is_attended=self.old.is_heard or self.table.is_heard,
            unattended_since=self.unattended_since,
            comparison=self.likeness.comparison,
            differences=self.likeness.differences,
            leaves_new_writes=leaves_new_writes(self.steps),
            leaves_old_writes=leaves_old_writes(self.steps),
            returns=self.returns.count,
            turns=self.returns.turns,
            old_silent_seconds=self.silence.seconds(self.old, self.now),
            is_new_heard=self.new.is_heard,
            is_old_told_to_serve=was_told_to_serve(self.old, self.sweep_order),
        )

    def _view(self, step: ModelStep) -> StepView:
        command, undo_command = self._seen(step.order), self._seen(step.undo_order)
        times = (step.status, step.attempt, step.intent_at, command, step.undo_attempt, undo_command, step.is_alarmed)
        is_move = step.name is StepName.TRAFFIC and self.handle_count > 0
        return StepView(step.name, *times, part=step.part, handle=HandleKind.ELASTIC_IP if is_move else None)

    def _seen(self, order: Order | None) -> CommandView | None:
        return None if order is None else view_of(order, is_actor_reachable=self.side(order.to).is_heard)

    # What the service does with a decision.

    def run(self) -> None:
        """Apply decisions until one waits or the switch is over."""
        for _ in range(60):
            if not self.is_active:
                return
            self.last = decide(self.facts(), POLICY)
            if isinstance(self.last, Wait) or not self._apply(self.last):
                return
        self.broken.append(f"the loop does not come to rest: {self.last}")

    @property
    def is_active(self) -> bool:
        return self.status in {SwitchStatus.RUNNING, SwitchStatus.ROLLING_BACK}

    def _apply(self, decision: Decision) -> bool:
        match decision:
            case Issue():
                return self._issue(decision)
            case Settle(name, status, part=part):
                self._settle(self.step(name, part), status)
            case MakeReplica():
                self._make_replica()
            case PromoteNew():
                self._promote()
            case UndoIssue():
                return self._undo_issue(decision)
            case UndoSettle(name, part):
                self._undo_settle(decision, self.step(name, part))
            case UndoReplica(name) | UndoPromote(name):
                self._undo_settle(decision, self.step(name))
            case BeginUndo() | Abandon() | LeaveUndone() | Resume() | TurnForward() | Complete() | FinishUndo():
                self._turn_or_end(decision)
            case Alarm() | NoteComparison() | NoteAttendance() | Wait():
                return self._note(decision)
        return True

    def _note(self, decision: Alarm | NoteComparison | NoteAttendance | Wait) -> bool:
        match decision:
            case Wait():
                return False
            case NoteComparison():
                self.broken += self.likeness.note(self.replica)
            case NoteAttendance(since):
                self.unattended_since = since
            case Alarm(name, part=part):
                self.broken += ["a person is told twice"] if self.step(name, part).is_alarmed else []
                self.step(name, part).is_alarmed = True
        return True

    def step(self, name: StepName, part: int = 0) -> ModelStep:
        return next(step for step in self.steps if (step.name, step.part) == (name, part))

    def is_done(self, name: StepName) -> bool:
        return any(step.name is name and step.status is StepStatus.DONE for step in self.steps)

    def _issue(self, decision: Issue) -> bool:
        step = self.step(decision.step, decision.part)
        step.status, step.intent_at = StepStatus.RUNNING, step.intent_at or self.now
        waiting = [before.name for before in self.steps[: self.steps.index(step)] if before.status not in SETTLED]
        if waiting and not is_parting(decision.step, waiting[0], self.facts(), POLICY):
            self.broken.append(f"{decision.step} is issued before all that comes before it is settled")
        if decision.step is StepName.START and not (self.is_done(StepName.QUIESCE) or self.is_done(StepName.FENCE)):
            self.broken.append("START is issued before QUIESCE or FENCE is done")
        if decision.step is StepName.SYNC and not all(self.is_done(name) for name in self._needs_of_sync()):
            self.broken.append("the last pass is issued before the old side has stopped, or to nobody")
        if decision.side is Side.BY_TABLE and not self.table.is_heard:
            return False
        if step.order is not None:
            step.order.close(CommandStatus.EXPIRED, self.now)
        if decision.kind is CommandKind.QUIESCE and self.sweep_order is not None:
            self.sweep_order.close(CommandStatus.CANCELLED, self.now)
        step.attempt += 1
        step.order = self._order(decision.kind, decision.side, decision.bound_seconds, target=Side.OLD)
        return True

    def _needs_of_sync(self) -> list[StepName]:
        return [step.name for step in self.steps if step.name in {StepName.QUIESCE, StepName.RECEIVER}]

    def _order(self, kind: CommandKind, to: Side, bound_seconds: float, *, target: Side) -> Order:
        deadline_at = self.now + timedelta(seconds=bound_seconds + POLICY.command_margin_seconds)
        order = Order(kind, to, self.epoch, self.priority, target, self.now, deadline_at)
        self.side(to).orders.append(order)
        return order

    def side(self, name: Side) -> SideModel:
        return {Side.OLD: self.old, Side.NEW: self.new, Side.BY_TABLE: self.table}[name]

    def _settle(self, step: ModelStep, status: StepStatus) -> None:
        step.status = status
        if step.name is StepName.SYNC and status is StepStatus.SKIPPED and not self.facts().is_old_doomed:
            self.broken.append("what was written is left behind although the old side can go on")
        if status is StepStatus.SKIPPED and step.order is not None:
            step.order.close(CommandStatus.CANCELLED, self.now)
        if step.name is StepName.FENCE and step.order is not None and step.order.state in {"terminated", "gone"}:
            self.old_role = Role.TERMINATED

    def _make_replica(self) -> None:
        if not self.has_image and not self.is_done(StepName.IMAGE):
            decided = BeginUndo if self.action_at is None else Abandon
            self._turn_or_end(decided(StepName.LAUNCH, "no image"))
            return
        self.replica = ReplicaStatus.LAUNCHING
        self.step(StepName.LAUNCH).status = StepStatus.RUNNING

    def _promote(self) -> None:
        self.broken += self.likeness.promote(is_planned=self.action_at is None and self.old_role is not Role.TERMINATED)
        if self.replica is not ReplicaStatus.READY:
            self.broken.append(f"a replica that is {self.replica} is promoted")
        self.replica, self.new_role = ReplicaStatus.PROMOTED, Role.PRIMARY
        self.old_role = Role.ZOMBIE if self.old_role is Role.PRIMARY else self.old_role
        self.epoch += 1
        self.step(StepName.PROMOTE).status = StepStatus.DONE
        self.demotion = self._order(CommandKind.DEMOTE, Side.OLD, 600, target=Side.OLD)
        self.demotion.priority = 25

    def _undo_issue(self, decision: UndoIssue) -> bool:
        step = self.step(decision.step, decision.part)
        if decision.kind is CommandKind.START_SERVING:
            self._check_that_new_is_still()
        if step.undo_order is None and step.order is not None:
            step.order.close(CommandStatus.CANCELLED, self.now)
        step.status = StepStatus.UNDOING
        if decision.side is Side.BY_TABLE and not self.table.is_heard:
            return False
        if step.undo_order is not None:
            step.undo_order.close(CommandStatus.EXPIRED, self.now)
        step.undo_attempt += 1
        target = Side.NEW if decision.step is StepName.START else Side.OLD
        step.undo_order = self._order(decision.kind, decision.side, decision.bound_seconds, target=target)
        return True

    def _check_that_new_is_still(self) -> None:
        starts = [order for order in self.new.in_hand() if order.kind is CommandKind.START_SERVING]
        is_settled = self.step(StepName.START).status in {StepStatus.PENDING, StepStatus.UNDONE}
        if self.new.is_serving or starts or not is_settled:
            self.broken.append("the old side is told to serve while the new one may")

    def _undo_settle(self, decision: UndoSettle | UndoReplica | UndoPromote, step: ModelStep) -> None:
        self.broken += self.returns.settle(decision, self.facts())
        if isinstance(decision, UndoPromote):
            if self.old_role is not Role.ZOMBIE:
                self.broken.append(f"a {self.old_role} is restored")
            self.old_role, self.new_role, self.replica = Role.PRIMARY, Role.ZOMBIE, ReplicaStatus.FAILED
            self.epoch += 1
            if self.demotion is not None:
                self.demotion.close(CommandStatus.CANCELLED, self.now)
        if isinstance(decision, UndoReplica) and self.replica in LIVE_REPLICA_STATUSES:
            self.replica = ReplicaStatus.TERMINATED
        if step.undo_order is None and step.order is not None:
            step.order.close(CommandStatus.CANCELLED, self.now)
        step.status = StepStatus.UNDONE

    def _turn_or_end(self, decision: Decision) -> None:
        match decision:
            case BeginUndo(name, part=part):
                self.step(name, part).status, self.status = StepStatus.FAILED, SwitchStatus.ROLLING_BACK
                return
            case Resume() | TurnForward():
                self.broken += turn(decision, self.steps, self.returns, self.now)
                self.status = SwitchStatus.RUNNING
                return
            case Abandon() | LeaveUndone():
                self.broken += left_behind(self.steps) if isinstance(decision, LeaveUndone) else self._why_not_abandoned()
                self.status = SwitchStatus.FAILED
            case Complete():
                self.status = SwitchStatus.COMPLETED
            case _:
                self.status = SwitchStatus.ROLLED_BACK
        self.last = decision
        for side in (self.old, self.new, self.table):
            for order in side.orders:
                if order not in {self.demotion, self.sweep_order}:
                    order.close(CommandStatus.CANCELLED, self.now)

    def _why_not_abandoned(self) -> list[str]:
        is_lost = (self.action_at is not None and not self.is_outlived) or self.old_role is Role.TERMINATED or self.old.ec2 != "running"
        return [] if is_lost else ["abandoned although the old instance can go on"]

    @property
    def primary_side(self) -> Side | None:
        """Which side is the PRIMARY by the book."""
        sides = {Side.OLD: self.old_role, Side.NEW: self.new_role}
        return next((side for side, role in sides.items() if role is Role.PRIMARY), None)

    def tell_primary_to_serve(self) -> None:
        """What the sweep does for a PRIMARY that stands still, unless the move says who serves."""
        quiesce_status = next((step.status for step in self.steps if step.name is StepName.QUIESCE), None)
        if self.sweep_order is not None and self.now > self.sweep_order.deadline_at:
            self.sweep_order.close(CommandStatus.EXPIRED, self.now)
        is_open = self.sweep_order is not None and self.sweep_order.is_open
        if is_open or is_workload_held(quiesce_status if self.is_active else None):
            return
        to = self.primary_side
        if to is not None and self.side(to).is_heard and not self.side(to).is_serving:
            self.sweep_order = self._order(CommandKind.START_SERVING, to, POLICY.start_bound_seconds, target=to)
            self.sweep_order.priority = 100

    # What the world does.

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        for side in (self.old, self.new):
            if side.ec2 == "shutting-down":
                side.ec2 = "terminated"
        if self.action_at is not None and self.now >= self.action_at and self.old.ec2 == "running" and self.keeps_its_word:
            self.old.end("terminated")
        outlived = timedelta(seconds=POLICY.notice_outlived_seconds)
        if self.action_at is not None and self.now >= self.action_at + outlived and self.old.is_heard:
            self.is_outlived = True

    def execute(self, side: SideModel, *, error_class: str | None = None, loses_answer: bool = False) -> None:
        """The daemon carries out its most urgent order, asking for orders if it has none left, and answers."""
        given = [order for order in side.in_hand() if order.was_delivered] or side.deliver()
        if not given:
            return
        order = max(given, key=lambda one: one.priority)
        order.is_executed = True
        if order.epoch < side.epoch:
            error_class = "stale_epoch"
        side.epoch = max(side.epoch, order.epoch)
        if error_class is None:
            self._take_effect(side, order)
        if not loses_answer and order.is_open:
            order.error_class = error_class
            order.close(CommandStatus.SUCCEEDED if error_class is None else CommandStatus.FAILED, self.now)

    def _take_effect(self, side: SideModel, order: Order) -> None:
        self.returns.take_effect(side, self.new, order)
        if order.kind in STOPPING:
            side.is_serving = False
        elif order.kind is CommandKind.START_SERVING:
            side.is_serving = True
            if self.old.is_serving and self.new.is_serving:
                self.broken.append("both sides serve")
        elif order.kind is CommandKind.TERMINATE_INSTANCE:
            self.side(order.target).end("shutting-down")
        if order.kind in {CommandKind.DESCRIBE_INSTANCE, CommandKind.TERMINATE_INSTANCE}:
            order.state = self.side(order.target).ec2

    def notice(self, lead_seconds: float) -> None:
        if self.is_active and self.old.ec2 == "running":
            self.action_at, self.is_outlived = self.now + timedelta(seconds=lead_seconds), False
            self.priority = 100

    def move_replica(self, *, fails: bool = False) -> None:
        """The replica comes one stage nearer, or fails."""
        if self.replica not in LIVE_REPLICA_STATUSES:
            return
        if fails:
            self.replica = ReplicaStatus.FAILED
        elif self.replica is ReplicaStatus.LAUNCHING and self.new.ec2 == "none":
            self.new.ec2, self.new_launched_at = "running", self.now
        elif self.replica is ReplicaStatus.LAUNCHING:
            self.replica, self.new_role = ReplicaStatus.SYNCING, Role.REPLICA
        else:
            self.replica = ReplicaStatus.READY
