"""The control API and the faults that it orders."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from conformance.behaviour import Behaviour
from conformance.world import World, error_code, service


@pytest.mark.parametrize(("code", "status"), [("UnauthorizedOperation", 403), ("VcpuLimitExceeded", 400), ("RequestLimitExceeded", 503)])
def test_an_ordered_error_comes_as_often_as_ordered(world: World, code: str, status: int) -> None:
    image_id = world.image()
    world.region.control("POST", "/faults", {"action": "RunInstances", "code": code, "count": 2})

    errors = []
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            world.launch(image_id)
        errors.append(caught.value)

    assert [error_code(error) for error in errors] == [code, code]
    assert {error.response["ResponseMetadata"]["HTTPStatusCode"] for error in errors} == {status}
    assert world.launch(image_id)


def test_a_lost_answer_comes_after_the_act(world: World) -> None:
    token, image_id = world.unique("token"), world.image()
    world.region.control("POST", "/faults", {"action": "RunInstances", "lose_answer": True})

    with pytest.raises(ConnectionClosedError):
        world.launch(image_id, ClientToken=token)

    found = world.ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [token]}])["Reservations"]
    assert len(found) == 1


def test_a_client_that_retries_recovers_a_lost_answer_without_a_second_instance(world: World) -> None:
    token, image_id = world.unique("token"), world.image()
    world.region.control("POST", "/faults", {"action": "RunInstances", "lose_answer": True})

    answer = world.region.patient_ec2.run_instances(**world.launch_request(image_id, ClientToken=token))

    found = world.ec2.describe_instances(Filters=[{"Name": "image-id", "Values": [image_id]}])["Reservations"]
    assert [one["InstanceId"] for reservation in found for one in reservation["Instances"]] == [answer["Instances"][0]["InstanceId"]]


def test_faults_that_wait_are_shown_and_can_be_forgotten(world: World) -> None:
    fault = {"action": "CreateImage", "code": "InternalError", "count": 3, "lose_answer": False}
    world.region.control("POST", "/faults", fault)

    _, before = world.region.control("GET", "/state")
    world.region.control("DELETE", "/faults")
    _, after = world.region.control("GET", "/state")

    assert fault in before["faults"]
    assert after["faults"] == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/capacity", {"instance_type": "m5.large", "az_id": "use1-az9", "mode": "spot", "available": False}, "az_id"),
        ("/capacity", {"instance_type": "m5.nonsense", "az_id": "use1-az1", "mode": "spot", "available": False}, "instance_type"),
        ("/capacity", {"instance_type": "m5.large", "az_id": "use1-az1", "mode": "reserved", "available": False}, "mode"),
        ("/capacity", {"instance_type": "m5.large", "az_id": "use1-az1", "mode": "spot", "available": "no"}, "available"),
        ("/capacity", {"instance_type": "m5.large", "az_id": "use1-az1"}, "available"),
        ("/prices", {"instance_type": "m5.large", "az_id": "use1-az9", "usd_per_hour": "0.1"}, "az_id"),
        ("/prices", {"instance_type": "m5.large", "az_id": "use1-az1", "usd_per_hour": "cheap"}, "usd_per_hour"),
        ("/prices", {"instance_type": "m5.large", "az_id": "use1-az1", "usd_per_hour": "-1"}, "usd_per_hour"),
        ("/faults", {"action": "RunInstances", "code": "X", "count": 0}, "count"),
        ("/faults", {"action": "RunInstances"}, "code"),
        ("/faults", {"action": "RunInstances", "code": "X", "colour": "red"}, "colour"),
        ("/workload-fault", {"tag": {"a": 1}, "fail_starts": 1}, "tag"),
        ("/base-image", {"name": "x", "services": [{"name": "a"}]}, "services"),
        ("/consistency", {"launch_visible_after_seconds": -1}, "launch_visible_after_seconds"),
    ],
)
def test_bad_input_is_refused_by_field(world: World, path: str, body: dict[str, Any], field: str) -> None:
    status, problem = world.region.control("POST", path, body)

    assert (status, problem["status"], problem["field"]) == (400, 400, field)
    assert problem["expected"]
    assert problem["title"]


def test_a_body_that_is_no_object_is_refused(world: World) -> None:
    status, problem = world.region.control("POST", "/capacity", ["m5.large"])

    assert (status, problem["expected"]) == (400, "an object")


def test_an_unknown_instance_or_path_is_a_404(world: World) -> None:
    no_instance, problem = world.region.control("POST", "/instances/i-0/lose")
    no_path, _ = world.region.control("GET", "/nonsense")

    assert (no_instance, no_path) == (404, 404)
    assert problem["value"] == "i-0"


def test_only_spot_instances_are_noticed(world: World) -> None:
    on_demand = world.launch(world.image(), is_spot=False)

    status, _ = world.region.control("POST", f"/instances/{on_demand}/notice", {"action": "terminate"})

    assert status == 409


def test_a_reboot_starts_the_services_again_and_ec2_shows_nothing(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SLEEPS))
    first_pid = world.pid(instance_id, "daemon")

    status, _ = world.region.control("POST", f"/instances/{instance_id}/reboot")

    world.region.eventually(lambda: world.pid(instance_id, "daemon") not in {first_pid, None})
    assert status == 200
    assert [event["state"] for event in world.events(kind="state", instance_id=instance_id)] == ["pending", "running"]


def test_a_process_that_does_not_run_cannot_be_killed(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SLEEPS))

    status, problem = world.region.control("POST", f"/instances/{instance_id}/kill", {"service": "workload"})

    assert (status, problem["field"], problem["expected"]) == (409, "service", "one of daemon")


def test_the_log_is_numbered_without_gaps_and_read_from_any_number(world: World) -> None:
    world.launch(world.image())
    _, log = world.region.control("GET", "/log?after=0")
    numbers = [event["number"] for event in log["events"]]

    _, rest = world.region.control("GET", f"/log?after={numbers[-2]}")

    assert numbers == list(range(1, len(numbers) + 1))
    assert rest["events"][0] == log["events"][-1]
    assert world.region.control("GET", "/log?after=x")[0] == 400


def test_calls_that_change_things_are_logged_with_their_outcome(world: World) -> None:
    instance_id = world.launch(world.image())
    world.describe(instance_id)

    launches = world.events(kind="api", action="RunInstances", outcome="ok")

    assert launches
    assert not world.events(kind="api", action="DescribeInstances")
    assert json.dumps(launches[-1]["request"])


def test_an_instance_is_billed_from_running_to_shutting_down(world: World) -> None:
    instance_id = world.launch_and_boot(is_spot=False)
    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")

    _, bill = world.region.control("GET", "/billing")

    line = next(one for one in bill["instances"] if one["instance_id"] == instance_id)
    begun, ended = (datetime.fromisoformat(line[key]) for key in ("from", "to"))
    events = world.events(kind="state", instance_id=instance_id)
    pending, running, shutting_down, _terminated = (datetime.fromisoformat(event["at"]) for event in events)
    assert (line["market"], line["instance_type"], line["az_id"]) == ("on_demand", "m5.large", "use1-az1")
    assert [span["usd_per_hour"] for span in line["spans"]] == ["0.096"]
    minute_ended = begun + timedelta(seconds=60)
    assert pending < begun <= running < ended
    assert minute_ended <= ended <= max(shutting_down, minute_ended)
