"""Which of our images and snapshots may go. In doubt, they stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_agent.ec2_facts import ImageFacts, SnapshotFacts


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
    snapshot_limit = now - timedelta(days=limits.snapshots_days)
    loose = []
    for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.snapshot_id):
        if snapshot.snapshot_id in of_images:
            continue
        if snapshot.started_at is None or snapshot.started_at >= snapshot_limit:
            kept.append(Kept("snapshot", snapshot.snapshot_id, "younger than the limit, or of unknown age"))
        else:
            loose.append(snapshot)
    return CleanupPlan(tuple(going), tuple(loose), tuple(kept))


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
