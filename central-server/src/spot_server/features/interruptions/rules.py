"""What to do about a notice, a recommendation or a loss, decided from values alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from spot_server.errors import FieldInvalid
from spot_server.words import Carry, InterruptionKind, NoticeChannel, Role


class Response(StrEnum):
    """What the server does about an interruption event."""

    HANDOVER = "handover"
    LAUNCH_REPLICA = "launch_replica"
    HOLD = "hold"
    REPLACE_STANDBY = "replace_standby"
    OBSERVE_ONLY = "observe_only"


RESPONSE_MEANINGS: dict[Response, str] = {
    Response.HANDOVER: (
        "A replica has an instance, or a move runs already: hand over to it before the instance goes, and save the volumes meanwhile "
        "unless it is ready and the state comes along."
    ),
    Response.LAUNCH_REPLICA: (
        "No replica has an instance: launch at once, the one that waits for its launch or a new one, and save the volumes meanwhile."
    ),
    Response.HOLD: "A recommendation is a probability: have a replica ready, and stand down if nothing comes of it.",
    Response.REPLACE_STANDBY: "A standby is taken away: give it up; the coordinator makes another if one is wanted.",
    Response.OBSERVE_ONLY: (
        "Record it and tell: the instance is no longer part of the agent, or the agent is disabled, or a warning about its pool asks for "
        "no replica. A notice or recommendation that still stands is judged again when the agent is enabled, a recommendation also when "
        "its instance has become the primary."
    ),
}

FORCING_KINDS = frozenset({InterruptionKind.TERMINATE, InterruptionKind.STOP, InterruptionKind.HIBERNATE})
"""What EC2 announces, and what takes the instance away for certain."""

TAKING_KINDS = FORCING_KINDS | {InterruptionKind.LOSS, InterruptionKind.SILENCE}
"""What the instance does not survive, announced or not, by EC2 or by our fence."""


USUAL_LEAD_SECONDS = 120.0
"""Between a notice and its end, when a report does not name the end. Source: the EC2 user guide, spot instance interruption notices."""


def named_end(kind: InterruptionKind, detected_at: datetime) -> datetime | None:
    """Return when an instance goes whose notice did not say: hibernation begins at once, the others leave two minutes."""
    if kind is InterruptionKind.HIBERNATE:
        return detected_at
    return detected_at + timedelta(seconds=USUAL_LEAD_SECONDS) if kind in FORCING_KINDS else None


def is_standing(kind: InterruptionKind, *, action_at: datetime | None, received_at: datetime, hold_seconds: float, now: datetime) -> bool:
    """Tell whether an event still asks for something: a notice until the time that it named, a recommendation for as long as it is held.

    A loss does not: whether the instance is still gone is asked of EC2 again (`features/silences`).
    """
    if kind in FORCING_KINDS:
        return action_at is not None and now < action_at
    return kind is InterruptionKind.REBALANCE and now < received_at + timedelta(seconds=hold_seconds)


LONGEST_HOLD = timedelta(days=1)
"""What an agent's `rebalance_hold_seconds` may be set to: nothing older is held for."""


def is_unanswered(response: str, *, has_replica: bool, is_replica_lost: bool) -> bool:
    """Tell whether a recommendation that stands for a PRIMARY still waits for its replica.

    It does when it came while a move ran, or for an instance that was a standby then, and when the replica that was to be held for it was
    lost with a move (`is_replica_lost`). One whose replica stood down, or that a person ended, had its answer.
    """
    if response == Response.OBSERVE_ONLY:
        return True
    return response == Response.HOLD and (not has_replica or is_replica_lost)


SAME_NOTICE_SECONDS = 600.0
"""How far apart two channels may place one notice: their clocks differ, and not all of them are told its end."""


LONGEST_NOTICE = timedelta(days=1)
"""EC2 gives two minutes; a daemon's clock may be wrong by some more. What lies later would count its instance as going until then."""


def require_near(field: str, moment: datetime | None, now: datetime) -> None:
    """Raise FieldInvalid for a moment of a notice that lies too far ahead. One that is long past is a report that came late."""
    if moment is not None and moment > now + LONGEST_NOTICE:
        raise FieldInvalid(field, moment.isoformat(), "a time at most a day from now: EC2 gives two minutes")


@dataclass(frozen=True, slots=True)
class KnownNotice:
    """An event of an instance, and the channels that have told of it."""

    event_id: str
    kind: InterruptionKind
    end_at: datetime | None
    detected_at: datetime
    channels: frozenset[NoticeChannel]


def choose_confirmed(
    known: Iterable[KnownNotice], kind: InterruptionKind, channel: NoticeChannel, *, end_at: datetime | None, detected_at: datetime
) -> KnownNotice | None:
    """Return the event that a channel's new name for a notice confirms, the nearest in time of several; None: it is another notice.

    A channel never has two names for one notice. The channels name an interruption's kind differently (a metadata service tells hibernate,
    a spot request only marked-for-stop), so that each that takes the instance away may confirm any other. A scheduled event has the same
    name in all channels but EventBridge, where AWS Health has one of its own.
    """
    moment = end_at or detected_at
    candidates = [
        (abs(((one.end_at or one.detected_at) - moment).total_seconds()), one)
        for one in known
        if channel not in one.channels and (_is_like(one.kind, kind) or _is_same_maintenance(one, kind, channel))
    ]
    distance_seconds, nearest = min(candidates, key=lambda pair: pair[0], default=(0.0, None))
    return nearest if distance_seconds <= SAME_NOTICE_SECONDS else None


def _is_same_maintenance(one: KnownNotice, kind: InterruptionKind, channel: NoticeChannel) -> bool:
    is_maintenance = one.kind is kind is InterruptionKind.SCHEDULED
    return is_maintenance and (channel is NoticeChannel.EVENTBRIDGE or one.channels == {NoticeChannel.EVENTBRIDGE})


def _is_like(one: InterruptionKind, other: InterruptionKind) -> bool:
    return {one, other} <= FORCING_KINDS or one is other is InterruptionKind.REBALANCE


@dataclass(frozen=True, slots=True)
class InterruptionFacts:
    """What a response rests on."""

    kind: InterruptionKind
    role: Role
    is_enabled: bool
    is_deleted: bool
    has_live_replica: bool
    """One with an instance: what is only asked for may be refused yet."""
    has_active_switch: bool
    is_way_back: bool = False
    """A move that runs could still be taken back to this instance."""
    wants_early_replica: bool = False
    """A person wants a replica held when the PRIMARY's pool was interrupted."""


def is_salvage_needed(carry: Carry, *, has_ready_side: bool) -> bool:
    """Return whether the dying instance's volumes are saved beside its rescue: unless somebody fit is there to take the state over.

    With `image_after_quiesce` nobody is: a standby has its image's state, and nothing brings it what was written since.
    """
    return not has_ready_side or carry is Carry.IMAGE_AFTER_QUIESCE


def choose_response(facts: InterruptionFacts) -> Response:
    """Return the response to an event; notices and losses always move a PRIMARY of an enabled agent, whatever its auto-switch setting."""
    if facts.is_deleted or not facts.is_enabled:
        return Response.OBSERVE_ONLY
    if facts.role in {Role.ZOMBIE, Role.TERMINATED}:
        is_needed = facts.role is Role.ZOMBIE and facts.is_way_back and facts.kind in FORCING_KINDS
        return Response.HANDOVER if is_needed else Response.OBSERVE_ONLY
    if facts.role is Role.REPLICA:
        return Response.REPLACE_STANDBY if facts.kind in FORCING_KINDS else Response.OBSERVE_ONLY
    if facts.kind in TAKING_KINDS:
        return Response.HANDOVER if facts.has_live_replica or facts.has_active_switch else Response.LAUNCH_REPLICA
    if facts.kind is InterruptionKind.REBALANCE:
        return Response.HOLD
    if facts.kind is InterruptionKind.POOL_WARNING and facts.wants_early_replica:
        return Response.HOLD
    return Response.OBSERVE_ONLY
