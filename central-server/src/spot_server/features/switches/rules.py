"""What a switch does next, decided from values alone. One decision at a time; the service applies it and asks again."""

from __future__ import annotations

from datetime import datetime, timedelta

from spot_server.features.commands.rules import TRANSIENT_ERRORS
from spot_server.features.switches.carry_rules import (
    OLD_SIDE_STEPS,
    SYNC_STEPS,
    carry_bound_seconds,
    is_silent_side_waited_for,
    why_carry_step_is_needless,
    why_last_pass_cannot_be,
)
from spot_server.features.switches.decisions import (
    SETTLED,
    Abandon,
    Alarm,
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
from spot_server.features.switches.fence_rules import decide_fence
from spot_server.features.switches.likeness_rules import decide_likeness
from spot_server.features.switches.parting_rules import decide_parting
from spot_server.features.switches.plans import AFTERWARDS, spec_of
from spot_server.features.switches.undo_rules import decide_undo
from spot_server.features.switches.unheard_rules import decide_unheard_start
from spot_server.features.switches.volume_rules import VOLUME_STEPS, has_let_go, why_volume_step_is_needless, why_volumes_cannot_move
from spot_server.policy import MovePolicy
from spot_server.words import (
    OPEN_COMMAND_STATUSES,
    CommandStatus,
    ReplicaStatus,
    Role,
    StepName,
    StepStatus,
    SwitchStatus,
)

PASSING_ERRORS = TRANSIENT_ERRORS | {"idempotency"}
"""Failures that may pass on a second attempt; the others mean what they say."""


def decide(facts: SwitchFacts, policy: MovePolicy) -> Decision:
    """Return the next thing to do for an active switch."""
    if facts.status is SwitchStatus.ROLLING_BACK:
        return decide_undo(facts, policy)
    for step in facts.steps:
        if step.status in SETTLED:
            continue
        if step.name in AFTERWARDS:
            return Complete()
        return _decide_step(step, facts, policy)
    return Complete()


_NEEDS_REPLICA = frozenset(
    {StepName.LAUNCH, StepName.BOOT, StepName.PREPARE, StepName.QUIESCE, StepName.FENCE, StepName.TRAFFIC, StepName.PROMOTE}
    | SYNC_STEPS
    | VOLUME_STEPS
)


def _decide_step(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    lost = _why_new_side_is_out(step.name, facts) or why_volumes_cannot_move(step.name, facts)
    if lost is not None:
        return Abandon(step.name, lost, step.part) if facts.is_old_doomed else BeginUndo(step.name, lost, step.part)
    unlike = decide_likeness(step, facts)
    if unlike is not None:
        return unlike
    parting = decide_parting(step, facts, policy)
    if parting is not None:
        return parting
    needless = _why_needless(step, facts, policy)
    if needless is not None:
        return Settle(step.name, StepStatus.SKIPPED, needless, step.part)
    return _decide_needed_step(step, facts, policy)


def _decide_needed_step(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    match step.name:
        case StepName.SYNC if (missing := why_last_pass_cannot_be(facts)) is not None:
            return BeginUndo(step.name, missing)
        case StepName.LAUNCH:
            return _decide_launch(step, facts)
        case StepName.BOOT if facts.replica_status is not ReplicaStatus.READY:
            return Wait(f"the replica is {facts.replica_status}")
        case StepName.PROMOTE if not facts.is_replica_fit:
            return Wait(f"the replica is {facts.replica_status}")
        case StepName.BOOT:
            return Settle(step.name, StepStatus.DONE)
        case StepName.PROMOTE:
            return PromoteNew()
        case StepName.FENCE:
            return decide_fence(step, facts, policy)
        case _:
            return _decide_command_step(step, facts, policy)


def _why_new_side_is_out(name: StepName, facts: SwitchFacts) -> str | None:
    if facts.is_replica_lost and name in _NEEDS_REPLICA:
        return facts.replica_reason
    if name is StepName.START and (facts.new_role is Role.TERMINATED or facts.is_new_past_its_end):
        return "the new instance is gone"
    return facts.why_not_promoted or None if name is StepName.PROMOTE else None


def _why_needless(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> str | None:
    """Return why a step is left out, or None when it is needed."""
    match step.name:
        case name if name in SYNC_STEPS | VOLUME_STEPS:
            why = why_carry_step_is_needless if name in SYNC_STEPS else why_volume_step_is_needless
            return why(step, facts, _left_seconds(facts, policy))
        case StepName.TRAFFIC if not facts.has_handle:
            return "the agent has no traffic handle"
        case StepName.IMAGE if facts.is_old_doomed and facts.has_fallback_image:
            return "no time for a new image; the newest good one is used"
        case StepName.PREPARE if facts.is_forced:
            return "a person forces the promotion without it"
        case StepName.PREPARE if step.status is StepStatus.PENDING and _left_seconds(facts, policy) <= 0:
            return "no time for another check"
        case StepName.QUIESCE if facts.old_role is Role.TERMINATED:
            return "the old instance is terminated"
        case StepName.FENCE if has_let_go(facts):
            return _why_nobody_is_fenced(facts)
        case _:
            return None


def _why_nobody_is_fenced(facts: SwitchFacts) -> str | None:
    if _is_done(facts, StepName.QUIESCE):
        return "the old side confirmed that it serves no more"
    return "the agent is declared safe to run twice: nobody waits for the old instance's end" if facts.may_serve_twice else None


def _is_done(facts: SwitchFacts, name: StepName) -> bool:
    step = facts.step(name)
    return step is not None and step.status is StepStatus.DONE


def _decide_launch(step: StepView, facts: SwitchFacts) -> Decision:
    if facts.new_instance_id is not None:
        return Settle(step.name, StepStatus.DONE)
    if facts.replica_status is None:
        return MakeReplica(step.name)
    return Wait(f"the replica is {facts.replica_status}")


def _decide_command_step(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    spec = spec_of(step.name, step.handle)
    issue = Issue(step.name, spec.kind, spec.side, _bound_seconds(step, facts, policy), step.part)
    command = step.command
    if command is None:
        if step.intent_at is not None and _is_past(step.intent_at, issue.bound_seconds, facts, policy):
            return _on_failure(step, issue, facts, policy, "nobody could be asked in time")
        return issue
    if command.status is CommandStatus.SUCCEEDED:
        return Settle(step.name, StepStatus.DONE, part=step.part)
    if command.status in OPEN_COMMAND_STATUSES and not command.is_overdue(facts.now):
        is_out_of_reach = step.name in OLD_SIDE_STEPS | {StepName.UNMOUNT} and facts.is_old_doomed and not facts.is_old_reachable
        if is_out_of_reach and not is_silent_side_waited_for(step, facts, _left_seconds(facts, policy)):
            return _on_failure(step, issue, facts, policy, "the old daemon cannot be reached")
        return Wait(f"{command.kind} is under way")
    if command.status is not CommandStatus.FAILED and (unheard := decide_unheard_start(step, facts, policy)) is not None:
        return unheard
    if (command.error_class in PASSING_ERRORS or command.is_refused_to_one) and step.attempt < policy.max_attempts:
        return _again(issue, command, facts, policy)
    reason = "no answer in time" if command.status is not CommandStatus.FAILED else command.error_text
    return _on_failure(step, issue, facts, policy, reason)


def _again(issue: Issue, command: CommandView, facts: SwitchFacts, policy: MovePolicy) -> Decision:
    is_soon = command.is_within(policy.fence_poll_seconds, facts.now)
    return Wait("the next attempt") if is_soon else issue


def _bound_seconds(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> float:
    """Return the act's bound, shortened when a notice leaves less: all of it for the old side, a quarter for the check before."""
    bound_seconds = spec_of(step.name, step.handle).bound_seconds(policy)
    match step.name:
        case name if name in SYNC_STEPS:
            return carry_bound_seconds(name, bound_seconds, _left_seconds(facts, policy))
        case StepName.QUIESCE | StepName.UNMOUNT:
            return max(1.0, min(bound_seconds, _left_seconds(facts, policy)))
        case StepName.PREPARE:
            return max(1.0, min(bound_seconds, _left_seconds(facts, policy) / 4))
        case _:
            return bound_seconds


def _has_another_handle(step: StepView, facts: SwitchFacts) -> bool:
    """Whether clients can still reach the workload in another way: one handle that cannot be moved keeps no rescue from serving."""
    others = [other for other in facts.steps if other.name is StepName.TRAFFIC and other.part != step.part]
    return step.name is StepName.TRAFFIC and any(other.status is not StepStatus.SKIPPED for other in others)


def _left_seconds(facts: SwitchFacts, policy: MovePolicy) -> float:
    if facts.action_at is None:
        return float("inf")
    return (facts.action_at - facts.now).total_seconds() - policy.notice_margin_seconds


def _is_past(since: datetime, bound_seconds: float, facts: SwitchFacts, policy: MovePolicy) -> bool:
    return facts.now - since > timedelta(seconds=bound_seconds + policy.command_margin_seconds)


def _on_failure(step: StepView, issue: Issue, facts: SwitchFacts, policy: MovePolicy, reason: str) -> Decision:
    """Say what a failed step means. With the old instance doomed there is no way back: what can be skipped is, the rest is tried on."""
    if not facts.is_old_doomed:
        return BeginUndo(step.name, reason, step.part)
    if step.name in {StepName.PREPARE, StepName.QUIESCE, StepName.UNMOUNT} | SYNC_STEPS:
        return Settle(step.name, StepStatus.SKIPPED, reason)
    if step.attempt >= 3 * policy.max_attempts:
        if _has_another_handle(step, facts):
            return Settle(step.name, StepStatus.SKIPPED, f"left behind: {reason}", step.part)
        return Abandon(step.name, reason, step.part)
    if _is_nobody_there(step, issue, facts, policy):
        return Alarm(step.name, reason, step.part)
    return issue if step.command is None else _again(issue, step.command, facts, policy)


def _is_nobody_there(step: StepView, issue: Issue, facts: SwitchFacts, policy: MovePolicy) -> bool:
    """Whether a person should hear now that a rescue has found nobody for its next attempt for long; once for each step."""
    since = step.intent_at if step.command is None else step.command.issued_at
    is_late = since is not None and _is_past(since, issue.bound_seconds + policy.fence_alarm_seconds, facts, policy)
    return is_late and not step.is_alarmed
