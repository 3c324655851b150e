"""Taking a switch back, decided from values alone: the last step first."""

from __future__ import annotations

from datetime import timedelta

from spot_server.features.switches.decisions import (
    FENCED_STATES,
    Decision,
    FinishUndo,
    StepView,
    SwitchFacts,
    UndoIssue,
    UndoPromote,
    UndoReplica,
    UndoSettle,
    Wait,
)
from spot_server.features.switches.plans import UNDO_SPECS, Side
from spot_server.policy import MovePolicy
from spot_server.words import OPEN_COMMAND_STATUSES, CommandKind, CommandStatus, StepName, StepStatus

UNDO_RETRY_SECONDS = 5.0
"""Between two attempts at undoing one step."""


def decide_undo(facts: SwitchFacts, policy: MovePolicy) -> Decision:
    for step in reversed(facts.steps):
        if step.status in {StepStatus.PENDING, StepStatus.UNDONE, StepStatus.SKIPPED}:
            continue
        return _decide_undo_step(step, facts, policy)
    return FinishUndo()


def _decide_undo_step(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    match step.name:
        case StepName.PROMOTE:
            # A promotion that was intended and not done has changed nothing.
            return UndoPromote(step.name) if step.status is not StepStatus.RUNNING else UndoSettle(step.name)
        case StepName.LAUNCH:
            return UndoReplica(step.name)
        case StepName.START:
            return _decide_undo_start(step, facts, policy)
        case StepName.TRAFFIC | StepName.QUIESCE:
            return _decide_undo_command(step, facts, policy)
        case _:
            return UndoSettle(step.name)


def _decide_undo_command(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    spec = UNDO_SPECS[step.name]
    issue = UndoIssue(step.name, spec.kind, spec.side, spec.bound_seconds(policy))
    command = step.undo_command
    if command is None:
        return issue
    if command.status is CommandStatus.SUCCEEDED:
        return UndoSettle(step.name)
    if command.status in OPEN_COMMAND_STATUSES and not command.is_overdue(facts.now):
        return Wait(f"{command.kind} is under way")
    last_at = command.finished_at or command.issued_at
    if facts.now - last_at < timedelta(seconds=UNDO_RETRY_SECONDS):
        return Wait("the next attempt")
    return issue


def _decide_undo_start(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    """The new side must be known not to serve before the old one may: it says so, or EC2 says that it is gone."""
    command = step.undo_command
    if command is None or command.kind is CommandKind.DEMOTE:
        decision = _decide_undo_command(step, facts, policy)
        is_unanswered = command is not None and command.status is not CommandStatus.SUCCEEDED
        if is_unanswered and isinstance(decision, UndoIssue):
            return UndoIssue(step.name, CommandKind.TERMINATE_INSTANCE, Side.BY_TABLE, policy.terminate_bound_seconds)
        return decision
    if command.status is CommandStatus.SUCCEEDED and command.state in FENCED_STATES:
        return UndoSettle(step.name)
    if command.status in OPEN_COMMAND_STATUSES and not command.is_forsaken(facts.now):
        return Wait("EC2's word about the new instance")
    last_at = command.finished_at or command.issued_at
    if facts.now - last_at < timedelta(seconds=policy.fence_poll_seconds):
        return Wait("the next look at the new instance")
    return UndoIssue(step.name, CommandKind.DESCRIBE_INSTANCE, Side.BY_TABLE, policy.check_bound_seconds)
