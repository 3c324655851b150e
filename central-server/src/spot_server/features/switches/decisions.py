"""What a decision about a switch rests on, and what it can be: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from spot_server.features.switches.plans import Side
from spot_server.words import (
    OPEN_COMMAND_STATUSES,
    CommandKind,
    CommandStatus,
    HandleKind,
    ReplicaStatus,
    Role,
    StepName,
    StepStatus,
    SwitchStatus,
)

SETTLED = frozenset({StepStatus.DONE, StepStatus.SKIPPED})
FENCED_STATES = frozenset({"terminated", "stopped", "gone"})


@dataclass(frozen=True, slots=True)
class CommandView:
    """The command of a step's present attempt."""

    kind: CommandKind
    status: CommandStatus
    state: str | None
    """EC2's word as far as it counts: `gone` only once it is believed (`silences.gone_rules`)."""
    error_class: str | None
    error_text: str
    deadline_at: datetime | None
    issued_at: datetime
    finished_at: datetime | None

    is_actor_reachable: bool = True
    is_by_control_role: bool = False
    falls_to_control_role: bool = False
    """A daemon may not do it, and the control role would be asked next."""
    was_delivered: bool = True
    """Whether it was given to its actor, who may have acted then; False: it never was."""
    served: bool | None = None
    """Of a DEMOTE: whether the workload may have served there since the promotion; None: its daemon does not know, or is too old to say."""

    @property
    def is_refused_to_one(self) -> bool:
        """Whether another attempt falls to somebody else: who may not do it is not asked again for a while."""
        return self.falls_to_control_role or (self.is_by_control_role and self.error_class == "not_authorized")

    def is_overdue(self, now: datetime) -> bool:
        """Whether its time is over without an answer."""
        return self.status in OPEN_COMMAND_STATUSES and self.deadline_at is not None and now > self.deadline_at

    def is_within(self, pause_seconds: float, now: datetime) -> bool:
        """Whether it was answered, or issued if it was not, less than `pause_seconds` ago."""
        return now - (self.finished_at or self.issued_at) < timedelta(seconds=pause_seconds)

    def is_forsaken(self, now: datetime) -> bool:
        """Whether nobody will answer it: its time is over, or the party that has it cannot be reached any more."""
        return self.is_overdue(now) or (self.status in OPEN_COMMAND_STATUSES and not self.is_actor_reachable)


@dataclass(frozen=True, slots=True)
class StepView:
    """One step as recorded."""

    name: StepName
    status: StepStatus
    attempt: int
    intent_at: datetime | None
    command: CommandView | None
    undo_attempt: int
    undo_command: CommandView | None
    is_alarmed: bool = False
    """Whether a person was told that it waits."""
    part: int = 0
    handle: HandleKind | None = None
    """Of a TRAFFIC step: which of the switch's handles it moves, and of what kind that is."""


class Comparison(StrEnum):
    """How far it is known whether the new instance is like the old one."""

    NOT_POSSIBLE = "not_possible"
    """The old side's daemon never said what EC2 says of it."""

    AWAITED = "awaited"
    """The new side's daemon has not said it yet."""

    DUE = "due"
    RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class SwitchFacts:
    """Everything that a decision about a switch rests on."""

    status: SwitchStatus
    steps: tuple[StepView, ...]
    replica_status: ReplicaStatus | None
    replica_reason: str
    new_instance_id: str | None
    new_role: Role | None
    is_new_past_its_end: bool
    """Whether the time is over at which a notice takes the new instance away."""
    old_role: Role
    is_old_reachable: bool
    has_handle: bool
    has_fallback_image: bool
    """Whether there is something to launch from without a new image; asked while IMAGE is the next step."""
    action_at: datetime | None
    """When a notice takes the old instance away; None without a notice, or when the instance has outlived it."""
    may_terminate_old: bool
    """Whether an old instance that outlives its notice, or is taken for lost, may be ended by us."""
    now: datetime
    ends_old_by: CommandKind = CommandKind.TERMINATE_INSTANCE
    """How it would be ended: by termination, or by a stop with force where the disk should stay."""
    needs_copies: bool = False
    has_copies: bool = False
    """An earlier move to this new side left them with it, and they hold everything."""
    """Whether the new instance gets copies of the data volumes: it is in another AZ, or they went with the old one."""
    has_volumes: bool = True
    """Whether it is known which data volumes the agent has; asked only with the carry `volume`."""
    why_not_promoted: str = ""
    """Who else may be the primary by a plan of theirs, so that nobody is promoted now; empty when nobody may. Asked at PROMOTE."""
    why_old_is_kept: str = ""
    """Why we do not end an old instance that outlives its notice, or is taken for lost; empty when we may."""
    is_rescue: bool = False
    """Whether a notice or a loss forces the move."""
    comparison: Comparison = Comparison.NOT_POSSIBLE
    differences: tuple[str, ...] = ()
    """Where the new instance is not like the old one, in words."""
    accepts_differences: bool = False
    """Whether who asked for the move accepted them."""
    may_terminate_new: bool = True
    """Whether a new side that does not confirm that it serves no more may be ended: not an instance that a person keeps."""
    is_end_announced: bool = False
    """Whether EC2 named the time at which it terminates or stops the old instance: `action_at`."""
    is_old_heard: bool = False
    """Whether the old daemon was heard of late, also after that time."""
    new_launched_at: datetime | None = None
    """When EC2 took the launch of the new instance in; None while there is none."""
    is_forced: bool = False
    """Whether a person wants the replica promoted although its standby check has not passed."""
    is_attended: bool = True
    """Whether anybody can take the move back: the old daemon is heard, or somebody may ask EC2 about its instance."""
    unattended_since: datetime | None = None
    """When it was noted that nobody can; None while somebody can, as far as was noted."""
    leaves_new_writes: bool = False
    """Whether going back leaves behind what the new side wrote: its state was copied, and is not carried back."""
    leaves_old_writes: bool = False
    """Whether going on leaves behind what the old side wrote: the new one began with an older state."""
    may_serve_twice: bool = False
    """Whether its owner declared that two instances may serve at once: then a rescue does not wait for the old one's end."""
    is_new_going: bool = False
    """Whether a notice takes the new instance away."""
    returns: int = 0
    """How often the move went forward again instead of being taken back, because its new side had served."""
    turns: int = 0
    """How often it did because its old side was silent; its new side may never have served."""
    old_silent_seconds: float = 0.0
    """How long ago the old daemon was heard last."""
    is_new_heard: bool = False
    """Whether the new side's daemon was heard of late."""
    is_old_told_to_serve: bool = False
    """Whether an order to serve again came to the old daemon since it stopped the workload for this move: it may serve."""
    may_move_silent: bool = False
    """Whether a person wants the workload moved off a primary that is silent, though it loses what the last copy lacks."""

    @property
    def is_old_doomed(self) -> bool:
        """Whether going back to the old instance makes no sense any more."""
        return self.action_at is not None or self.old_role is Role.TERMINATED

    @property
    def is_promoted(self) -> bool:
        """Whether the new instance is the PRIMARY."""
        promote = self.step(StepName.PROMOTE)
        return promote is not None and promote.status is StepStatus.DONE

    @property
    def is_replica_fit(self) -> bool:
        """Whether it may become the PRIMARY: it is ready, or its daemon is there and a person forces it."""
        return self.replica_status is ReplicaStatus.READY or (self.is_forced and self.replica_status is ReplicaStatus.SYNCING)

    @property
    def is_replica_lost(self) -> bool:
        """Whether there is nothing to move to any more."""
        return self.replica_status in {ReplicaStatus.FAILED, ReplicaStatus.TERMINATED}

    def step(self, name: StepName) -> StepView | None:
        """Return the step of that name, if the plan has it."""
        return next((step for step in self.steps if step.name is name), None)


@dataclass(frozen=True, slots=True)
class Issue:
    """Give a step's command to its actor, as a new attempt."""

    step: StepName
    kind: CommandKind
    side: Side
    bound_seconds: float
    part: int = 0


@dataclass(frozen=True, slots=True)
class MakeReplica:
    """Record that a replica is wanted for this switch."""

    step: StepName


@dataclass(frozen=True, slots=True)
class Settle:
    """The step is over: done, or skipped for a reason."""

    step: StepName
    status: StepStatus
    note: str = ""
    part: int = 0


@dataclass(frozen=True, slots=True)
class NoteComparison:
    """Compare the new instance with the old one, and record what was found."""


@dataclass(frozen=True, slots=True)
class PromoteNew:
    """Run the promotion transaction."""


@dataclass(frozen=True, slots=True)
class BeginUndo:
    """The move cannot be finished and the old side can go on: take the steps back."""

    step: StepName
    reason: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class Abandon:
    """The move can neither be finished nor undone by itself: a person must look."""

    step: StepName
    reason: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class UndoIssue:
    """Give the command that takes a step back to its actor."""

    step: StepName
    kind: CommandKind
    side: Side
    bound_seconds: float
    part: int = 0


class Loss(StrEnum):
    """What is known of writes that the new side acknowledged, and that going back leaves behind."""

    SURE = "sure"
    """It served."""

    POSSIBLE = "possible"
    """It was told to serve, and nobody can say whether it did."""


@dataclass(frozen=True, slots=True)
class UndoSettle:
    """The step is taken back, or there is nothing to take back; `loss`: what that loses, of which a person is told."""

    step: StepName
    part: int = 0
    loss: Loss | None = None


@dataclass(frozen=True, slots=True)
class UndoPromote:
    """Run the promotion transaction backwards."""

    step: StepName


@dataclass(frozen=True, slots=True)
class UndoReplica:
    """Give the new instance up."""

    step: StepName


@dataclass(frozen=True, slots=True)
class Resume:
    """Go forward again while the promotion still stands: the old instance is lost, or the new one has what the old one lacks."""

    is_return: bool = False
    """Whether the new side is told to start again."""
    reason: str = ""
    """Why, if not because the new side served already."""


@dataclass(frozen=True, slots=True)
class TurnForward:
    """Go forward again from a confirmed QUIESCE on: the old side, which alone could take it back, says nothing. `loses`: no last pass."""

    reason: str
    loses: bool


@dataclass(frozen=True, slots=True)
class Complete:
    """The new primary serves: the move is over but for the retirement of the old instance."""


@dataclass(frozen=True, slots=True)
class LeaveUndone:
    """Nobody can take the move back, and what is left of it is in others' hands: end it. `is_resumed`: have it looked at again."""

    step: StepName
    reason: str
    part: int = 0
    is_resumed: bool = True


@dataclass(frozen=True, slots=True)
class NoteAttendance:
    """Record since when nobody can take the move back; None: somebody can again."""

    unattended_since: datetime | None


@dataclass(frozen=True, slots=True)
class FinishUndo:
    """Everything is taken back."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A step, or its undo, waits for something that may never come: tell a person, once, and go on waiting."""

    step: StepName
    reason: str
    part: int = 0
    remedy: str = ""
    """What can be done about it, where that is not said of all such steps."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now."""

    reason: str


Decision = (
    Issue
    | MakeReplica
    | Settle
    | NoteComparison
    | PromoteNew
    | BeginUndo
    | Abandon
    | UndoIssue
    | UndoSettle
    | UndoPromote
    | UndoReplica
    | Resume
    | TurnForward
    | Complete
    | LeaveUndone
    | NoteAttendance
    | FinishUndo
    | Alarm
    | Wait
)
