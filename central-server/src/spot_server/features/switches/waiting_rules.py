"""What a move waits for, in words for a person."""

from __future__ import annotations

from spot_server.features.switches.decisions import Issue, SwitchFacts, UndoIssue, Wait
from spot_server.features.switches.fence_rules import why_fence_waits
from spot_server.features.switches.rules import decide
from spot_server.policy import MovePolicy
from spot_server.words import StepName, StepStatus, SwitchStatus


def explain_waiting(facts: SwitchFacts, policy: MovePolicy) -> str | None:
    """Return what an active move waits for; None when the next thing to do is the server's own."""
    fence = facts.step(StepName.FENCE)
    if fence is not None and fence.status is StepStatus.RUNNING and facts.status is SwitchStatus.RUNNING:
        return why_fence_waits(fence, facts)
    match decide(facts, policy):
        case Wait(reason):
            return reason
        case Issue(kind=kind) | UndoIssue(kind=kind):
            return f"somebody who can be asked for {kind}"
        case _:
            return None
