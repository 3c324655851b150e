"""The steps of the carry `volume`: when one is left out, and what a handover lacks without its volumes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spot_server.features.switches.decisions import StepView, SwitchFacts
from spot_server.words import Role, StepName, StepStatus

VOLUME_STEPS = frozenset({StepName.SNAPSHOT, StepName.UNMOUNT, StepName.COPY_VOLUMES, StepName.DETACH, StepName.ATTACH, StepName.MOUNT})

_OF_A_COPY = frozenset({StepName.SNAPSHOT, StepName.COPY_VOLUMES})


def why_volume_step_is_needless(step: StepView, facts: SwitchFacts, left_seconds: float) -> str | None:
    """Return why a step is left out, or None when it is needed.

    In the same AZ the volumes themselves move; in another one EC2 attaches none of them, and copies take their place. So they do where
    EC2 ended the old instance and its volumes with it.
    """
    name = step.name
    if name in _OF_A_COPY and not facts.needs_copies:
        return "the volumes move themselves: both instances are in one AZ"
    if name in _OF_A_COPY and facts.has_copies:
        return "the copies that an earlier move made are with the new instance"
    if name is StepName.DETACH and facts.needs_copies:
        return "copies of the volumes go on"
    if name is StepName.SNAPSHOT and facts.is_old_doomed:
        return "no time for a snapshot beforehand"
    if name is StepName.UNMOUNT and facts.old_role is Role.TERMINATED:
        return "the old instance is terminated"
    if name is StepName.UNMOUNT and step.status is StepStatus.PENDING and left_seconds <= 0:
        return "no time for it before the old instance goes"
    return None


def why_volumes_cannot_move(name: StepName, facts: SwitchFacts) -> str | None:
    """Return why a move to or with this step makes no sense, or None. A workload is never started beside its volumes."""
    is_needed = name in VOLUME_STEPS - {StepName.UNMOUNT}
    return "no data volume of this agent is known" if is_needed and not facts.has_volumes else None


@dataclass(frozen=True, slots=True)
class CopiedFrom:
    """The old side of a move that made copies, as it is now. `copied_at`: not later than the last snapshots."""

    copied_at: datetime
    role: Role
    role_changed_at: datetime
    has_let_go: bool
    """It confirmed to that move that it unmounted the volumes."""
    may_have_mounted_since: bool
    """It was told to mount volumes, or to serve, after `copied_at`."""


def holds_everything(source: CopiedFrom) -> bool:
    """Tell whether copies hold all that was ever written: their originals were out of everybody's reach from before the copy until now."""
    had_ended = source.role is Role.TERMINATED and source.role_changed_at <= source.copied_at
    return had_ended or (source.has_let_go and not source.may_have_mounted_since)


def has_let_go(facts: SwitchFacts) -> bool:
    """Whether the old side, where the plan has volumes, confirmed that nothing of it writes to them."""
    unmount = facts.step(StepName.UNMOUNT)
    return unmount is None or unmount.status is StepStatus.DONE
