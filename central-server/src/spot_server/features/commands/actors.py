"""Who carries out an act: one table, one function (design, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from spot_server.words import Actor, CommandKind, Role


class Act(StrEnum):
    """What may be done by more than one party."""

    CREATE_IMAGE = "create_image"
    FINAL_IMAGE = "final_image"
    REFRESH_IMAGE = "refresh_image"
    LAUNCH = "launch"
    LAUNCH_IN_EMERGENCY = "launch_in_emergency"
    MOVE_ADDRESS = "move_address"
    MOVE_PRIVATE_IP = "move_private_ip"
    MOVE_TARGET = "move_target"
    CONFIRM_TARGET = "confirm_target"
    MOVE_RECORD = "move_record"
    CONFIRM_RECORD = "confirm_record"
    TRAFFIC_HOOK = "traffic_hook"
    DESCRIBE = "describe"
    DETACH_VOLUMES = "detach_volumes"
    ATTACH_VOLUMES = "attach_volumes"
    COPY_VOLUMES = "copy_volumes"
    DISCARD_VOLUMES = "discard_volumes"
    TERMINATE = "terminate"
    STOP = "stop"


class Candidate(StrEnum):
    """A party that an act may fall to."""

    CONTROL_ROLE = "control_role"
    PRIMARY = "primary"
    HANDLE_TARGET = "handle_target"
    ANY_OTHER = "any_other"


_NEW_SIDE_FIRST = (Candidate.HANDLE_TARGET, Candidate.CONTROL_ROLE)
_OUTSIDE_FIRST = (Candidate.CONTROL_ROLE, Candidate.HANDLE_TARGET)

ACTOR_TABLE: dict[Act, tuple[Candidate, ...]] = {
    Act.CREATE_IMAGE: (Candidate.CONTROL_ROLE, Candidate.PRIMARY),
    Act.FINAL_IMAGE: (Candidate.CONTROL_ROLE, Candidate.PRIMARY, Candidate.ANY_OTHER),
    Act.REFRESH_IMAGE: (Candidate.PRIMARY, Candidate.CONTROL_ROLE),
    Act.LAUNCH: (Candidate.CONTROL_ROLE, Candidate.PRIMARY),
    Act.LAUNCH_IN_EMERGENCY: (Candidate.CONTROL_ROLE, Candidate.PRIMARY, Candidate.ANY_OTHER),
    Act.MOVE_ADDRESS: _NEW_SIDE_FIRST,
    Act.MOVE_PRIVATE_IP: _NEW_SIDE_FIRST,
    Act.MOVE_TARGET: _NEW_SIDE_FIRST,
    Act.CONFIRM_TARGET: _OUTSIDE_FIRST,
    Act.MOVE_RECORD: _NEW_SIDE_FIRST,
    Act.CONFIRM_RECORD: _OUTSIDE_FIRST,
    Act.TRAFFIC_HOOK: (Candidate.HANDLE_TARGET,),
    Act.DETACH_VOLUMES: _OUTSIDE_FIRST,
    Act.ATTACH_VOLUMES: _OUTSIDE_FIRST,
    Act.COPY_VOLUMES: _OUTSIDE_FIRST,
    Act.DISCARD_VOLUMES: (Candidate.CONTROL_ROLE, Candidate.PRIMARY),
    Act.DESCRIBE: (Candidate.CONTROL_ROLE, Candidate.PRIMARY, Candidate.ANY_OTHER),
    Act.TERMINATE: (Candidate.CONTROL_ROLE, Candidate.PRIMARY, Candidate.ANY_OTHER),
    Act.STOP: (Candidate.CONTROL_ROLE, Candidate.PRIMARY, Candidate.ANY_OTHER),
}
"""In order of preference. Quiesce, sync, start and checks are not here: only the daemon of that instance can do them."""

KINDS_OF_ACT: dict[Act, frozenset[CommandKind]] = {
    Act.CREATE_IMAGE: frozenset({CommandKind.CREATE_IMAGE}),
    Act.FINAL_IMAGE: frozenset({CommandKind.CREATE_IMAGE}),
    Act.REFRESH_IMAGE: frozenset({CommandKind.CREATE_IMAGE}),
    Act.LAUNCH: frozenset({CommandKind.LAUNCH_INSTANCE}),
    Act.LAUNCH_IN_EMERGENCY: frozenset({CommandKind.LAUNCH_INSTANCE}),
    Act.MOVE_ADDRESS: frozenset({CommandKind.MOVE_ADDRESS}),
    Act.MOVE_PRIVATE_IP: frozenset({CommandKind.MOVE_PRIVATE_IP}),
    Act.MOVE_TARGET: frozenset({CommandKind.MOVE_TARGET}),
    Act.CONFIRM_TARGET: frozenset({CommandKind.CONFIRM_TARGET}),
    Act.MOVE_RECORD: frozenset({CommandKind.MOVE_RECORD}),
    Act.CONFIRM_RECORD: frozenset({CommandKind.CONFIRM_RECORD}),
    Act.TRAFFIC_HOOK: frozenset({CommandKind.TRAFFIC_HOOK}),
    Act.DETACH_VOLUMES: frozenset({CommandKind.DETACH_VOLUMES}),
    Act.ATTACH_VOLUMES: frozenset({CommandKind.ATTACH_VOLUMES}),
    Act.COPY_VOLUMES: frozenset({CommandKind.COPY_VOLUMES}),
    Act.DISCARD_VOLUMES: frozenset({CommandKind.DISCARD_VOLUMES}),
    Act.DESCRIBE: frozenset({CommandKind.DESCRIBE_INSTANCE, CommandKind.WAIT_TERMINATED}),
    Act.TERMINATE: frozenset({CommandKind.TERMINATE_INSTANCE, CommandKind.WAIT_TERMINATED, CommandKind.DESCRIBE_INSTANCE}),
    Act.STOP: frozenset({CommandKind.STOP_INSTANCE}),
}
"""The commands that an act may be asked for with: a role that is refused one of them is not given the act."""

HANDLE_ACTS: dict[CommandKind, Act] = {
    CommandKind.MOVE_ADDRESS: Act.MOVE_ADDRESS,
    CommandKind.MOVE_PRIVATE_IP: Act.MOVE_PRIVATE_IP,
    CommandKind.MOVE_TARGET: Act.MOVE_TARGET,
    CommandKind.MOVE_RECORD: Act.MOVE_RECORD,
}
"""The acts of a move that daemons come first for."""

DAEMON_FIRST = frozenset(HANDLE_ACTS.values()) | {Act.REFRESH_IMAGE}
"""Daemons that lack the right, or do not reach AWS, leave these to the control role. They can hold the workload still for an image."""

CONTROL_ROLE_INSTANCE_ID = "control-role"
"""Stands in the place of an instance id in commands that the server itself carries out."""

_NEVER_BY_ITSELF = frozenset({Act.DESCRIBE, Act.TERMINATE, Act.STOP})
"""Acts on one instance of which its own daemon is not asked."""


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """A daemon of the agent, as far as giving it work is concerned."""

    instance_id: str
    role: Role
    is_reachable: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """The party that was chosen; stored with the step before it acts."""

    actor: Actor
    instance_id: str


def choose_actor(
    act: Act,
    *,
    has_control_role: bool,
    is_control_role_usable: bool = True,
    is_control_role_elsewhere: bool = False,
    daemons: Sequence[DaemonFacts],
    target_instance_id: str,
) -> Assignment | None:
    """Return who should do `act` on or for `target_instance_id`, or None when nobody can now.

    A control role that failed of late (`control_role.rules.is_usable`) is passed over; one of another account than the instance's, which
    finds no such instance there (`is_control_role_elsewhere`), comes last to end it or to testify about it. An instance never ends or
    testifies about itself; a handle is moved by the side that it moves to.
    """
    reachable = [daemon for daemon in daemons if daemon.is_reachable and daemon.role is not Role.TERMINATED]
    others = [daemon for daemon in reachable if daemon.instance_id != target_instance_id]
    eligible = others if act in _NEVER_BY_ITSELF else reachable
    candidates = ACTOR_TABLE[act]
    if is_control_role_elsewhere and act in _NEVER_BY_ITSELF:
        candidates = tuple(sorted(candidates, key=lambda candidate: candidate is Candidate.CONTROL_ROLE))
    for candidate in candidates:
        found: DaemonFacts | None = None
        match candidate:
            case Candidate.CONTROL_ROLE:
                if has_control_role and is_control_role_usable:
                    return Assignment(Actor.CONTROL_ROLE, CONTROL_ROLE_INSTANCE_ID)
            case Candidate.PRIMARY:
                found = next((daemon for daemon in eligible if daemon.role is Role.PRIMARY), None)
            case Candidate.HANDLE_TARGET:
                found = next((daemon for daemon in reachable if daemon.instance_id == target_instance_id), None)
            case Candidate.ANY_OTHER:
                found = min(eligible, key=_preference, default=None)
        if found is not None:
            return Assignment(Actor.DAEMON, found.instance_id)
    return None


def _preference(daemon: DaemonFacts) -> tuple[int, str]:
    order = {Role.PRIMARY: 0, Role.REPLICA: 1, Role.ZOMBIE: 2, Role.TERMINATED: 3}
    return order[daemon.role], daemon.instance_id
