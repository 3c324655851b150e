"""Which of our images and snapshots may go. In doubt, they stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_agent.ec2_facts import ImageFacts, SnapshotFacts
from spot_agent.model import TAG_COPY_OF


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that stays, and why."""

    kind: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class CleanupPlan:
    """Images go first, each with its snapshots; then snapshots that belong to no image."""

    images: tuple[ImageFacts, ...]
    snapshots: tuple[SnapshotFacts, ...]
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """Older than this may go."""

    images_days: int
    snapshots_days: int


@dataclass(frozen=True, slots=True)
class Needed:
    """Images that stay however old they are."""

    by_instances: frozenset[str]
    by_server: frozenset[str]


def plan_cleanup(
    images: Iterable[ImageFacts],
    snapshots: Iterable[SnapshotFacts],
    needed: Needed,
    limits: AgeLimits,
    now: datetime,
) -> CleanupPlan:
    """Choose what may go.

    Never the newest image, one that the server keeps (the newest that has booted above all), one that an instance was made from,
    one younger than the limit or of unknown age, nor a snapshot of any image that stays or goes (an image takes its own along).
    Of the copies that moves made of a data volume the newest completed one stays: when the volume is lost, a rescue has nothing else.
    """
    listed = sorted(images, key=lambda image: image.image_id)
    newest = _newest_available(listed)
    image_limit = now - timedelta(days=limits.images_days)
    going, kept = [], []
    for image in listed:
        reason = _why_image_stays(image, newest, needed, image_limit)
        if reason is None:
            going.append(image)
        else:
            kept.append(Kept("image", image.image_id, reason))
    of_images = {snapshot_id for image in listed for snapshot_id in image.snapshot_ids}
    loose = sorted((one for one in snapshots if one.snapshot_id not in of_images), key=lambda one: one.snapshot_id)
    newest_copies = _newest_copies(loose)
    snapshot_limit = now - timedelta(days=limits.snapshots_days)
    old = []
    for snapshot in loose:
        if snapshot.started_at is None or snapshot.started_at >= snapshot_limit:
            kept.append(Kept("snapshot", snapshot.snapshot_id, "younger than the limit, or of unknown age"))
        elif snapshot.snapshot_id in newest_copies:
            kept.append(Kept("snapshot", snapshot.snapshot_id, "the newest copy of a data volume"))
        else:
            old.append(snapshot)
    return CleanupPlan(tuple(going), tuple(old), tuple(kept))


def _newest_copies(snapshots: Iterable[SnapshotFacts]) -> set[str]:
    """The newest completed copy of each data volume. One of unknown age is never the newest: it stays anyway."""
    newest: dict[str, SnapshotFacts] = {}
    for snapshot in snapshots:
        if TAG_COPY_OF in snapshot.tags and snapshot.state == "completed" and snapshot.started_at is not None:
            best = newest.get(snapshot.volume_id)
            if best is None or best.started_at is None or snapshot.started_at >= best.started_at:
                newest[snapshot.volume_id] = snapshot
    return {snapshot.snapshot_id for snapshot in newest.values()}


def _newest_available(images: Iterable[ImageFacts]) -> str | None:
    dated = [image for image in images if image.created_at is not None and image.state == "available"]
    newest = max(dated, key=lambda image: (image.created_at, image.image_id), default=None)
    return newest.image_id if newest else None


def _why_image_stays(image: ImageFacts, newest: str | None, needed: Needed, limit: datetime) -> str | None:
    if image.image_id == newest:
        return "newest"
    if image.image_id in needed.by_server:
        return "what a launch would be made from"
    if image.image_id in needed.by_instances:
        return "in use by an instance"
    if image.state == "pending":
        return "still being made"
    if image.created_at is None or image.created_at >= limit:
        return "younger than the limit, or of unknown age"
    return None
