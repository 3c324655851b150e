"""The instance's own tags: set by its daemon when it has registered, so that it may be terminated one day."""

from __future__ import annotations

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World
from spot_agent.workers.replica_manager import OBSERVE_EVERY_SECONDS

OWN = {
    "spot-optimizer:managed": "true",
    "spot-optimizer:agent-id": "agent-1",
    "spot-optimizer:logical-agent-id": "web-1",
    "spot-optimizer:epoch": "1",
}


def test_a_first_instance_is_tagged_once_it_is_registered(world: World) -> None:
    world.boot()
    world.step("replica_manager")
    tagged_before = dict(world.ec2.tagged)
    world.step("heartbeat")

    world.step("replica_manager")

    assert tagged_before == {}
    assert world.ec2.tagged == {"i-own": OWN}


def test_a_launched_instance_needs_no_right_to_tag(world: World) -> None:
    world.ec2.add_instance("i-own", tags={**OWN, "team": "shop"})
    world.registered()

    world.step("replica_manager")

    assert "tag" not in world.ec2.calls


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"spot-optimizer:managed": "true"}, OWN),
        ({"spot-optimizer:managed": "released", "spot-optimizer:agent-id": "agent-0"}, OWN),
        ({"spot-optimizer:managed": "false"}, {"spot-optimizer:managed": "false"}),
    ],
)
def test_what_a_person_or_an_earlier_agent_left_is_completed_or_respected(
    world: World, before: dict[str, str], after: dict[str, str]
) -> None:
    world.ec2.add_instance("i-own", tags=before)
    world.registered()

    world.step("replica_manager")

    assert world.ec2.instances["i-own"].tags == after


def test_a_missing_right_to_tag_is_said_once_and_tried_again_with_each_look(world: World) -> None:
    world.registered()
    world.ec2.failures["tag"] = ["UnauthorizedOperation", "UnauthorizedOperation"]
    for _ in range(3):
        world.step("replica_manager")
        world.clock.advance(OBSERVE_EVERY_SECONDS)

    assert world.lines.text.count("own_tags_not_set") == 1
    assert world.ec2.tagged == {"i-own": OWN}


def test_a_released_instance_is_not_claimed_again(world: World) -> None:
    world.registered()
    world.execute(command_json("release", {"tags": {"spot-optimizer:managed": "released"}}))
    world.clock.advance(OBSERVE_EVERY_SECONDS)

    world.step("replica_manager")

    assert world.ec2.instances["i-own"].tags["spot-optimizer:managed"] == "released"
