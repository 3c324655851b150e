"""What heartbeats tell of an instance's volumes, and that data volumes are kept when the instance ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_fakes.world import World, journal_of
from spot_agent.model import Role

CONFIG = {"config_version": 1, "epoch": 1, "is_primary": True, "carry": "volume"}
BY_DEVICE = [{"device_name": "/dev/sdf", "mount_point": "/srv/shop", "file_system": "ext4"}]
BY_TAG = [{"name_tag": "shop-data", "mount_point": "/srv/shop", "file_system": "ext4"}]


def world_with(directory: Path, *, role: Role = Role.PRIMARY, **config: Any) -> World:
    """An instance with a data volume that EC2 would delete with it."""
    contents = journal_of(role, quiesced=role is not Role.PRIMARY)
    world = World(directory, replace(contents, config={**CONFIG, "data_volumes": BY_DEVICE, **config}))
    world.ec2.ebs.add("vol-1", "i-own", tags={"Name": "shop-data"})
    world.ec2.ebs.add("vol-i-own", "i-own", "/dev/xvda")
    own = world.ec2.instances["i-own"]
    world.ec2.instances["i-own"] = replace(own, volumes=tuple(replace(held, delete_on_termination=True) for held in own.volumes))
    world.boot()
    return world


def told(world: World) -> Any:
    world.step("replica_manager")
    world.step("heartbeat")
    return world.api.bodies("heartbeat")[-1].get("attached_volumes")


def kept(world: World) -> dict[str, bool]:
    return {held.device_name: not held.delete_on_termination for held in world.ec2.instances["i-own"].volumes}


def test_volumes_are_told_with_what_a_move_must_know(tmp_path: Path) -> None:
    world = world_with(tmp_path)

    by_device = {held["device_name"]: held for held in told(world)}

    assert by_device["/dev/sdf"] == {
        "volume_id": "vol-1",
        "device_name": "/dev/sdf",
        "is_root": False,
        "delete_on_termination": False,
        "size_gib": 100,
        "volume_type": "gp3",
        "is_multi_attach": False,
        "is_encrypted": False,
        "tags": {"Name": "shop-data"},
    }
    assert by_device["/dev/xvda"]["is_root"] is True


@pytest.mark.parametrize("data_volumes", [BY_DEVICE, BY_TAG])
def test_a_primary_has_its_data_volumes_kept_and_not_its_root(tmp_path: Path, data_volumes: list[dict[str, str]]) -> None:
    world = world_with(tmp_path, data_volumes=data_volumes)

    told(world)
    told(world)

    assert kept(world) == {"/dev/sdf": True, "/dev/xvda": False}
    assert world.ec2.calls.count("keep_volumes") == 1


def test_a_volume_that_may_not_be_kept_is_told_as_one_that_goes(tmp_path: Path) -> None:
    world = world_with(tmp_path)
    world.ec2.failures["keep_volumes"] = ["UnauthorizedOperation"]

    by_device = {held["device_name"]: held["delete_on_termination"] for held in told(world)}

    assert by_device == {"/dev/sdf": True, "/dev/xvda": True}
    assert "data_volumes_not_kept" in world.lines.text


def test_an_instance_that_does_not_serve_changes_nothing(tmp_path: Path) -> None:
    world = world_with(tmp_path, role=Role.REPLICA)

    told(world)

    assert "keep_volumes" not in world.ec2.calls


def test_agents_with_another_carry_are_not_asked_about(tmp_path: Path) -> None:
    world = world_with(tmp_path, carry="rsync")

    assert told(world) is None
    assert "describe_ebs" not in world.ec2.calls


OF_ANOTHER = {"spot-optimizer:managed": "true", "spot-optimizer:agent-id": "agent-2", "spot-optimizer:logical-agent-id": "web-2"}
OF_THIS = {"spot-optimizer:agent-id": "agent-1", "spot-optimizer:logical-agent-id": "web-1"}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"spot-optimizer:managed": "true", "Name": "shop-data"}, OF_THIS),
        (OF_ANOTHER, OF_THIS),
        ({"spot-optimizer:managed": "true", **OF_THIS}, None),
        ({"Name": "shop-data"}, None),
        ({"spot-optimizer:managed": "false"}, None),
    ],
)
def test_a_primary_tags_the_data_volumes_that_are_marked_as_ours_with_their_agent(
    tmp_path: Path, tags: dict[str, str], expected: dict[str, str] | None
) -> None:
    world = world_with(tmp_path)
    world.ec2.ebs.add("vol-1", "i-own", tags=tags)
    world.ec2.ebs.add("vol-2", "i-own", "/dev/sdg", tags={"spot-optimizer:managed": "true"})

    told(world)

    assert world.ec2.tagged.get("vol-1") == expected
    assert not {"vol-2", "vol-i-own"} & set(world.ec2.tagged)


def test_a_right_to_tag_volumes_that_is_missing_is_said_once_and_what_they_are_is_told(tmp_path: Path) -> None:
    world = world_with(tmp_path)
    world.ec2.ebs.add("vol-1", "i-own", tags={"spot-optimizer:managed": "true"})
    # The first is the right to tag the instance itself.
    world.ec2.failures["tag"] = ["UnauthorizedOperation"] * 8

    first = told(world)
    told(world)

    assert {held["volume_id"] for held in first} >= {"vol-1", "vol-i-own"}
    assert world.lines.text.count("data_volumes_not_tagged") == 1


def test_an_instance_that_does_not_serve_tags_no_volume(tmp_path: Path) -> None:
    world = world_with(tmp_path, role=Role.REPLICA)
    world.ec2.ebs.add("vol-1", "i-own", tags={"spot-optimizer:managed": "true"})

    told(world)

    assert "vol-1" not in world.ec2.tagged
