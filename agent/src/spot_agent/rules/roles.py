"""What this instance becomes when the server, or a command, says something newer than the journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from spot_agent.model import Role, ServerView


class Turn(str, Enum):
    """What has to happen besides writing the journal."""

    NOTHING = "nothing"
    ADOPT = "adopt"
    DEMOTE = "demote"


@dataclass(frozen=True, slots=True)
class RoleChange:
    """The role and epoch to keep from now on. A role is only ever adopted quiesced: serving needs a command."""

    turn: Turn
    role: Role | None
    epoch: int


def follow_server(role: Role | None, epoch: int, view: ServerView) -> RoleChange:
    """An older epoch is news from the past.

    At the same epoch a PRIMARY stays one (a deleted agent's primary keeps running until it is released), and a ZOMBIE
    stays one (its undo comes with a new epoch).
    """
    if view.epoch < epoch or view.role is None:
        return RoleChange(Turn.NOTHING, role, epoch)
    is_newer = view.epoch > epoch
    if role is Role.PRIMARY and not view.is_primary:
        if not is_newer:
            return RoleChange(Turn.NOTHING, role, epoch)
        return RoleChange(Turn.DEMOTE, _lesser(view.role), view.epoch)
    if role is Role.ZOMBIE and not is_newer:
        return RoleChange(Turn.NOTHING, role, epoch)
    wanted = Role.PRIMARY if view.is_primary else _lesser(view.role)
    if (wanted, view.epoch) == (role, epoch):
        return RoleChange(Turn.NOTHING, role, epoch)
    return RoleChange(Turn.ADOPT, wanted, view.epoch)


def known_from(role: Role | None, epoch: int) -> int | None:
    """Return the first epoch of which a journal that begins with this role knows whether the workload was started under it.

    A replica was not promoted yet. Others may have been told to serve under this very epoch, and have lost the note of it.
    """
    if role is None:
        return None
    return epoch if role is Role.REPLICA else epoch + 1


def is_first_start(*, is_primary: bool, had_role: bool, is_new: bool, was_attempted: bool, epoch: int) -> bool:
    """Whether a registration's answer lets the workload start.

    A new agent's does. So does a repeat whose first answer was lost (`was_attempted`), while no handover can have
    happened (epoch 1). A PRIMARY that lost its journal waits to be told: it may be quiesced in the middle of a
    handover.
    """
    if not is_primary or had_role:
        return False
    return is_new or (was_attempted and epoch <= 1)


def _lesser(role: Role) -> Role:
    return Role.ZOMBIE if role is Role.PRIMARY else role
