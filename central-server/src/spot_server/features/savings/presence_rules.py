"""From when until when an instance is paid for, and as what, from what the books say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.features.instances.age_rules import began_at
from spot_server.features.savings.calendar_rules import Stretch
from spot_server.features.savings.rules import Purpose
from spot_server.words import Mode, Role

MINIMUM_PAID = timedelta(seconds=60)
"""EC2 bills Linux instances by the second, and each for at least a minute, on demand and spot alike; not Windows, nor distributions with a
charge of their own. Source: aws.amazon.com/about-aws/whats-new/2017/10/announcing-amazon-ec2-per-second-billing (2 October 2017), read in
November 2026."""

OUTLIVED_AFTER = timedelta(seconds=120)
"""An instance that is heard this long after the end that a notice named was not taken then (`MovePolicy.notice_outlived_seconds`)."""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """When an instance's role changed, and what it was before and after."""

    at: datetime
    before: Role | None
    after: Role


@dataclass(frozen=True, slots=True)
class Presence:
    """What the books say of one instance of an agent. A replica that never registered has no role, and no `registered_at`.

    `launched_at`: EC2's word on the launch, of what the server had launched. `ended_at`: when we learned that it is gone, or ours no
    more. `announced_ends`: when notices said that EC2 takes it. `asked_end_at`: when EC2 took our TerminateInstances.
    """

    instance_id: str
    instance_type: str
    region: str
    az_id: str
    product: str
    mode: Mode
    role: Role | None
    launched_at: datetime | None
    booted_at: datetime | None
    registered_at: datetime | None
    last_heartbeat_at: datetime | None
    ended_at: datetime | None
    announced_ends: Sequence[datetime] = ()
    asked_end_at: datetime | None = None
    changes: Sequence[RoleChange] = ()
    """Its changes of role since the beginning of the time that is reckoned, oldest first."""


def standing_end(announced: Iterable[datetime], heard: datetime | None) -> datetime | None:
    """Return the first announced end that the instance did not outlive; None where it outlived all of them, or none was announced."""
    return min((at for at in announced if heard is None or heard <= at + OUTLIVED_AFTER), default=None)


def paid_stretch(presence: Presence, now: datetime) -> Stretch:
    """Return from when until when the instance is paid for, `now` for one that still runs.

    One that we had launched is paid from its boot on (EC2 bills from `running`, which is seconds before; the launch, where its boot is not
    known or its clock says what cannot be). Another begins when it was registered: what it cost before is not this account's.
    """
    began = _began(presence)
    ended = _ended(presence, began)
    if ended is None:
        return Stretch(began, max(began, now))
    return Stretch(began, max(ended, began + MINIMUM_PAID))


def _began(presence: Presence) -> datetime:
    return began_at(presence.launched_at, presence.booted_at, presence.registered_at)


def _ended(presence: Presence, began: datetime) -> datetime | None:
    if presence.ended_at is None:
        return None
    found = [presence.ended_at]
    announced = standing_end(presence.announced_ends, presence.last_heartbeat_at)
    if announced is not None:
        found.append(announced)
    if presence.asked_end_at is not None:
        found.append(presence.asked_end_at)
    return max(began, min(found))


def purposes_of(presence: Presence) -> list[tuple[datetime, Purpose]]:
    """Return from when on the instance was what to its agent; the first holds before its moment too."""
    changes = sorted(presence.changes, key=lambda change: change.at)
    first = changes[0].before if changes else presence.role
    began = _began(presence)
    return [(began, _purpose(first)), *((change.at, _purpose(change.after)) for change in changes if change.after is not Role.TERMINATED)]


def _purpose(role: Role | None) -> Purpose:
    match role:
        case Role.PRIMARY:
            return Purpose.PRIMARY
        case Role.REPLICA | None:
            return Purpose.REPLICA
        case Role.ZOMBIE | Role.TERMINATED:
            return Purpose.OVERLAP
