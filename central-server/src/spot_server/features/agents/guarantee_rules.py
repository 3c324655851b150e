"""What an agent's present guarantee is: what a failover now would lose, and how long it would take, from what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import median

from spot_server.words import Carry


class FailoverFrom(StrEnum):
    """What a failover that began now would hand over to."""

    STANDBY = "standby"
    LAUNCH = "launch"
    NOTHING = "nothing"


NOTICE_SECONDS = 120.0
"""How long before an instance goes EC2 gives its notice."""

CARRIES_UNDER_NOTICE = frozenset({Carry.RSYNC, Carry.HOOK, Carry.VOLUME})
"""With these everything comes along under a notice if the handover is done within it, and the old instance's daemon is heard until then."""


@dataclass(frozen=True, slots=True)
class StateImage:
    """An image as far as a guarantee rests on it. `has_booted`: an instance made from it passed its standby check."""

    image_id: str
    state_at: datetime
    has_booted: bool


@dataclass(frozen=True, slots=True)
class AgedImage:
    """An image and how old the state in it is."""

    image_id: str
    state_at: datetime
    age_seconds: float
    has_booted: bool


@dataclass(frozen=True, slots=True)
class GuaranteeFacts:
    """What is known of an agent. Durations are those of its own latest moves and launches, as measured."""

    now: datetime
    carry: Carry
    agent_created_at: datetime
    standby_state_at: datetime | None
    """Whose moment's state a ready standby holds; None: there is no ready standby."""
    image: StateImage | None
    """What an emergency would launch from; None: there is no image of the agent."""
    newest_image: StateImage | None
    """The newest one, whether it ever booted or not."""
    has_base_image: bool
    """Whether there is an image to launch from that holds nothing of the agent's state, where the carry allows one."""
    handover_seconds: tuple[float, ...]
    launch_seconds: tuple[float, ...]
    has_control_role: bool
    why_no_successor: str | None
    are_volumes_kept: bool = False
    """With the carry `volume`: whether the data volumes are known, and EC2 keeps them when it ends the instance."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """Seconds of writes, and of time. None where nothing was measured yet, or nothing can be said."""

    failover_from: FailoverFrom
    lost_if_gone_since: datetime | None
    """Writes after this would be lost if the instance were gone now; None: none are, or there is no way to replace it."""
    lost_if_gone_seconds: float | None
    lost_under_notice_seconds: float | None
    failover_seconds: float | None
    """The slowest of what was measured: launch, if one is needed, and handover."""
    failover_median_seconds: float | None
    measured_handovers: int
    measured_launches: int
    can_launch_without_daemons: bool
    """Whether the server itself could launch if every daemon of the agent were gone; else the workload stays down until a person acts."""
    why_no_successor: str | None
    """Why nobody would take over at a notice while the server is away; None: a standby would."""
    image: AgedImage | None
    """What an emergency without a standby would launch from."""
    newest_image: AgedImage | None


def judge_guarantee(facts: GuaranteeFacts) -> Guarantee:
    """Return what could be promised now. A loss is 0 only where nothing can be lost; it is never guessed."""
    source = _source(facts)
    since = None if source is FailoverFrom.NOTHING else _lost_since(facts)
    lost_seconds = _lost_seconds(facts, source, since)
    handover, launch = facts.handover_seconds, facts.launch_seconds
    needed = [] if source is FailoverFrom.NOTHING else [handover] if source is FailoverFrom.STANDBY else [handover, launch]
    is_measured = bool(needed) and all(needed)
    slowest_seconds = round(sum(max(part) for part in needed), 3) if is_measured else None
    return Guarantee(
        failover_from=source,
        lost_if_gone_since=since,
        lost_if_gone_seconds=lost_seconds,
        lost_under_notice_seconds=_lost_under_notice(facts, lost_seconds, slowest_seconds),
        failover_seconds=slowest_seconds,
        failover_median_seconds=round(sum(median(part) for part in needed), 3) if is_measured else None,
        measured_handovers=len(handover),
        measured_launches=len(launch),
        can_launch_without_daemons=facts.has_control_role and source is not FailoverFrom.NOTHING,
        why_no_successor=facts.why_no_successor,
        image=_aged(facts.image, facts.now),
        newest_image=_aged(facts.newest_image, facts.now),
    )


def _aged(image: StateImage | None, now: datetime) -> AgedImage | None:
    if image is None:
        return None
    age_seconds = max(0.0, round((now - image.state_at).total_seconds(), 3))
    return AgedImage(image.image_id, image.state_at, age_seconds, image.has_booted)


def _source(facts: GuaranteeFacts) -> FailoverFrom:
    if facts.standby_state_at is not None:
        return FailoverFrom.STANDBY
    return FailoverFrom.LAUNCH if facts.image is not None or facts.has_base_image else FailoverFrom.NOTHING


def _lost_since(facts: GuaranteeFacts) -> datetime | None:
    if facts.carry is Carry.STATELESS or (facts.carry is Carry.VOLUME and facts.are_volumes_kept):
        return None
    if facts.carry is Carry.VOLUME:
        return facts.agent_created_at
    image_state_at = None if facts.image is None else facts.image.state_at
    return facts.standby_state_at or image_state_at or facts.agent_created_at


def _lost_under_notice(facts: GuaranteeFacts, lost_seconds: float | None, slowest_seconds: float | None) -> float | None:
    """Nothing where nothing can be lost at all; else it is as after a loss unless everything was measured to fit into a notice."""
    if not lost_seconds or facts.carry not in CARRIES_UNDER_NOTICE:
        return lost_seconds
    if slowest_seconds is None:
        return None
    return 0.0 if slowest_seconds <= NOTICE_SECONDS else lost_seconds


def _lost_seconds(facts: GuaranteeFacts, source: FailoverFrom, since: datetime | None) -> float | None:
    if source is FailoverFrom.NOTHING:
        return None
    return 0.0 if since is None else max(0.0, round((facts.now - since).total_seconds(), 3))
