"""What a switch does next, decided from values alone. One decision at a time; the service applies it and asks again."""

from __future__ import annotations

from datetime import datetime, timedelta

from spot_server.features.switches.decisions import (
    FENCED_STATES,
    SETTLED,
    Abandon,
    BeginUndo,
    CommandView,
    Complete,
    Decision,
    Issue,
    MakeReplica,
    PromoteNew,
    Settle,
    StepView,
    SwitchFacts,
    Wait,
)
from spot_server.features.switches.plans import STEP_SPECS, Side
from spot_server.features.switches.undo_rules import decide_undo
from spot_server.policy import MovePolicy
from spot_server.words import (
    OPEN_COMMAND_STATUSES,
    CommandKind,
    CommandStatus,
    ReplicaStatus,
    Role,
    StepName,
    StepStatus,
    SwitchStatus,
)

TRANSIENT_ERRORS = frozenset({"throttled", "race", "unreachable", "idempotency", "unexpected"})
"""Failures that may pass on a second attempt; the others mean what they say."""


def decide(facts: SwitchFacts, policy: MovePolicy) -> Decision:
    """Return the next thing to do for an active switch."""
    if facts.status is SwitchStatus.ROLLING_BACK:
        return decide_undo(facts, policy)
    for step in facts.steps:
        if step.status in SETTLED:
            continue
        if step.name is StepName.RETIRE:
            return Complete()
        return _decide_step(step, facts, policy)
    return Complete()


_NEEDS_REPLICA = frozenset({StepName.PREPARE, StepName.QUIESCE, StepName.FENCE, StepName.TRAFFIC, StepName.PROMOTE})


def _decide_step(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    is_lost = facts.replica_status in {ReplicaStatus.FAILED, ReplicaStatus.TERMINATED}
    if is_lost and step.name in _NEEDS_REPLICA:
        return _stop(step.name, facts, facts.replica_reason)
    match step.name:
        case StepName.LAUNCH:
            return _decide_launch(step, facts)
        case StepName.BOOT:
            return _decide_boot(step, facts)
        case StepName.PROMOTE:
            return PromoteNew()
        case StepName.FENCE:
            return _decide_fence(step, facts, policy)
        case StepName.TRAFFIC if not facts.has_handle:
            return Settle(step.name, StepStatus.SKIPPED, "the agent has no traffic handle")
        case StepName.IMAGE if step.status is StepStatus.PENDING and facts.is_old_doomed and facts.has_fallback_image:
            return Settle(step.name, StepStatus.SKIPPED, "no time for a new image; the newest good one is used")
        case StepName.QUIESCE if step.status is StepStatus.PENDING and facts.old_role is Role.TERMINATED:
            return Settle(step.name, StepStatus.SKIPPED, "the old instance is terminated")
        case _:
            return _decide_command_step(step, facts, policy)


def _decide_launch(step: StepView, facts: SwitchFacts) -> Decision:
    if facts.new_instance_id is not None:
        return Settle(step.name, StepStatus.DONE)
    if facts.replica_status is None:
        return MakeReplica(step.name)
    return _give_up_or_wait(step, facts)


def _decide_boot(step: StepView, facts: SwitchFacts) -> Decision:
    if facts.replica_status is ReplicaStatus.READY:
        return Settle(step.name, StepStatus.DONE)
    return _give_up_or_wait(step, facts)


def _give_up_or_wait(step: StepView, facts: SwitchFacts) -> Decision:
    if facts.replica_status in {ReplicaStatus.FAILED, ReplicaStatus.TERMINATED}:
        return _stop(step.name, facts, facts.replica_reason)
    return Wait(f"the replica is {facts.replica_status}")


def _decide_fence(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    quiesce = facts.step(StepName.QUIESCE)
    if quiesce is not None and quiesce.status is StepStatus.DONE:
        return Settle(step.name, StepStatus.SKIPPED, "the old side confirmed that it serves no more")
    if facts.old_role is Role.TERMINATED:
        return Settle(step.name, StepStatus.DONE, "EC2 says terminated")
    command = step.command
    bound_seconds = policy.check_bound_seconds
    look = Issue(step.name, CommandKind.DESCRIBE_INSTANCE, Side.BY_TABLE, bound_seconds)
    if command is None:
        return look
    if command.status is CommandStatus.SUCCEEDED and command.state in FENCED_STATES:
        return Settle(step.name, StepStatus.DONE, f"EC2 says {command.state}")
    if command.status in OPEN_COMMAND_STATUSES:
        return look if command.is_forsaken(facts.now) else Wait("EC2's word about the old instance")
    last_look_at = command.finished_at or command.issued_at
    if facts.now - last_look_at < timedelta(seconds=policy.fence_poll_seconds):
        return Wait("the next look at the old instance")
    if _should_terminate(command, facts, policy):
        return Issue(step.name, CommandKind.TERMINATE_INSTANCE, Side.BY_TABLE, bound_seconds)
    return look


def _should_terminate(command: CommandView, facts: SwitchFacts, policy: MovePolicy) -> bool:
    """EC2 said when it would take the instance and did not: make its word true ourselves, once between two looks."""
    if facts.action_at is None or command.kind is CommandKind.TERMINATE_INSTANCE:
        return False
    is_late = facts.now > facts.action_at + timedelta(seconds=policy.fence_patience_seconds)
    return is_late and command.state == "running"


def _decide_command_step(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    spec = STEP_SPECS[step.name]
    issue = Issue(step.name, spec.kind, spec.side, _bound_seconds(step, facts, policy))
    command = step.command
    if command is None:
        if step.intent_at is not None and _is_past(step.intent_at, issue.bound_seconds, facts, policy):
            return _on_failure(step, facts, policy, "nobody could be asked in time")
        return issue
    if command.status is CommandStatus.SUCCEEDED:
        return Settle(step.name, StepStatus.DONE)
    if command.status in OPEN_COMMAND_STATUSES and not command.is_overdue(facts.now):
        if step.name is StepName.QUIESCE and facts.is_old_doomed and not facts.is_old_reachable:
            return _on_failure(step, facts, policy, "the old daemon cannot be reached")
        return Wait(f"{command.kind} is under way")
    if command.error_class in TRANSIENT_ERRORS and step.attempt < policy.max_attempts:
        return issue
    reason = "no answer in time" if command.status is not CommandStatus.FAILED else command.error_text
    return _on_failure(step, facts, policy, reason)


def _bound_seconds(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> float:
    """Return the act's bound, shortened for the old side when a notice leaves less."""
    bound_seconds = STEP_SPECS[step.name].bound_seconds(policy)
    if facts.action_at is None or step.name is not StepName.QUIESCE:
        return bound_seconds
    left_seconds = (facts.action_at - facts.now).total_seconds() - policy.notice_margin_seconds
    return max(1.0, min(bound_seconds, left_seconds))


def _is_past(since: datetime, bound_seconds: float, facts: SwitchFacts, policy: MovePolicy) -> bool:
    return facts.now - since > timedelta(seconds=bound_seconds + policy.command_margin_seconds)


def _on_failure(step: StepView, facts: SwitchFacts, policy: MovePolicy, reason: str) -> Decision:
    """Say what a failed step means. With the old instance doomed there is no way back: what can be skipped is, the rest is tried on."""
    if not facts.is_old_doomed:
        return BeginUndo(step.name, reason)
    match step.name:
        case StepName.PREPARE | StepName.QUIESCE:
            return Settle(step.name, StepStatus.SKIPPED, reason)
        case StepName.IMAGE if facts.has_fallback_image:
            return Settle(step.name, StepStatus.SKIPPED, f"{reason}; the newest good image is used")
        case _ if step.attempt < 3 * policy.max_attempts:
            spec = STEP_SPECS[step.name]
            return Issue(step.name, spec.kind, spec.side, spec.bound_seconds(policy))
        case _:
            return Abandon(step.name, reason)


def _stop(step: StepName, facts: SwitchFacts, reason: str) -> Decision:
    return Abandon(step, reason) if facts.is_old_doomed else BeginUndo(step, reason)
