"""Whether a completed move can be rolled back, decided from values alone, with the reason for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spot_server.words import Mode, Role, SwitchStatus


@dataclass(frozen=True, slots=True)
class OldSide:
    """What is known of the instance that the move left."""

    instance_id: str
    role: Role
    mode: Mode
    is_heard: bool
    last_heard_at: datetime
    ends_at: datetime | None
    """When a notice takes it away, which it has not outlived; None without one."""
    is_retirement_begun: bool
    bound_by: str | None
    """What clients reach the workload by and cannot come along to its zone, in words; None: nothing."""


@dataclass(frozen=True, slots=True)
class MoveToUndo:
    """How the move stands that a person wants to go back on."""

    status: SwitchStatus
    promoted_id: str | None
    newest_completed_id: str | None
    switch_id: str
    primary_id: str | None


def why_not_undone(move: MoveToUndo) -> str | None:
    """Return why nothing goes back on this move, neither to its old instance nor to an image made before it; None: it can be."""
    if move.status in {SwitchStatus.RUNNING, SwitchStatus.ROLLING_BACK}:
        return f"switch {move.switch_id} is {move.status}: cancel it, as long as it has not promoted"
    if move.status is not SwitchStatus.COMPLETED:
        return f"switch {move.switch_id} is {move.status}: there is nothing to go back on"
    if move.newest_completed_id != move.switch_id:
        return f"switch {move.newest_completed_id} came after it: only the last move can be rolled back"
    if move.primary_id != move.promoted_id:
        return f"the primary is {move.primary_id or 'gone'}, and not {move.promoted_id} any more, which this move promoted"
    return None


def why_old_side_cannot_serve(old: OldSide) -> str | None:
    """Return why the workload cannot go back to the old instance; None: it can."""
    if old.role is Role.TERMINATED:
        return f"{old.instance_id} is terminated"
    if old.role is not Role.ZOMBIE:
        return f"{old.instance_id} is {old.role}, and waits for nothing"
    if old.is_retirement_begun:
        return f"the end of {old.instance_id} has begun"
    if old.ends_at is not None:
        return f"EC2 takes {old.instance_id} away at {old.ends_at.isoformat()}"
    if not old.is_heard:
        return f"{old.instance_id} was last heard at {old.last_heard_at.isoformat()}: whether it still lives is not known"
    if old.mode is Mode.UNKNOWN:
        return f"metadata and the EC2 API disagree about the mode of {old.instance_id}; no move is made before that is cleared"
    if old.bound_by is not None:
        return f"{old.bound_by} cannot come along to {old.instance_id}"
    return None
