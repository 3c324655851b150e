"""The steps of the carries that copy beforehand: when one of them is left out, and how much of a notice's time each may take."""

from __future__ import annotations

from spot_server.features.switches.decisions import StepView, SwitchFacts
from spot_server.words import Carry, Role, StepName, StepStatus

SYNC_STEPS = frozenset({StepName.KEY, StepName.RECEIVER, StepName.COPY, StepName.SYNC})
OLD_SIDE_STEPS = frozenset({StepName.KEY, StepName.COPY, StepName.QUIESCE, StepName.SYNC})
"""What only the old daemon can do: under a notice there is no waiting for one that is not heard, but where its last writes hang on it."""

STATE_MAY_BE_ON_ROOT = frozenset({Carry.IMAGE_AFTER_QUIESCE, Carry.RSYNC, Carry.HOOK})
"""Carries whose root volume may hold the last writes before the end, which no snapshot has. Of the others it is worth nothing."""

_NEEDS: dict[StepName, tuple[StepName, str]] = {
    StepName.RECEIVER: (StepName.KEY, "there is no key"),
    StepName.COPY: (StepName.RECEIVER, "the new side receives nothing"),
}
_SHARE_OF_NOTICE = {StepName.KEY: 0.25, StepName.RECEIVER: 0.25, StepName.COPY: 0.5}
"""Of the time that a notice leaves. The last pass may have all of it: without that pass the copy does not count."""


def leaves_new_writes(carry: Carry, *, needs_copies: bool) -> bool:
    """Return whether going back leaves behind what the new side wrote: but for volumes that go back themselves, nothing brings it."""
    return carry is not Carry.STATELESS and (carry is not Carry.VOLUME or needs_copies)


def why_carry_step_is_needless(step: StepView, facts: SwitchFacts, left_seconds: float) -> str | None:
    """Return why a step of the carry is left out, or None when it is needed."""
    if facts.old_role is Role.TERMINATED:
        return "the old instance is terminated"
    if step.name in _NEEDS and _is_missing(facts, _NEEDS[step.name][0]):
        return _NEEDS[step.name][1]
    if step.name is StepName.SYNC and facts.is_old_doomed:
        missing = why_last_pass_cannot_be(facts)
        if missing is not None:
            return missing
    if step.status is StepStatus.PENDING and left_seconds <= 0:
        return "no time for it before the old instance goes"
    return None


def why_last_pass_cannot_be(facts: SwitchFacts) -> str | None:
    """Return what the last pass lacks, or None. Without it a move goes on only if the old instance is being taken away anyway.

    It is for a workload that is known to have stopped: a copy of files that are being written is no state.
    """
    if _is_missing(facts, StepName.RECEIVER):
        return "the new side receives nothing"
    return None if _is_done(facts, StepName.QUIESCE) else "the old side did not confirm that it writes no more"


def is_silent_side_waited_for(step: StepView, facts: SwitchFacts, left_seconds: float) -> bool:
    """Whether a silent old daemon is waited for under a notice, as long as its command's own time and the notice's last.

    All but the last pass is copied: without that pass everything since the image is lost, and nothing is won by leaving it out, for the
    fence then waits for EC2's word until the named time.
    """
    last_pass = facts.step(StepName.SYNC)
    is_still_to_come = last_pass is not None and last_pass.status in {StepStatus.PENDING, StepStatus.RUNNING}
    can_be_made = _is_done(facts, StepName.RECEIVER) and left_seconds > 0
    return step.name in {StepName.QUIESCE, StepName.SYNC} and is_still_to_come and can_be_made


def carry_bound_seconds(name: StepName, bound_seconds: float, left_seconds: float) -> float:
    """Return the bound of a step of the carry, shortened when a notice leaves less."""
    return max(1.0, min(bound_seconds, left_seconds * _SHARE_OF_NOTICE.get(name, 1.0)))


def _is_missing(facts: SwitchFacts, name: StepName) -> bool:
    """Whether the plan has this step, and it did not take effect."""
    step = facts.step(name)
    return step is not None and step.status is not StepStatus.DONE


def _is_done(facts: SwitchFacts, name: StepName) -> bool:
    step = facts.step(name)
    return step is not None and step.status is StepStatus.DONE
