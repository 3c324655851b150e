"""Roots that alone have the last writes: kept when their instance is ended, and let go when everything came along after all."""

from __future__ import annotations

from typing import Any

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World
from spot_agent.commands import KINDS
from spot_agent.ec2_facts import VolumeFacts
from spot_agent.model import TAG_AGENT_ID, TAG_MANAGED, Lane
from spot_agent.wire import parse_command

ROOT_AND_DATA = (
    VolumeFacts("vol-root", "/dev/xvda", delete_on_termination=True),
    VolumeFacts("vol-data", "/dev/sdf", delete_on_termination=True),
    VolumeFacts("vol-kept", "/dev/sdg", delete_on_termination=False),
)
OWNER_TAGS = {
    "spot-optimizer:managed": "true",
    "spot-optimizer:client-id": "client-1",
    "spot-optimizer:agent-id": "agent-1",
    "spot-optimizer:logical-agent-id": "web-1",
    "spot-optimizer:epoch": "3",
}
OWNER_OF_KEPT = {
    "spot-optimizer:client-id": "client-1",
    "spot-optimizer:agent-id": "agent-1",
    "spot-optimizer:logical-agent-id": "web-1",
    "spot-optimizer:salvaged-from": "i-old",
}


@pytest.fixture
def running(world: World) -> World:
    return world.registered()


def _outliving(world: World) -> set[str]:
    return {volume.volume_id for volume in world.ec2.instances["i-old"].volumes if not volume.delete_on_termination}


ENDING = {"instance_id": "i-old", "keep_root": True, "tags": OWNER_TAGS}


def _end(world: World, order: dict[str, Any], *refusals: str) -> dict[str, Any]:
    world.ec2.add_instance("i-old", volumes=ROOT_AND_DATA, tags={TAG_MANAGED: "true", TAG_AGENT_ID: "agent-1"})
    world.ec2.failures["keep_volumes"] = list(refusals)
    return world.execute(command_json("terminate_instance", order))


def test_a_root_with_the_last_writes_outlives_the_instance_that_is_ended(running: World) -> None:
    answer = _end(running, ENDING)

    assert answer["result"] == {"state": "shutting-down", "kept_volume_ids": ["vol-root"]}
    assert _outliving(running) == {"vol-root", "vol-kept"}
    assert running.ec2.tagged["vol-root"] == OWNER_OF_KEPT


def test_a_root_that_may_not_be_kept_holds_up_no_fence(running: World) -> None:
    answer = _end(running, ENDING, "UnauthorizedOperation")

    assert answer["result"] == {"state": "shutting-down", "unkept_volume_ids": ["vol-root"]}


def test_nothing_is_ended_while_ec2_only_asks_for_patience(running: World) -> None:
    answer = _end(running, ENDING, "RequestLimitExceeded")

    assert answer["error"]["class"] == "throttled"
    assert running.ec2.instances["i-old"].state == "running"


@pytest.mark.parametrize("is_announced", [True, False])
def test_data_that_may_not_be_kept_goes_only_where_ec2_takes_it_anyway(running: World, *, is_announced: bool) -> None:
    order = {**ENDING, "keep_data_volumes": True, **({"end_unkept": True} if is_announced else {})}

    answer = _end(running, order, "UnauthorizedOperation")

    assert answer["outcome"] == ("succeeded" if is_announced else "failed")
    assert running.ec2.instances["i-old"].state == ("shutting-down" if is_announced else "running")


SALVAGE: dict[str, Any] = {"instance_id": "i-old", "tags": OWNER_TAGS, "keep_root": True}
LET_GO: dict[str, Any] = {"instance_id": "i-old", "tags": OWNER_TAGS, "keep_root": False, "let_root_go": True}


def _let_go(world: World) -> dict[str, Any]:
    return world.execute(command_json("salvage_volumes", LET_GO, command_id="c-2", request_id="r-2"))


def test_a_root_that_a_salvage_kept_goes_with_its_instance_once_everything_came_along(running: World) -> None:
    running.ec2.add_instance("i-old", volumes=ROOT_AND_DATA)
    running.execute(command_json("salvage_volumes", SALVAGE))

    answer = _let_go(running)

    assert answer["result"] == {"released_volume_ids": ["vol-root"]}
    assert _outliving(running) == {"vol-data", "vol-kept"}
    assert len(running.ec2.snapshots) == 3


def test_a_root_that_a_person_kept_stays(running: World) -> None:
    running.ec2.add_instance("i-old", volumes=(VolumeFacts("vol-root", "/dev/xvda", delete_on_termination=False),))
    running.execute(command_json("salvage_volumes", SALVAGE))

    answer = _let_go(running)

    assert answer["result"] == {"released_volume_ids": []}
    assert _outliving(running) == {"vol-root"}


def test_a_root_of_an_instance_that_is_gone_is_left_alone(running: World) -> None:
    assert _let_go(running)["result"] == {"released_volume_ids": []}


def test_no_step_of_a_handover_waits_behind_a_salvage() -> None:
    lanes = []
    for beside in (True, False):
        command = parse_command(command_json("salvage_volumes", {**SALVAGE, "beside_handover": beside}))
        assert command is not None
        lanes.append(KINDS["salvage_volumes"].lane_of(command))

    assert lanes == [Lane.SLOW, Lane.FAST]
