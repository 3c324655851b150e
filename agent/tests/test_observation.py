"""What heartbeats tell of EC2, and the epoch that a restored database finds there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent_fakes.memory import command_json
from agent_fakes.virtual import START
from agent_fakes.world import World
from spot_agent.ec2_facts import AddressFacts, ImageFacts
from spot_agent.observation import MOST_LISTED
from spot_agent.ports import Found

TAGS = {"spot-optimizer:managed": "true", "spot-optimizer:logical-agent-id": "web-1", "spot-optimizer:agent-id": "agent-1"}
LAUNCH_TAGS = {
    **TAGS,
    "spot-optimizer:client-id": "client-1",
    "spot-optimizer:replica-id": "replica-1",
    "spot-optimizer:launch-token": "token-1",
    "spot-optimizer:epoch": "3",
}
HANDLES = [{"kind": "elastic_ip", "allocation_id": "eipalloc-1"}]


@pytest.fixture
def running(world: World) -> World:
    """A primary with an Elastic IP, on an instance that carries our tags."""
    world.ec2.add_instance("i-own", tags=TAGS)
    world.ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "192.0.2.1", "i-own", "eipassoc-1")
    world.api.answers["register"]["config"] = {**world.api.answers["register"]["config"], "traffic_handles": HANDLES}
    return world.registered()


def told(world: World) -> Any:
    """The resources of the next heartbeat, after a look at EC2."""
    world.step("replica_manager")
    world.step("heartbeat")
    return world.api.bodies("heartbeat")[-1]["resources"]


def own_tags(world: World) -> dict[str, str]:
    return world.ec2.tagged.get("i-own", {})


def test_what_carries_our_tags_is_told_with_whose_it_is(running: World) -> None:
    running.ec2.add_instance("i-2", tags=LAUNCH_TAGS, client_token="token-1")
    running.ec2.add_instance("i-3", tags={**LAUNCH_TAGS, "spot-optimizer:epoch": "three"}, state="terminated")
    running.ec2.add_instance("i-other", tags={**TAGS, "spot-optimizer:logical-agent-id": "web-2"})

    listed = {made["instance_id"]: made for made in told(running)["instances"]}

    assert set(listed) == {"i-own", "i-2"}
    assert running.api.bodies("heartbeat")[-1]["mode"] == "spot"
    assert listed["i-2"] == {
        "instance_id": "i-2",
        "state": "running",
        "launched_at": "2026-01-01T00:00:00Z",
        "client_id": "client-1",
        "agent_id": "agent-1",
        "replica_id": "replica-1",
        "launch_token": "token-1",
        "client_token": "token-1",
        "epoch": 3,
        "holds_address": False,
    }


def test_images_and_volumes_of_another_clients_agent_of_the_same_name_are_not_told(running: World) -> None:
    theirs = {**TAGS, "spot-optimizer:agent-id": "agent-of-another", "spot-optimizer:client-id": "another"}
    for image_id, tags in (("ami-own", TAGS), ("ami-theirs", theirs)):
        running.ec2.images[image_id] = ImageFacts(image_id, image_id, "available", START, (), tags=tags)
        running.ec2.add_instance(f"i-of-{image_id}", tags=tags, launched_at=START + timedelta(days=tags is theirs))

    seen = told(running)

    assert [image["image_id"] for image in seen["images"]] == ["ami-own"]
    assert "vol-i-of-ami-theirs" not in {volume["volume_id"] for volume in seen["volumes"]}
    assert [made["instance_id"] for made in seen["instances"]][-1] == "i-of-ami-theirs"


def test_tags_that_are_not_there_or_make_no_sense_are_told_as_unknown(running: World) -> None:
    tags = {key: value for key, value in TAGS.items() if key != "spot-optimizer:agent-id"}
    running.ec2.add_instance("i-2", tags={**tags, "spot-optimizer:epoch": "three"})

    (bare,) = [made for made in told(running)["instances"] if made["instance_id"] == "i-2"]

    assert {bare[name] for name in ("client_id", "agent_id", "replica_id", "launch_token", "epoch")} == {None}


def test_who_holds_the_address_is_told_and_not_guessed_when_ec2_would_not_say(running: World) -> None:
    known = {made["instance_id"]: made["holds_address"] for made in told(running)["instances"]}
    running.ec2.failures["describe_address"] = ["UnauthorizedOperation"]
    running.clock.advance(180)

    unknown = {made["instance_id"]: made["holds_address"] for made in told(running)["instances"]}

    assert (known, unknown) == ({"i-own": True}, {"i-own": None})


def test_what_is_told_is_bounded_the_newest_first_and_says_so(running: World) -> None:
    for number in range(MOST_LISTED + 5):
        running.ec2.add_instance(f"i-{number}", tags=TAGS, launched_at=START + timedelta(seconds=number))

    resources = told(running)

    assert resources["truncated"] is True
    assert len(resources["instances"]) == MOST_LISTED
    assert resources["instances"][0]["instance_id"] == f"i-{MOST_LISTED + 4}"


def test_how_old_the_look_is_is_told_across_a_suspension(running: World) -> None:
    fresh_seconds = told(running)["age_seconds"]
    running.clock.advance(60)
    running.clock.suspend(600)

    running.step("heartbeat")

    assert fresh_seconds == 0
    assert running.api.bodies("heartbeat")[-1]["resources"]["age_seconds"] == 660


def test_a_look_that_ec2_refuses_leaves_the_last_one_standing_with_its_age(running: World) -> None:
    running.ec2.add_instance("i-2", tags=LAUNCH_TAGS)
    before = told(running)
    running.ec2.failures["find_instances"] = ["UnauthorizedOperation"]
    running.clock.advance(180)

    after = told(running)

    assert after["instances"] == before["instances"]
    assert after["age_seconds"] == 180


def test_a_primary_keeps_its_epoch_in_the_tags_of_its_instance(running: World) -> None:
    running.step("replica_manager")

    assert own_tags(running) == {"spot-optimizer:epoch": "1"}


def test_a_promotion_is_in_the_tags_at_the_next_step_and_written_once(running: World) -> None:
    running.step("replica_manager")
    running.execute(command_json("start_serving", {"epoch": 4, "bound_seconds": 30}, epoch=4))

    running.step("replica_manager")

    assert own_tags(running) == {"spot-optimizer:epoch": "4"}


def test_an_epoch_that_is_there_already_is_not_written_again(running: World) -> None:
    running.ec2.add_instance("i-own", tags={**TAGS, "spot-optimizer:epoch": "7"})

    running.step("replica_manager")

    assert "tag" not in running.ec2.calls


def test_an_instance_that_is_to_be_left_alone_or_does_not_serve_carries_no_epoch(world: World) -> None:
    world.ec2.add_instance("i-own", tags={"spot-optimizer:managed": "false"})
    world.registered()
    world.step("replica_manager")
    world.ec2.add_instance("i-own", tags=TAGS)
    world.execute(command_json("quiesce", {"bound_seconds": 30}))
    world.clock.advance(180)

    world.step("replica_manager")

    assert own_tags(world) == {}


def test_an_epoch_that_could_not_be_written_is_said_and_tried_again(running: World) -> None:
    running.ec2.failures["tag"] = ["UnauthorizedOperation"]
    running.step("replica_manager")
    before = own_tags(running)
    running.clock.advance(60)

    running.step("replica_manager")

    assert "own_tags_not_set" in running.lines.text
    assert (before, own_tags(running)) == ({}, {"spot-optimizer:epoch": "1"})


def test_a_volume_that_a_notice_left_behind_is_told_once_its_instance_has_ended(running: World) -> None:
    running.ec2.add_instance("i-old")
    running.execute(command_json("salvage_volumes", {"instance_id": "i-old", "tags": TAGS, "keep_root": True}))
    running.ec2.set_state("i-old", "terminated")
    running.clock.advance(180)

    volumes = told(running)["volumes"]

    assert {"volume_id": "vol-i-old", "state": "available"} in volumes


def mode_told(world: World) -> str:
    told(world)
    mode: str = world.api.bodies("heartbeat")[-1]["mode"]
    return mode


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "UnauthorizedOperation", "Unavailable"])
def test_an_ec2_that_does_not_answer_leaves_the_mode_as_it_was(running: World, code: str) -> None:
    before = mode_told(running)
    running.ec2.failures["describe_instance"] = [code] * 10

    assert (before, mode_told(running)) == ("spot", "spot")


def test_an_ec2_that_does_not_answer_clears_no_contradiction(running: World) -> None:
    running.imds.readings["meta-data/instance-life-cycle"] = Found("on-demand")
    contradicted = mode_told(running)
    running.ec2.failures["describe_instance"] = ["RequestLimitExceeded"] * 10

    assert (contradicted, mode_told(running)) == ("unknown", "unknown")
