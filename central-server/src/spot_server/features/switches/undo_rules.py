"""Taking a switch back, decided from values alone: the last step first."""

from __future__ import annotations

from datetime import timedelta

from spot_server.features.switches.decisions import (
    FENCED_STATES,
    Abandon,
    Alarm,
    CommandView,
    Decision,
    FinishUndo,
    LeaveUndone,
    NoteAttendance,
    Resume,
    StepView,
    SwitchFacts,
    UndoIssue,
    UndoPromote,
    UndoReplica,
    UndoSettle,
    Wait,
)
from spot_server.features.switches.plans import Side, undo_spec_of
from spot_server.features.switches.return_rules import settle_new_side
from spot_server.features.switches.stall_rules import decide_stalled, is_silent_for_long
from spot_server.features.switches.unheard_rules import decide_unheard_demote
from spot_server.features.switches.volume_rules import VOLUME_STEPS
from spot_server.policy import MovePolicy
from spot_server.words import OPEN_COMMAND_STATUSES, CommandKind, CommandStatus, Role, StepName, StepStatus

UNDO_RETRY_SECONDS = 5.0
"""Between two attempts at undoing one step."""

LOOK_AT_SILENT_SECONDS = 15.0
"""Between two looks at an old instance whose daemon is silent: until it speaks, EC2 is asked whether it still exists."""

LONGEST_RETRY_SECONDS = 60.0

MOST_STARTS_IN_UNDO = 5
"""Attempts at bringing an old side back to work that it answered with a failure. Then the move ends, so that another may begin; the
sweep over workloads that stand still goes on telling it to serve."""


UNATTENDED_SECONDS = 900.0
"""How long a move waits for anybody who can take it back, before a person is told: restarts and reboots are over by then."""

NOBODY = "no daemon of the agent is heard, and no control role may ask EC2 about the old instance"

_ONLY_BY_UNDO = frozenset({StepName.TRAFFIC, StepName.PROMOTE, StepName.START}) | VOLUME_STEPS
"""What nobody else brings back. That the workload stands still, and that an instance was made, is looked after by sweeps."""


def decide_undo(facts: SwitchFacts, policy: MovePolicy) -> Decision:
    """Return the next thing to do for a switch that is taken back; the last step that is not settled comes first.

    An old instance that is lost, or is being taken away, is nothing to go back to: forward if the promotion still stands, else the end.
    """
    left = [step for step in reversed(facts.steps) if step.status not in _NOTHING_TO_UNDO]
    if facts.is_old_doomed and facts.is_promoted:
        return Resume()
    if facts.is_old_doomed:
        last = left[0] if left else facts.steps[0]
        return Abandon(last.name, "there is no old instance to go back to", last.part)
    if not left:
        return FinishUndo()
    return _decide_unattended(left, facts) or decide_stalled(left, facts) or _decide_undo_of(left, facts, policy)


def _decide_unattended(left: list[StepView], facts: SwitchFacts) -> Decision | None:
    """Say what becomes of an undo that nobody can go on with; None: it goes on as it can.

    It ends where sweeps look after all that is left, so that it stands in nobody's way. Else it waits, and a person is told.
    """
    if facts.is_attended is (facts.unattended_since is not None):
        return NoteAttendance(None if facts.is_attended else facts.now)
    if facts.unattended_since is None or facts.now - facts.unattended_since < timedelta(seconds=UNATTENDED_SECONDS):
        return None
    last = left[0]
    if not any(step.name in _ONLY_BY_UNDO for step in left):
        return LeaveUndone(last.name, NOBODY, last.part)
    return None if last.is_alarmed else Alarm(last.name, NOBODY, last.part)


def _decide_undo_of(left: list[StepView], facts: SwitchFacts, policy: MovePolicy) -> Decision:
    """The last step first; only a handle that does not come back at once keeps neither the others nor the workload waiting.

    By then the new side is known not to serve: the old one may, whoever holds the handle.
    """
    decision = _decide_undo_step(left[0], facts, policy)
    if left[0].name is not StepName.TRAFFIC:
        return decision
    stuck = left[0]
    for other in left[1:]:
        if other.name not in {StepName.TRAFFIC, StepName.QUIESCE} | VOLUME_STEPS:
            continue
        # Volumes come back one step after the other, and before the workload: it does not start beside them.
        if not isinstance(decision, Wait) or stuck.undo_attempt <= 1 or stuck.name is not StepName.TRAFFIC:
            break
        decision, stuck = _decide_undo_step(other, facts, policy), other
    return decision


_NOTHING_TO_UNDO = frozenset({StepStatus.PENDING, StepStatus.UNDONE, StepStatus.SKIPPED})


def _decide_undo_step(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    match step.name:
        case StepName.PROMOTE if step.status is StepStatus.DONE:
            return UndoPromote(step.name)
        case StepName.LAUNCH:
            return UndoReplica(step.name)
        case StepName.START | StepName.MOUNT:
            return _decide_undo_on_new_side(step, facts, policy)
        case StepName.ATTACH | StepName.DETACH if facts.needs_copies:
            return UndoSettle(step.name)
        case StepName.ATTACH:
            return _decide_undo_attach(step, facts, policy)
        case StepName.DETACH | StepName.UNMOUNT:
            return _decide_undo_on_old_side(step, facts, policy)
        case StepName.TRAFFIC | StepName.QUIESCE:
            return _decide_undo_on_old_side(step, facts, policy)
        case _:
            return UndoSettle(step.name, step.part)


def _decide_undo_on_old_side(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    """The old side takes its part back. While it is silent, EC2 is asked whether it is still there.

    A handle is led back to an instance that has been silent for long, and runs: else the move could not end, and no other begin.
    """
    command = step.undo_command
    if command is None or command.kind is not CommandKind.DESCRIBE_INSTANCE:
        is_waiting = command is not None and command.status in OPEN_COMMAND_STATUSES and not command.is_forsaken(facts.now)
        if facts.is_old_reachable or is_waiting or _is_done(command):
            return _decide_undo_command(step, facts, policy)
    elif command.status is CommandStatus.SUCCEEDED and command.state in FENCED_STATES:
        return Abandon(step.name, f"EC2 says that the old instance is {command.state}", step.part)
    elif not _is_over(command, facts):
        return Wait("EC2's word about the old instance")
    elif facts.is_old_reachable or (step.name is StepName.TRAFFIC and is_silent_for_long(facts)):
        return _undo_issue(step, policy)
    if command is not None and _is_within(command, LOOK_AT_SILENT_SECONDS, facts):
        return Wait("the old daemon is silent")
    return UndoIssue(step.name, CommandKind.DESCRIBE_INSTANCE, Side.BY_TABLE, policy.check_bound_seconds, step.part)


def _decide_undo_command(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    command = step.undo_command
    if command is None:
        return _undo_issue(step, policy)
    if _is_done(command):
        return UndoSettle(step.name, step.part)
    if not _is_over(command, facts):
        return Wait(f"{command.kind} is under way")
    if step.name is StepName.QUIESCE and command.status is CommandStatus.FAILED and step.undo_attempt >= MOST_STARTS_IN_UNDO:
        return UndoSettle(step.name)
    if _is_within(command, min(UNDO_RETRY_SECONDS * step.undo_attempt, LONGEST_RETRY_SECONDS), facts):
        return Wait("the next attempt")
    return _undo_issue(step, policy)


def _undo_issue(step: StepView, policy: MovePolicy) -> UndoIssue:
    spec = undo_spec_of(step.name, step.handle)
    return UndoIssue(step.name, spec.kind, spec.side, spec.bound_seconds(policy), step.part)


def _is_done(command: CommandView | None) -> bool:
    return command is not None and command.status is CommandStatus.SUCCEEDED


def _is_over(command: CommandView, facts: SwitchFacts) -> bool:
    if command.kind in _TESTIMONY:
        return command.status not in OPEN_COMMAND_STATUSES or command.is_forsaken(facts.now)
    return command.status not in OPEN_COMMAND_STATUSES or command.is_overdue(facts.now)


_TESTIMONY = frozenset({CommandKind.DESCRIBE_INSTANCE, CommandKind.TERMINATE_INSTANCE})
"""What anybody can be asked for: no use in waiting for one who is gone."""


def _is_within(command: CommandView, pause_seconds: float, facts: SwitchFacts) -> bool:
    return facts.now - (command.finished_at or command.issued_at) < timedelta(seconds=pause_seconds)


def _decide_undo_attach(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    """The volumes come from the new side before the old one gets them. If they do not, the new instance ends, and has them no more."""
    command = step.undo_command
    decision = _decide_undo_command(step, facts, policy)
    is_still_there = facts.new_role is not None and facts.new_role is not Role.TERMINATED
    was_for_volumes = command is not None and command.kind is CommandKind.DETACH_VOLUMES
    if was_for_volumes and isinstance(decision, UndoIssue) and is_still_there and facts.may_terminate_new:
        return _end_new(step, policy)
    if command is not None and not was_for_volumes and isinstance(decision, UndoSettle):
        return _undo_issue(step, policy)
    return decision


def _decide_undo_on_new_side(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    """The new side must be known not to serve, nor to have a volume, before the old one may: it says so, or EC2 says that it is gone.

    One that may not be ended is told again between two looks.
    """
    command = step.undo_command
    is_asked_itself = command is None or command.kind is undo_spec_of(step.name, step.handle).kind
    has_ec2_said = not is_asked_itself and _is_done(command) and command is not None and command.state in FENCED_STATES
    if facts.new_role is Role.TERMINATED or has_ec2_said:
        return settle_new_side(step, facts)
    if command is None or is_asked_itself:
        decision = _decide_undo_command(step, facts, policy)
        if isinstance(decision, UndoSettle):
            return settle_new_side(step, facts)
        if command is not None and isinstance(decision, UndoIssue):
            without_answer = _end_new(step, policy) if facts.may_terminate_new else _look_at_new(step, policy)
            return decide_unheard_demote(step, facts, policy) or without_answer
        return decision
    if not _is_over(command, facts):
        return Wait("EC2's word about the new instance")
    if _is_within(command, min(policy.fence_poll_seconds * step.undo_attempt, LONGEST_RETRY_SECONDS), facts):
        return Wait("the next look at the new instance")
    # A termination that was refused, or that EC2 does not show, is asked for again between two looks.
    is_still_there = command.kind is CommandKind.DESCRIBE_INSTANCE and command.state == "running"
    if is_still_there:
        return _end_new(step, policy) if facts.may_terminate_new else _undo_issue(step, policy)
    return _look_at_new(step, policy)


def _end_new(step: StepView, policy: MovePolicy) -> UndoIssue:
    return UndoIssue(step.name, CommandKind.TERMINATE_INSTANCE, Side.BY_TABLE, policy.terminate_bound_seconds)


def _look_at_new(step: StepView, policy: MovePolicy) -> UndoIssue:
    return UndoIssue(step.name, CommandKind.DESCRIBE_INSTANCE, Side.BY_TABLE, policy.check_bound_seconds)
