"""The parting: what an old instance is asked in its last seconds, while the replica that follows it still boots.

A notice takes the instance anyway. Once its daemon has said that the workload has stopped, nobody waits for EC2 to say `terminated`, which
takes as long as a system takes to shut down.
"""

from __future__ import annotations

from datetime import timedelta

from spot_server.features.switches.decisions import SETTLED, BeginUndo, Decision, Issue, Settle, StepView, SwitchFacts
from spot_server.features.switches.plans import Side
from spot_server.policy import MovePolicy
from spot_server.words import CommandKind, CommandStatus, ReplicaStatus, Role, StepName, StepStatus


def decide_parting(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Decision | None:
    """Return what is due of the QUIESCE that comes before its turn, while the move waits at `step`; None when nothing is.

    An answer that does not come, or a failure, after which the workload serves on, is left to the handover. An instance that outlives its
    notice is gone back to: it may stand still, and nothing was ready to take its place.
    """
    quiesce = _asked_early(step, facts)
    if quiesce is None or quiesce.status is StepStatus.SKIPPED or facts.replica_status is ReplicaStatus.READY:
        return None
    if quiesce.status is StepStatus.PENDING:
        bound_seconds = min(policy.quiesce_bound_seconds, policy.parting_seconds)
        return Issue(quiesce.name, CommandKind.QUIESCE, Side.OLD, bound_seconds) if is_parting_due(facts, policy) else None
    answered = None if quiesce.command is None else quiesce.command.status
    if answered is not CommandStatus.FAILED and not facts.is_old_doomed and facts.is_old_reachable:
        return BeginUndo(step.name, "the old instance has outlived its notice, and no replica is ready")
    is_news = answered is CommandStatus.SUCCEEDED and quiesce.status not in SETTLED
    return Settle(quiesce.name, StepStatus.DONE) if is_news else None


def is_parting_due(facts: SwitchFacts, policy: MovePolicy) -> bool:
    """Tell whether the old instance, which a notice takes, should stop its workload now although nothing can take its place yet.

    Not before its last seconds, and not in vain: neither for a replica that cannot be ready before EC2 says `terminated`, nor with data
    volumes, for which EC2's word counts in any case. A loss, or a silence, names no end; a hibernation begins at once.
    """
    if policy.parting_seconds <= 0 or facts.action_at is None or facts.new_launched_at is None:
        return False
    is_ours_to_ask = facts.is_end_announced and facts.is_old_heard and facts.old_role is Role.PRIMARY
    is_in_time = facts.action_at - facts.new_launched_at >= timedelta(seconds=policy.parting_launch_seconds)
    is_last_moment = facts.now >= facts.action_at - timedelta(seconds=policy.parting_seconds)
    return is_ours_to_ask and is_in_time and is_last_moment and facts.step(StepName.UNMOUNT) is None


def _asked_early(step: StepView, facts: SwitchFacts) -> StepView | None:
    """Return the QUIESCE that is still to come while the replica boots; None where the plan stops the workload before that anyway."""
    names = [one.name for one in facts.steps]
    is_ahead = step.name is StepName.BOOT and StepName.QUIESCE in names[names.index(StepName.BOOT) :]
    return facts.step(StepName.QUIESCE) if is_ahead else None
