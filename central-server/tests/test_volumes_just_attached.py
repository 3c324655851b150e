"""Heartbeats tell of a data volume minutes after a move attached it: until then the move is believed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.story import ZONES, Story
from spot_server.db.runner import Database
from spot_server.db.tables import instances
from spot_server.errors import MoveRefused
from spot_server.features.instances.queries import primary_of
from spot_server.features.volumes.queries import TOLD_AFTER_SECONDS, primary_volumes
from spot_server.features.volumes.rules import Resolved
from spot_server.words import CommandKind, InterruptionKind, SwitchStatus, SwitchTrigger

DATA_VOLUMES = [{"device_name": "/dev/sdf", "mount_point": "/srv/shop", "file_system": "ext4"}]
ROOT = {"volume_id": "vol-root", "device_name": "/dev/xvda", "is_root": True, "delete_on_termination": True, "size_gib": 8, "tags": {}}
SHOP = {"volume_id": "vol-1", "device_name": "/dev/sdf", "is_root": False, "delete_on_termination": False, "size_gib": 100, "tags": {}}


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """An agent on i-1 with vol-1, which is mounted there and outlives it."""
    made = Story.on(database, clock, has_image=True, carry="volume", data_volumes=DATA_VOLUMES, terminate_wait_seconds=60)
    made.region.data.add("vol-1", "i-1")
    tell(made, "i-1", ROOT, SHOP)
    return made


def tell(story: Story, instance_id: str, *attached: dict[str, Any]) -> None:
    """A heartbeat overwrites what is kept with the instance."""
    story.fleet.execute(update(instances).where(instances.c.instance_id == instance_id).values(attached_volumes=list(attached)))


def known(story: Story) -> Resolved:
    return story.database.write(lambda tx: primary_volumes(tx, story.agent, primary_of(tx, story.agent_id)))


@pytest.mark.parametrize("az_id", ZONES[:2], ids=["the volume itself", "a copy in another AZ"])
def test_a_notice_seconds_after_a_move_finds_the_volume_that_the_move_brought(story: Story, az_id: str) -> None:
    moved = story.switch(az_id=az_id)
    story.passes(400, until=lambda: story.reload(moved).status is SwitchStatus.COMPLETED)
    tell(story, "i-2", ROOT)
    brought = known(story).volumes[0]["volume_id"]

    story.notice("i-2", InterruptionKind.TERMINATE)
    story.settles(600)

    rescue = next(switch for switch in story.switches() if switch.trigger is SwitchTrigger.NOTICE)
    assert (rescue.status, rescue.failure) == (SwitchStatus.COMPLETED, None)
    assert [volume["volume_id"] for volume in rescue.data_volumes] == [brought]
    assert story.region.serving == [rescue.to_instance_id]
    assert story.region.violations == []


def test_what_heartbeats_do_not_tell_of_after_their_next_look_either_is_not_there(story: Story) -> None:
    moved = story.switch()
    story.passes(400, until=lambda: story.reload(moved).status is SwitchStatus.COMPLETED)
    tell(story, "i-2", ROOT)
    assert known(story).problem == ""

    story.clock.advance(TOLD_AFTER_SECONDS + 60)

    assert known(story).problem == "the volume at /dev/sdf is not attached to i-2"
    with pytest.raises(MoveRefused, match="not attached"):
        story.switch("request-2")


def test_a_volume_that_came_back_is_known_at_once(story: Story) -> None:
    """The old side's daemon may have looked while the volume was away."""
    story.region.fail(CommandKind.MOVE_ADDRESS, "refused")
    moved = story.switch()
    story.settles(400)
    assert story.reload(moved).status is SwitchStatus.ROLLED_BACK

    tell(story, "i-1", ROOT)

    assert [volume["volume_id"] for volume in known(story).volumes] == ["vol-1"]
