"""The daemon reads its own instance's configuration in EC2, and tells it when it registers and whenever it changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World
from spot_agent.ec2_facts import VolumeSettings
from spot_agent.errors import ServerUnreachable

LAUNCH = {
    "client_token": "tok-1",
    "image_id": "ami-1",
    "instance_type": "t3.large",
    "az_id": "use1-az1",
    "subnet_id": "subnet-1",
    "mode": "spot",
    "tags": {},
}


def told(world: World) -> list[dict[str, Any]]:
    return [body["configuration"] for body in world.api.bodies("heartbeat") if "configuration" in body]


def test_a_registration_tells_what_a_move_must_bring_along(world: World) -> None:
    world.ec2.add_instance("i-own", security_group_ids=("sg-1",), detailed_monitoring=True, root_device_name="/dev/xvda")
    world.ec2.volumes["vol-i-own"] = VolumeSettings("vol-i-own", "gp3", 30, 4000, 250, encrypted=True, kms_key_id="key")

    world.registered()

    seen = world.api.bodies("register")[0]["configuration"]
    assert (seen["security_group_ids"], seen["detailed_monitoring"], seen["root_device_name"]) == (["sg-1"], True, "/dev/xvda")
    assert seen["volumes"]["/dev/xvda"]["size_gib"] == 30
    assert seen["volumes"]["/dev/xvda"]["throughput_mib_per_second"] == 250


def test_credits_are_read_of_burstable_instances_only(world: World) -> None:
    world.ec2.add_instance("i-own", instance_type="t3.large")
    world.ec2.credits["i-own"] = "standard"
    world.registered()

    assert world.api.bodies("register")[0]["configuration"]["cpu_credits"] == "standard"
    assert "cpu_credits" in world.ec2.calls


@pytest.mark.parametrize("call", ["volume_settings", "cpu_credits"])
def test_what_ec2_refuses_to_tell_is_left_out_and_keeps_nobody_from_registering(world: World, call: str) -> None:
    world.ec2.add_instance("i-own", instance_type="t3.large")
    world.ec2.failures[call] = ["UnauthorizedOperation"]

    world.registered()

    seen = world.api.bodies("register")[0]["configuration"]
    assert seen["volumes" if call == "volume_settings" else "cpu_credits"] is None


def test_heartbeats_tell_it_once_and_again_when_it_changed(world: World) -> None:
    world.registered()
    world.step("heartbeat")
    world.step("heartbeat")
    first = len(told(world))
    world.ec2.instances["i-own"] = replace(world.ec2.instances["i-own"], security_group_ids=("sg-9",))
    world.clock.advance(200)
    world.step("replica_manager")
    world.step("heartbeat")
    world.step("heartbeat")

    assert first == 1
    assert [one["security_group_ids"] for one in told(world)][1:] == [["sg-9"]]


def test_what_did_not_get_through_is_told_again(world: World) -> None:
    world.registered()
    world.api.failures["heartbeat"] = [ServerUnreachable("500")]
    world.step("heartbeat")
    world.step("heartbeat")
    world.step("heartbeat")

    assert len(told(world)) == 2


def test_a_launch_asks_for_all_that_the_server_wants(world: World) -> None:
    volume = {"device_name": "/dev/xvda", "volume_type": "gp3", "size_gib": 30, "iops": 4000, "encrypted": True, "kms_key_id": "key"}
    more = {"detailed_monitoring": True, "ebs_optimized": True, "cpu_credits": "standard", "volumes": [volume]}
    world.registered().execute(command_json("launch_instance", {**LAUNCH, **more}))

    (request,) = world.ec2.launch_requests
    assert (request.detailed_monitoring, request.ebs_optimized, request.cpu_credits) == (True, True, "standard")
    (wanted,) = request.volumes
    assert (wanted.device_name, wanted.size_gib, wanted.iops, wanted.kms_key_id) == ("/dev/xvda", 30, 4000, "key")


@pytest.mark.parametrize("volumes", ["/dev/xvda", [{"device_name": "/dev/xvda"}], [7]])
def test_volumes_that_cannot_be_understood_launch_nothing(world: World, volumes: object) -> None:
    answer = world.registered().execute(command_json("launch_instance", {**LAUNCH, "volumes": volumes}))

    assert answer["error"]["code"] == "bad_payload"
    assert world.ec2.launch_requests == []
