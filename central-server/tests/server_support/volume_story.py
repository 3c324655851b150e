"""Stories of an agent whose data volume follows it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import instances, notifications

DATA_VOLUMES = [{"device_name": "/dev/sdf", "mount_point": "/srv/shop", "file_system": "ext4"}]
ROOT = {"volume_id": "vol-root", "device_name": "/dev/xvda", "is_root": True, "delete_on_termination": True, "size_gib": 8, "tags": {}}
SHOP = {
    "volume_id": "vol-1",
    "device_name": "/dev/sdf",
    "is_root": False,
    "delete_on_termination": False,
    "size_gib": 100,
    "volume_type": "gp3",
    "is_multi_attach": False,
    "is_encrypted": False,
    "tags": {"Name": "shop"},
}


def volume_story(database: Database, clock: FakeClock) -> Story:
    """An agent on i-1 with vol-1, which is mounted there and outlives it."""
    made = Story.on(database, clock, has_image=True, carry="volume", data_volumes=DATA_VOLUMES, terminate_wait_seconds=60)
    made.region.data.add("vol-1", "i-1")
    tell(made, [ROOT, SHOP])
    return made


def tell(story: Story, attached: list[dict[str, Any]] | None) -> None:
    """The daemon of i-1 has told of these volumes."""
    story.fleet.execute(update(instances).where(instances.c.instance_id == "i-1").values(attached_volumes=attached))


def losses_told(story: Story) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "writes_lost"))


def written(story: Story, instance_id: str) -> int:
    return story.region.data.of(instance_id).last_write
