"""When another image of an agent is made in the background, decided from values alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.words import Carry

JITTER_RATIO = 0.1
"""By how much of its interval an image may be made early: agents that were set up together do not make theirs together."""

IMAGE_NAME_LETTERS_OF_LOGICAL_ID = 40
"""An image's name holds 128 characters; what else is in it needs the others."""

FAILURES_BEFORE_ALARM = 3


@dataclass(frozen=True, slots=True)
class Newest:
    """The available image that holds the newest state."""

    image_id: str
    state_at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """What says when the next image is due. `registered_at`: when the present primary came."""

    agent_id: str
    carry: Carry
    refresh_hours: int
    registered_at: datetime
    newest: Newest | None
    first_after_seconds: float


def due_at(schedule: Schedule) -> datetime | None:
    """Return from when on another image is wanted; None: never.

    A stateless agent needs none: its primary's own image has booted, and holds all that there is. The first image of an agent with
    state is made soon after it registered, whatever the interval: before it, there is nothing to launch from.
    """
    if schedule.carry is Carry.STATELESS or schedule.refresh_hours == 0:
        return None
    share = _share_of(schedule.agent_id, anchor_of(schedule.newest))
    if schedule.newest is None:
        return schedule.registered_at + timedelta(seconds=schedule.first_after_seconds * (1 + share))
    return schedule.newest.state_at + timedelta(hours=schedule.refresh_hours * (1 - JITTER_RATIO * share))


def may_be_due(refresh_hours: int, newest_state_at: datetime | None, now: datetime) -> bool:
    """Tell whether `due_at` could lie behind: enough to leave alone, from afar, the agents for which it cannot."""
    if refresh_hours == 0 or newest_state_at is None:
        return refresh_hours != 0
    return now >= newest_state_at + timedelta(hours=refresh_hours * (1 - JITTER_RATIO))


def anchor_of(newest: Newest | None) -> str:
    """Name the round: all that is asked for until there is a newer image is one and the same."""
    return "first" if newest is None else newest.image_id


def _share_of(*parts: str) -> float:
    """Return a number from 0 to 1 that is the same for the same parts."""
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:4], "big") / 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What keeps an image from being made now."""

    is_enabled: bool
    is_primary_heard: bool
    is_quiesced: bool | None
    is_moving: bool
    waits_for_rescue: bool
    is_noticed: bool
    has_image: bool
    """There is something to launch from in an emergency, of its own or a base image."""

    @property
    def is_last_chance(self) -> bool:
        """Whether the primary may soon be gone, or a rescue waits, while there is nothing to launch from.

        EC2 copies the disk as it is when the image is asked for, and completes that also when the instance has ended.
        """
        return not self.has_image and not self.is_moving and (self.waits_for_rescue or self.is_noticed)


def why_not_now(seen: Surroundings) -> str | None:
    """Return what an image would disturb or miss now, in words; None when nothing does.

    Never while a move is under way, nor while a notice is active unless it is the last chance: the disk and EC2's calls are theirs.
    """
    if not seen.is_enabled:
        return "the agent is disabled"
    if seen.is_moving:
        return "a move is under way"
    if seen.is_last_chance:
        return None if seen.is_primary_heard else "the primary's daemon is not heard"
    if seen.waits_for_rescue:
        return "a rescue that gave up is to be taken up again"
    if seen.is_noticed:
        return "a notice or a recommendation is active"
    if not seen.is_primary_heard:
        return "the primary's daemon is not heard"
    if seen.is_quiesced:
        return "the primary stands still"
    return None


def image_name(logical_agent_id: str, agent_id: str, anchor: str, failed_count: int) -> str:
    """Return the image's name, which finds the result of an earlier try. EC2 never gives the name of an image that failed again."""
    again = f"-{failed_count + 1}" if failed_count else ""
    return f"spot-optimizer-{logical_agent_id[:IMAGE_NAME_LETTERS_OF_LOGICAL_ID]}-{agent_id}-{anchor}{again}"


IMAGE_SETTLE_SECONDS = 600.0
"""For so long an image must have been available before a look that misses it: EC2's answers are eventually consistent, clocks differ."""

LOOK_GOOD_FOR_SECONDS = 600.0
"""A look at EC2 that is older says nothing any more. Daemons look every 180 s."""

ENDED_IMAGE_STATES = frozenset({"deregistered", "invalid", "failed", "error"})
"""From which nothing is launched ever again. Source: the states of an Image in the EC2 API reference."""


@dataclass(frozen=True, slots=True)
class ImageLook:
    """The images that carry an agent's tags, by id with their state, as EC2 showed them to a daemon. `is_complete`: it listed them all."""

    seen_at: datetime
    state_of: Mapping[str, str]
    is_complete: bool


def is_gone(image_id: str, available_at: datetime, look: ImageLook, now: datetime) -> bool:
    """Tell whether a look says that an image of ours is not there any more. Our images carry the tags from the call that makes them on."""
    if now - look.seen_at > timedelta(seconds=LOOK_GOOD_FOR_SECONDS):
        return False
    if image_id in look.state_of:
        return look.state_of[image_id] in ENDED_IMAGE_STATES
    return look.is_complete and look.seen_at - available_at >= timedelta(seconds=IMAGE_SETTLE_SECONDS)
