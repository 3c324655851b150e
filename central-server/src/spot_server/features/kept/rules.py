"""Whether a person may have an instance ended, decided from values alone, with the reason for a person."""

from __future__ import annotations

from dataclasses import dataclass

from spot_server.words import Role


@dataclass(frozen=True, slots=True)
class EndFacts:
    """What is known of an instance that a person wants ended."""

    instance_id: str
    role: Role
    is_released: bool
    is_stray: bool
    moved_by: str | None
    """The move that runs and has the instance as one of its sides."""
    is_seen_to: bool
    """A replica that has ended, or the retirement after a move, sees to its end already."""
    primary_id: str | None
    is_serving: bool
    """Its daemon was heard lately, and says that the workload serves there."""
    is_restore_suspected: bool


def why_not_ended(facts: EndFacts) -> str | None:
    """Return why the instance is not ended on a person's word; None: it may be. What EC2 must say besides is asked right before the act."""
    unfit = _why_unfit(facts)
    if unfit is not None:
        return unfit
    if facts.moved_by is not None:
        return f"switch {facts.moved_by} needs it, or sees to it"
    if facts.is_seen_to:
        return "its end is seen to already: a replica that has ended, or the retirement after a move, ends it"
    if facts.is_serving:
        return "its daemon says that the workload serves there"
    if facts.primary_id is None:
        return "the agent has no primary now: this may be all that is left of the workload"
    if facts.is_restore_suspected:
        return "the database was probably restored from a backup: confirm that first"
    return None


def _why_unfit(facts: EndFacts) -> str | None:
    if facts.is_released:
        return "it was released with its agent: it is ours no more"
    if facts.is_stray:
        return "it is a stray: the sweeper sees to it"
    match facts.role:
        case Role.PRIMARY:
            return "it is the PRIMARY"
        case Role.REPLICA:
            return "it is a standby: retire its replica"
        case _:
            return None
