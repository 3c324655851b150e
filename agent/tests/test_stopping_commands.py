"""Stopping an instance on demand as a fence, and EC2's checks of another instance."""

from __future__ import annotations

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World
from spot_agent.ec2_shapes import status_checks
from spot_agent.model import TAG_AGENT_ID, TAG_MANAGED

OURS = {TAG_MANAGED: "true", TAG_AGENT_ID: "agent-1"}
STOP = {"instance_id": "i-old"}


@pytest.fixture
def running(world: World) -> World:
    world.registered()
    world.ec2.add_instance("i-old", tags=OURS, lifecycle=None)
    return world


def test_another_instance_of_ours_is_stopped(running: World) -> None:
    assert running.execute(command_json("stop_instance", STOP))["result"] == {"state": "stopping"}


def test_a_daemon_never_stops_its_own_instance(running: World) -> None:
    answer = running.execute(command_json("stop_instance", {"instance_id": "i-own"}))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "self")
    assert running.ec2.instances["i-own"].state == "running"


def test_what_does_not_carry_our_tags_is_left_alone(running: World) -> None:
    running.ec2.add_instance("i-old", tags={TAG_MANAGED: "true", TAG_AGENT_ID: "agent-2"}, lifecycle=None)

    answer = running.execute(command_json("stop_instance", STOP))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "not_ours")
    assert running.ec2.instances["i-old"].state == "running"


@pytest.mark.parametrize("state", ["stopping", "stopped", "shutting-down", "terminated"])
def test_one_that_stops_or_ends_already_is_left_to_it(running: World, state: str) -> None:
    running.ec2.set_state("i-old", state)

    assert running.execute(command_json("stop_instance", STOP))["result"] == {"state": state}
    assert "stop_instance" not in running.ec2.calls


def test_one_that_ec2_no_longer_knows_is_gone(running: World) -> None:
    assert running.execute(command_json("stop_instance", {"instance_id": "i-none"}))["result"] == {"state": "gone"}


def test_a_spot_instance_cannot_be_stopped(running: World) -> None:
    running.ec2.add_instance("i-old", tags=OURS)

    answer = running.execute(command_json("stop_instance", STOP))

    assert (answer["outcome"], answer["error"]["code"]) == ("failed", "UnsupportedOperation")


@pytest.mark.parametrize(("is_asked", "expected"), [(True, "impaired"), (False, None)])
def test_checks_come_with_the_state_where_they_are_asked_for(running: World, *, is_asked: bool, expected: str | None) -> None:
    running.ec2.checks["i-old"] = "impaired"

    result = running.execute(command_json("describe_instance", {**STOP, "with_status_checks": is_asked}))["result"]

    assert (result["state"], result.get("status_checks")) == ("running", expected)


def test_a_profile_that_may_not_read_the_checks_still_tells_the_state(running: World) -> None:
    running.ec2.failures["status_checks"] = ["UnauthorizedOperation"]

    result = running.execute(command_json("describe_instance", {**STOP, "with_status_checks": True}))["result"]

    assert (result["state"], result["status_checks"]) == ("running", None)


@pytest.mark.parametrize(
    ("system", "instance", "worst"),
    [("ok", "ok", "ok"), ("ok", "impaired", "impaired"), ("impaired", "initializing", "impaired"), ("initializing", "ok", "initializing")],
)
def test_the_worst_of_ec2_s_checks_counts(system: str, instance: str, worst: str) -> None:
    answer = {"InstanceStatuses": [{"SystemStatus": {"Status": system}, "InstanceStatus": {"Status": instance}}]}

    assert status_checks(answer) == worst
    assert status_checks({"InstanceStatuses": []}) is None
