"""Terminating instances, and waiting for the fence."""

from __future__ import annotations

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World
from spot_agent.ec2_facts import AddressFacts
from spot_agent.model import TAG_AGENT_ID, TAG_MANAGED, JsonObject

OURS = {TAG_MANAGED: "true", TAG_AGENT_ID: "agent-1"}
TERMINATE = {"instance_id": "i-old", "handle_allocation_ids": ["eipalloc-1"]}


@pytest.fixture
def running(world: World) -> World:
    return world.registered()


def _again(command: JsonObject) -> JsonObject:
    return {**command, "command_id": "again", "request_id": "again"}


def test_a_daemon_never_terminates_its_own_instance(running: World) -> None:
    answer = running.execute(command_json("terminate_instance", {"instance_id": "i-own"}))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "self")
    assert running.ec2.instances["i-own"].state == "running"


def test_what_carries_our_tags_and_no_handle_is_terminated(running: World) -> None:
    running.ec2.add_instance("i-old", tags=OURS)
    running.ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "127.20.0.1", "i-own", "eipassoc-1")

    answer = running.execute(command_json("terminate_instance", TERMINATE))

    assert answer["result"] == {"state": "shutting-down"}


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {TAG_MANAGED: "true"},
        {TAG_AGENT_ID: "agent-1"},
        {TAG_MANAGED: "true", TAG_AGENT_ID: "agent-2"},
        {TAG_MANAGED: "released", TAG_AGENT_ID: "agent-1"},
        {TAG_MANAGED: "false", TAG_AGENT_ID: "agent-1"},
    ],
)
def test_what_does_not_carry_our_tags_is_left_alone(running: World, tags: dict[str, str]) -> None:
    running.ec2.add_instance("i-old", tags=tags, spot_request_id="sir-1")
    running.ec2.persistent_requests = {"sir-1"}

    answer = running.execute(command_json("terminate_instance", TERMINATE))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "not_ours")
    assert "spot-optimizer:agent-id=agent-1" in answer["error"]["message"]
    assert running.ec2.instances["i-old"].state == "running"
    assert running.ec2.cancelled_requests == []


def test_what_holds_a_handle_at_that_moment_is_left_alone_until_it_holds_it_no_more(running: World) -> None:
    running.ec2.add_instance("i-old", tags=OURS)
    running.ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "127.20.0.1", None, None)
    running.ec2.addresses["eipalloc-2"] = AddressFacts("eipalloc-2", "127.20.0.2", "i-old", "eipassoc-2")
    command = command_json("terminate_instance", {**TERMINATE, "handle_allocation_ids": ["eipalloc-1", "eipalloc-2"]})
    refused = running.execute(command)
    state_then = running.ec2.instances["i-old"].state
    running.ec2.associate_address("eipalloc-2", "i-own", allow_reassociation=True)

    answer = running.execute(_again(command))

    assert (refused["error"]["class"], refused["error"]["code"], state_then) == ("refused", "holds_handle", "running")
    assert "eipalloc-2 (127.20.0.2)" in refused["error"]["message"]
    assert answer["result"] == {"state": "shutting-down"}


def test_an_address_that_ec2_does_not_tell_of_is_no_leave(running: World) -> None:
    running.ec2.add_instance("i-old", tags=OURS)
    running.ec2.failures["describe_address"] = ["UnauthorizedOperation"]

    answer = running.execute(command_json("terminate_instance", TERMINATE))

    assert answer["error"]["class"] == "not_authorized"
    assert running.ec2.instances["i-old"].state == "running"


def test_an_address_that_is_no_more_holds_up_nothing(running: World) -> None:
    running.ec2.add_instance("i-old", tags=OURS)

    answer = running.execute(command_json("terminate_instance", {**TERMINATE, "handle_allocation_ids": ["eipalloc-9"]}))

    assert answer["result"] == {"state": "shutting-down"}


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_what_is_ending_already_is_a_success_whosever_it_is(running: World, state: str) -> None:
    running.ec2.add_instance("i-old", state=state)

    answer = running.execute(command_json("terminate_instance", TERMINATE))

    assert answer["result"] == {"state": state}


def test_terminating_what_is_gone_is_a_success(running: World) -> None:
    answer = running.execute(command_json("terminate_instance", {"instance_id": "i-gone"}))

    assert answer["result"] == {"state": "gone"}


def test_the_fence_waits_through_shutting_down(running: World) -> None:
    running.ec2.add_instance("i-old", state="shutting-down")
    running.api.commands = [command_json("wait_terminated", {"instance_id": "i-old", "wait_seconds": 60})]
    running.step("commands")
    running.step("replica_manager")
    assert running.api.bodies("executed") == []
    running.ec2.set_state("i-old", "terminated")
    running.clock.advance(2)

    running.step("replica_manager")

    assert running.api.bodies("executed")[-1]["result"]["state"] == "terminated"


def test_a_fence_that_does_not_come_is_never_claimed(running: World) -> None:
    running.ec2.add_instance("i-old", state="shutting-down")

    answer = running.execute(command_json("wait_terminated", {"instance_id": "i-old", "wait_seconds": 10}))

    assert (answer["outcome"], answer["error"]["code"]) == ("failed", "still_shutting_down")


def test_an_instance_that_ec2_does_not_know_yet_is_terminated_all_the_same(running: World) -> None:
    def launched() -> None:
        running.ec2.add_instance("i-new", state="pending", tags=OURS)

    running.stop.on_wait = launched

    answer = running.execute(command_json("terminate_instance", {"instance_id": "i-new"}))

    assert answer["result"]["state"] != "gone"
    assert running.ec2.calls.count("terminate_instance") == 1


def test_an_instance_that_stays_unknown_for_a_minute_after_its_launch_is_terminated_when_ec2_knows_it(running: World) -> None:
    running.api.commands = [command_json("terminate_instance", {"instance_id": "i-new", "unknown_for_seconds": 60})]
    running.step("commands")
    while running.clock.passed_seconds < 50:
        running.clock.advance(running.step("replica_manager"))
    answers_before = running.api.bodies("executed")
    running.ec2.add_instance("i-new", state="pending", tags=OURS)

    running.step("replica_manager")

    assert answers_before == []
    assert running.api.bodies("executed")[-1]["result"]["state"] == "shutting-down"


def test_an_instance_that_ec2_never_comes_to_know_is_gone_after_a_minute_across_restarts(running: World) -> None:
    command = command_json("terminate_instance", {"instance_id": "i-new", "unknown_for_seconds": 60})
    running.api.commands = [command]
    running.step("commands")
    running.clock.advance(running.step("replica_manager"))
    running.clock.advance(40)
    running.restart()
    running.boot()

    answer = running.execute(command)

    assert answer["result"] == {"state": "gone"}
    assert 60 <= running.clock.passed_seconds < 80


def test_a_termination_that_ec2_answers_with_unknown_is_a_failure_that_may_be_asked_again(running: World) -> None:
    running.ec2.add_instance("i-old", tags=OURS)
    running.ec2.failures["terminate_instance"] = ["InvalidInstanceID.NotFound"]
    command = command_json("terminate_instance", {"instance_id": "i-old"})

    first = running.execute(command)
    again = running.execute(_again(command))

    assert first["error"]["class"] == "race"
    assert again["result"]["state"] == "shutting-down"
