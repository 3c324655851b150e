"""Which image of an agent something is launched from, decided from values alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spot_server.words import ImageConsistency


@dataclass(frozen=True, slots=True)
class AgentImage:
    """An image of an agent's volumes. `started_at` is the moment whose state it holds.

    `device_names`: of the volumes in it, as far as its maker said. `has_booted`, which makes it a good one: an instance launched from it
    passed its standby check. `has_failed`: one never did.
    """

    agent_id: str
    image_id: str
    client_id: str
    image_name: str
    snapshot_ids: list[str]
    device_names: list[str]
    source_instance_id: str | None
    switch_id: str | None
    consistency: ImageConsistency
    has_booted: bool
    has_failed: bool
    started_at: datetime
    available_at: datetime | None
    deregistered_at: datetime | None


class Purpose(StrEnum):
    """What an image is wanted for."""

    EMERGENCY = "emergency"
    """There is no time to find out whether it boots."""

    PLANNED = "planned"
    """A standby, or a move that can be taken back: the newest state counts, and the image proves itself."""


def pick_image(images: Iterable[AgentImage], purpose: Purpose) -> AgentImage | None:
    """Return the image to launch from, None when there is none. `images` can all be launched from.

    In an emergency the newest that has booted once; while none has, the newest. Otherwise the newest, unless what was launched from
    it never came up.
    """
    if purpose is Purpose.EMERGENCY:
        return max(images, key=lambda one: (one.has_booted, not one.has_failed, one.started_at, one.image_id), default=None)
    return max(images, key=lambda one: (one.has_booted or not one.has_failed, one.started_at, one.image_id), default=None)


def images_to_keep(images: Iterable[AgentImage]) -> frozenset[str]:
    """Return those that no cleanup may take, however old they are: what a launch that begins now would be made from."""
    listed = list(images)
    picked = [pick_image(listed, purpose) for purpose in Purpose]
    newest = max(listed, key=lambda one: (one.started_at, one.image_id), default=None)
    return frozenset(one.image_id for one in (*picked, newest) if one is not None)
