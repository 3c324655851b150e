"""Terminating instances, and waiting for the fence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World


@pytest.fixture
def running(world: World) -> World:
    return world.registered()


def test_a_daemon_never_terminates_its_own_instance(running: World) -> None:
    answer = running.execute(command_json("terminate_instance", {"instance_id": "i-own"}))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "self")
    assert running.ec2.instances["i-own"].state == "running"


def test_nothing_is_terminated_before_its_final_image_is_available(running: World) -> None:
    running.ec2.add_instance("i-old")
    running.ec2.new_image_state = "pending"
    payload = {"instance_id": "i-old", "final_image_name": "web-1-final", "tags": {"a": "b"}}
    running.api.commands = [command_json("terminate_instance", payload)]
    running.step("commands")
    running.step("replica_manager")
    assert running.ec2.instances["i-old"].state == "running"
    made = next(iter(running.ec2.images.values()))
    running.ec2.images[made.image_id] = replace(made, state="available")
    running.clock.advance(5)

    running.step("replica_manager")

    assert running.ec2.instances["i-old"].state == "shutting-down"


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
        running.ec2.add_instance("i-new", state="pending")

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
    running.ec2.add_instance("i-new", state="pending")

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
    running.ec2.add_instance("i-old")
    running.ec2.failures["terminate_instance"] = ["InvalidInstanceID.NotFound"]
    command = command_json("terminate_instance", {"instance_id": "i-old"})

    first = running.execute(command)
    again = running.execute({**command, "command_id": "again", "request_id": "again"})

    assert first["error"]["class"] == "race"
    assert again["result"]["state"] == "shutting-down"
