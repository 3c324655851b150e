"""The fence: when the old side is known to serve no more, and what is done, and said, while it is not."""

from __future__ import annotations

from datetime import datetime, timedelta

from spot_server.features.silences.gone_rules import in_words
from spot_server.features.switches.decisions import (
    FENCED_STATES,
    Alarm,
    BeginUndo,
    CommandView,
    Decision,
    Issue,
    Settle,
    StepView,
    SwitchFacts,
    Wait,
)
from spot_server.features.switches.plans import Side
from spot_server.policy import MovePolicy
from spot_server.words import OPEN_COMMAND_STATUSES, CommandKind, CommandStatus, Role, StepStatus

ENDING_KINDS = frozenset({CommandKind.TERMINATE_INSTANCE, CommandKind.STOP_INSTANCE})

LOOKS_BEFORE_SLOWER = 10
LONGEST_LOOK_PAUSE_SECONDS = 60.0


def decide_fence(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    """Return the next thing to do until EC2 says that the old instance is terminated or stopped. It waits without a bound, and says so.

    An old instance that is heard after all, long after its notice's end, is gone back to: it runs, and was not asked to stop in vain.
    """
    if facts.old_role is Role.TERMINATED:
        return Settle(step.name, StepStatus.DONE, "EC2 says terminated")
    command = step.command
    if command is not None and command.status is CommandStatus.SUCCEEDED and command.state in FENCED_STATES:
        return Settle(step.name, StepStatus.DONE, f"EC2 says {command.state}")
    if command is not None and command.state == "running" and facts.is_old_reachable and not facts.is_old_doomed:
        return BeginUndo(step.name, "the old instance did not confirm that it serves no more, and has outlived its notice")
    if is_alarm_due(step, facts, policy):
        return Alarm(step.name, why_fence_waits(step, facts))
    look = Issue(step.name, CommandKind.DESCRIBE_INSTANCE, Side.BY_TABLE, policy.check_bound_seconds)
    if command is None:
        return look
    if command.status in OPEN_COMMAND_STATUSES:
        # An end that may not be any more, because a person turned a setting off, is called back: the look takes its place.
        is_called_back = command.kind in ENDING_KINDS and not facts.may_terminate_old
        return look if is_called_back or command.is_forsaken(facts.now) else Wait("EC2's word about the old instance")
    return _decide_next(command, look, step, facts, policy)


def _decide_next(command: CommandView, look: Issue, step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    if command.is_within(look_pause_seconds(step.attempt, policy), facts.now):
        return Wait("the next look at the old instance")
    if _should_end(command, facts, policy):
        return Issue(step.name, facts.ends_old_by, Side.BY_TABLE, policy.check_bound_seconds)
    return look


def look_pause_seconds(attempt: int, policy: MovePolicy) -> float:
    """Return the time between two looks at EC2: short at first, longer for what takes long."""
    return min(policy.fence_poll_seconds * (1 + attempt // LOOKS_BEFORE_SLOWER), LONGEST_LOOK_PAUSE_SECONDS)


def is_alarm_due(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> bool:
    """Whether a person should hear now that the fence does not come; once for each move, and not between a question and its answer."""
    is_asked = step.command is not None and step.command.status in OPEN_COMMAND_STATUSES and not step.command.is_forsaken(facts.now)
    if step.is_alarmed or step.intent_at is None or is_asked:
        return False
    return facts.now - _due_at(step.intent_at, facts) > timedelta(seconds=policy.fence_alarm_seconds)


def _due_at(intent_at: datetime, facts: SwitchFacts) -> datetime:
    """Return from when on the fence is late: EC2 has until the time that its notice named."""
    return intent_at if facts.action_at is None else max(intent_at, facts.action_at)


def why_fence_waits(step: StepView, facts: SwitchFacts) -> str:
    """Say for a person what is known of the old instance, and why we do not end it ourselves."""
    command = step.command
    if command is None:
        known = "nobody can be asked whether the old instance still runs"
    elif command.kind in ENDING_KINDS and command.status is CommandStatus.FAILED:
        known = f"the old instance could not be ended: {command.error_text}"
    elif command.state is not None:
        known = in_words(command.state, "the old instance")
    else:
        known = "whether the old instance still runs is asked of EC2, and not known"
    return f"{known}; it is not ended by us: {facts.why_old_is_kept}" if facts.why_old_is_kept else known


def _should_end(command: CommandView, facts: SwitchFacts, policy: MovePolicy) -> bool:
    """EC2 said when it would take the instance and did not, or the instance is taken for lost: end it ourselves, once between two looks."""
    if facts.action_at is None or not facts.may_terminate_old or command.kind in ENDING_KINDS:
        return False
    is_late = facts.now > facts.action_at + timedelta(seconds=policy.fence_patience_seconds)
    return is_late and command.state == "running"
