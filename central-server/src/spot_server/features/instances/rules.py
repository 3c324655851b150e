"""What an instance is to its agent: the one role table, and the one function that reads it."""

from __future__ import annotations

from enum import StrEnum

from spot_server.errors import RoleZombie, StateConflict, UnexpectedInstance
from spot_server.words import Role


class RoleEvent(StrEnum):
    """What can happen to the role of an instance."""

    FIRST_REGISTERED = "first_registered"
    REPLICA_REGISTERED = "replica_registered"
    CAME_UNWANTED = "came_unwanted"
    PROMOTED = "promoted"
    SUPERSEDED = "superseded"
    RESTORED = "restored"
    CALLED_BACK = "called_back"
    TAKEN_BACK = "taken_back"
    RETIRED = "retired"
    RELEASED = "released"
    TERMINATED = "terminated"


ROLE_MEANINGS: dict[Role | None, str] = {
    None: "The server does not know the instance yet.",
    Role.PRIMARY: "The instance that should serve; at most one per agent, by the database.",
    Role.REPLICA: "A standby that the server launched; it must not serve before it is promoted.",
    Role.ZOMBIE: "No longer part of its agent: it must not serve, and waits to be terminated, kept or released.",
    Role.TERMINATED: "EC2 says that the instance is gone. The end.",
}

EVENT_MEANINGS: dict[RoleEvent, str] = {
    RoleEvent.FIRST_REGISTERED: "The first instance of an agent registers, or one that stands in for instances that are all gone.",
    RoleEvent.REPLICA_REGISTERED: "An instance that the server launched registers with its nonce.",
    RoleEvent.CAME_UNWANTED: "An instance that the server launched comes with its nonce when its replica has ended; it is not let in.",
    RoleEvent.PROMOTED: "A handover makes the replica the PRIMARY, under a new epoch.",
    RoleEvent.SUPERSEDED: "Another instance was promoted in its place.",
    RoleEvent.RESTORED: "The handover is undone, under a new epoch, before the new primary ever passed its serving check.",
    RoleEvent.CALLED_BACK: "A person rolls a completed move back: the instance that it left is the PRIMARY again, under a new epoch.",
    RoleEvent.TAKEN_BACK: "One that came unwanted is let in after all: a rescue gave up, and nothing else of its agent could be moved to.",
    RoleEvent.RETIRED: "The replica is no longer wanted, or has failed.",
    RoleEvent.RELEASED: "Its agent is deleted: the instance keeps running and is ours no more.",
    RoleEvent.TERMINATED: "EC2 says that the instance is terminated.",
}

TRANSITIONS: dict[tuple[Role | None, RoleEvent], Role] = {
    (None, RoleEvent.FIRST_REGISTERED): Role.PRIMARY,
    (None, RoleEvent.REPLICA_REGISTERED): Role.REPLICA,
    (None, RoleEvent.CAME_UNWANTED): Role.ZOMBIE,
    (Role.REPLICA, RoleEvent.PROMOTED): Role.PRIMARY,
    (Role.PRIMARY, RoleEvent.SUPERSEDED): Role.ZOMBIE,
    (Role.ZOMBIE, RoleEvent.RESTORED): Role.PRIMARY,
    (Role.ZOMBIE, RoleEvent.CALLED_BACK): Role.PRIMARY,
    (Role.ZOMBIE, RoleEvent.TAKEN_BACK): Role.REPLICA,
    (Role.REPLICA, RoleEvent.RETIRED): Role.ZOMBIE,
    (Role.PRIMARY, RoleEvent.RELEASED): Role.ZOMBIE,
    (Role.PRIMARY, RoleEvent.TERMINATED): Role.TERMINATED,
    (Role.REPLICA, RoleEvent.TERMINATED): Role.TERMINATED,
    (Role.ZOMBIE, RoleEvent.TERMINATED): Role.TERMINATED,
}


class IllegalTransition(StateConflict):
    """The role of this instance does not allow that."""


def next_role(role: Role | None, event: RoleEvent) -> Role:
    """Return the role after `event`; IllegalTransition for a pair that the table does not hold."""
    try:
        return TRANSITIONS[(role, event)]
    except KeyError as missing:
        before = "no role" if role is None else role.value
        raise IllegalTransition(f"an instance with {before} cannot be {event.value}", role=role, event=event) from missing


def require_own_instance(claimed_instance_id: str, token_instance_id: str | None) -> None:
    """Refuse a daemon that speaks for another instance than its token's: a clone carries its parent's token."""
    if claimed_instance_id != token_instance_id:
        raise UnexpectedInstance(
            f"this token belongs to {token_instance_id}, not to {claimed_instance_id}; register the instance",
            instance_id=claimed_instance_id,
        )


def require_part_of_agent(role: Role) -> None:
    """Refuse what only a PRIMARY or a REPLICA may say; RoleZombie for the others (ADR 0005)."""
    if role not in {Role.PRIMARY, Role.REPLICA}:
        raise RoleZombie(f"an instance that is {role} is no part of its agent any more", role=role)
