"""The one step of a modelled switch that may come before its turn."""

from __future__ import annotations

from datetime import timedelta

from spot_server.features.switches.decisions import SwitchFacts
from spot_server.policy import MovePolicy
from spot_server.words import StepName


def is_parting(issued: StepName, waits_at: StepName, facts: SwitchFacts, policy: MovePolicy) -> bool:
    """Whether the old side may be asked to stop although the replica still boots: it goes in the next seconds, as far as anybody knows."""
    if facts.action_at is None or (issued, waits_at) != (StepName.QUIESCE, StepName.BOOT):
        return False
    return facts.now >= facts.action_at - timedelta(seconds=policy.parting_seconds)
