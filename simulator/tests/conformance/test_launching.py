"""RunInstances and the life of an instance."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.behaviour import Behaviour
from conformance.world import World, error_code, service


def test_an_instance_is_pending_and_then_running(world: World) -> None:
    answer = world.ec2.run_instances(**world.launch_request(world.image()))
    launched = answer["Instances"][0]

    world.wait_for_state(launched["InstanceId"], "running")

    assert launched["State"]["Name"] == "pending"
    states = [event["state"] for event in world.events(kind="state", instance_id=launched["InstanceId"])]
    assert states == ["pending", "running"]


def test_the_lifecycle_key_is_there_for_spot_and_absent_on_demand(world: World) -> None:
    image_id = world.image()
    spot, on_demand = world.launch(image_id), world.launch(image_id, is_spot=False)

    assert world.describe(spot)["InstanceLifecycle"] == "spot"
    assert "InstanceLifecycle" not in world.describe(on_demand)


def test_an_instance_is_in_the_zone_of_its_subnet_with_a_loopback_address(world: World) -> None:
    instance_id = world.launch(world.image(), SubnetId=world.subnet("use1-az4"))

    seen = world.describe(instance_id)

    zones = world.ec2.describe_availability_zones()["AvailabilityZones"]
    names = {zone["ZoneId"]: zone["ZoneName"] for zone in zones}
    assert seen["Placement"]["AvailabilityZone"] == names["use1-az4"]
    assert seen["PrivateIpAddress"].startswith("127.10.")


def test_the_same_client_token_gives_the_same_instance(world: World) -> None:
    request = world.launch_request(world.image(), ClientToken=world.unique("token"))

    first = world.ec2.run_instances(**request)["Instances"][0]["InstanceId"]
    second = world.ec2.run_instances(**request)["Instances"][0]["InstanceId"]

    assert first == second


def test_simultaneous_calls_with_one_client_token_make_one_instance(world: World) -> None:
    request = world.launch_request(world.image(), ClientToken=world.unique("token"))

    answers = world.region.at_once(lambda: world.ec2.run_instances(**request), times=6)

    assert len({answer["Instances"][0]["InstanceId"] for answer in answers}) == 1


def test_a_client_token_with_other_parameters_is_a_mismatch(world: World) -> None:
    request = world.launch_request(world.image(), ClientToken=world.unique("token"))
    world.ec2.run_instances(**request)

    with pytest.raises(ClientError) as caught:
        world.ec2.run_instances(**{**request, "InstanceType": "c5.large"})

    assert error_code(caught.value) == "IdempotentParameterMismatch"


def test_a_client_token_in_another_zone_launches_again(world: World) -> None:
    request = world.launch_request(world.image(), ClientToken=world.unique("token"))
    first = world.ec2.run_instances(**request)["Instances"][0]["InstanceId"]

    second = world.ec2.run_instances(**{**request, "SubnetId": world.subnet("use1-az2")})["Instances"][0]["InstanceId"]

    assert first != second


def test_a_client_token_whose_instance_is_terminated_is_refused(world: World) -> None:
    request = world.launch_request(world.image(), ClientToken=world.unique("token"))
    instance_id = world.ec2.run_instances(**request)["Instances"][0]["InstanceId"]
    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")

    with pytest.raises(ClientError) as caught:
        world.ec2.run_instances(**request)

    assert error_code(caught.value) == "IdempotentInstanceTerminated"


def test_instances_are_found_by_client_token_and_by_lifecycle(world: World) -> None:
    token, image_id = world.unique("token"), world.image()
    spot = world.launch(image_id, ClientToken=token)
    world.launch(image_id, is_spot=False)

    by_token = world.ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [token]}])["Reservations"]
    wanted = [{"Name": "instance-lifecycle", "Values": ["spot"]}, {"Name": "image-id", "Values": [image_id]}]
    by_lifecycle = world.ec2.describe_instances(Filters=wanted)["Reservations"]

    assert [one["InstanceId"] for reservation in by_token for one in reservation["Instances"]] == [spot]
    assert [one["InstanceId"] for reservation in by_lifecycle for one in reservation["Instances"]] == [spot]


@pytest.mark.parametrize("mode", ["spot", "on_demand"])
def test_a_pool_without_capacity_refuses_and_another_does_not(world: World, mode: str) -> None:
    pool = {"instance_type": "r5.large", "az_id": "use1-az3", "mode": mode}
    image_id, is_spot = world.image(), mode == "spot"
    world.region.control("POST", "/capacity", {**pool, "available": False})

    with pytest.raises(ClientError) as caught:
        world.launch(image_id, InstanceType="r5.large", SubnetId=world.subnet("use1-az3"), is_spot=is_spot)
    elsewhere = world.launch(image_id, InstanceType="r5.large", SubnetId=world.subnet("use1-az5"), is_spot=is_spot)
    other_mode = world.launch(image_id, InstanceType="r5.large", SubnetId=world.subnet("use1-az3"), is_spot=not is_spot)
    world.region.control("POST", "/capacity", {**pool, "available": True})
    later = world.launch(image_id, InstanceType="r5.large", SubnetId=world.subnet("use1-az3"), is_spot=is_spot)

    assert error_code(caught.value) == "InsufficientInstanceCapacity"
    assert len({elsewhere, other_mode, later}) == 3


def test_a_spot_instance_has_a_request_that_tells_its_end(world: World) -> None:
    instance_id = world.launch(world.image())
    request_id = world.wait_for_state(instance_id, "running")["SpotInstanceRequestId"]

    def request() -> dict[str, Any]:
        found = world.ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request_id])["SpotInstanceRequests"]
        return dict(found[0])

    at_first = request()
    world.region.control("POST", f"/instances/{instance_id}/notice", {"lead_seconds": 60_000})
    noticed = request()

    assert (at_first["Type"], at_first["InstanceId"]) == ("one-time", instance_id)
    assert (at_first["State"], at_first["Status"]["Code"]) == ("active", "fulfilled")
    assert (noticed["State"], noticed["Status"]["Code"]) == ("closed", "instance-terminated-no-capacity")
    assert world.describe(instance_id)["State"]["Name"] == "running"


def test_a_request_says_since_when_its_instance_goes_and_how(world: World) -> None:
    instance_id = world.launch(world.image())
    world.wait_for_state(instance_id, "running")
    before = world.region.now()

    world.region.control("POST", f"/instances/{instance_id}/notice", {"action": "stop", "lead_seconds": 60_000})

    wanted = [{"Name": "instance-id", "Values": [instance_id, "i-00000000000000000"]}]
    (request,) = world.ec2.describe_spot_instance_requests(Filters=wanted)["SpotInstanceRequests"]
    assert (request["Status"]["Code"], request["InstanceInterruptionBehavior"]) == ("marked-for-stop", "stop")
    assert before - timedelta(seconds=1) <= request["Status"]["UpdateTime"] <= world.region.now()


def test_a_scheduled_event_is_shown_by_status_and_metadata_until_it_is_called_off(world: World) -> None:
    instance_id = world.launch_and_boot()
    _, told = world.region.control("POST", f"/instances/{instance_id}/maintenance", {"code": "system-reboot"})

    def shown() -> list[dict[str, Any]]:
        (status,) = world.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
        return list(status.get("Events", []))

    (event,) = shown()
    scheduled = json.loads(world.region.metadata(instance_id, "meta-data/events/maintenance/scheduled").text)
    world.region.control("DELETE", f"/instances/{instance_id}/maintenance")
    (cancelled,) = shown()
    after = json.loads(world.region.metadata(instance_id, "meta-data/events/maintenance/scheduled").text)

    assert (event["InstanceEventId"], event["Code"]) == (told["event_id"], "system-reboot")
    assert [(one["EventId"], one["Code"], one["State"]) for one in scheduled] == [(told["event_id"], "system-reboot", "active")]
    assert datetime.strptime(scheduled[0]["NotBefore"], "%d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) == event["NotBefore"]
    assert cancelled["Description"].startswith("[Canceled]")
    assert after == []


def test_an_impaired_instance_runs_and_its_check_says_since_when(world: World) -> None:
    instance_id = world.launch(world.image())
    world.wait_for_state(instance_id, "running")
    world.region.control("POST", f"/instances/{instance_id}/impair", {})

    (status,) = world.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
    world.region.control("POST", f"/instances/{instance_id}/impair", {"is_impaired": False})
    (after,) = world.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]

    assert (status["InstanceState"]["Name"], status["InstanceStatus"]["Status"]) == ("running", "impaired")
    assert status["InstanceStatus"]["Details"][0]["ImpairedSince"] <= world.region.now()
    assert after["InstanceStatus"]["Status"] == "ok"


def test_cancelling_a_request_leaves_its_instance_alone(world: World) -> None:
    instance_id = world.launch(world.image())
    request_id = world.wait_for_state(instance_id, "running")["SpotInstanceRequestId"]

    world.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])

    wanted = [{"Name": "status-code", "Values": ["request-canceled-and-instance-running"]}]
    found = world.ec2.describe_spot_instance_requests(Filters=wanted)["SpotInstanceRequests"]
    assert request_id in [one["SpotInstanceRequestId"] for one in found]
    assert world.describe(instance_id)["State"]["Name"] == "running"


def test_a_spot_price_below_the_market_is_refused(world: World) -> None:
    options = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.001"}}

    with pytest.raises(ClientError) as caught:
        world.launch(world.image(), InstanceMarketOptions=options, is_spot=False)

    assert error_code(caught.value) == "SpotMaxPriceTooLow"


def test_an_unknown_image_or_type_is_refused(world: World) -> None:
    image_id = world.image()

    with pytest.raises(ClientError) as no_image:
        world.launch("ami-00000000000000000")
    with pytest.raises(ClientError) as no_type:
        world.launch(image_id, InstanceType="m5.nonsense")

    assert error_code(no_image.value) == "InvalidAMIID.NotFound"
    assert error_code(no_type.value) == "InvalidParameterValue"


def test_a_dry_run_launches_nothing(world: World) -> None:
    token = world.unique("token")

    with pytest.raises(ClientError) as caught:
        world.launch(world.image(), ClientToken=token, DryRun=True)

    assert error_code(caught.value) == "DryRunOperation"
    assert world.ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [token]}])["Reservations"] == []


def test_a_terminated_instance_says_that_a_user_did_it(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SLEEPS))
    pid = world.pid(instance_id, "daemon")

    answer = world.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    seen = world.wait_for_state(instance_id, "terminated")

    assert (answer["PreviousState"]["Name"], answer["CurrentState"]["Name"]) == ("running", "shutting-down")
    assert seen["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert pid is not None
    world.region.eventually(lambda: not world.region.process_exists(pid))


def test_terminating_again_is_a_success(world: World) -> None:
    instance_id = world.launch(world.image())
    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")

    answer = world.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]

    assert answer["CurrentState"]["Name"] == "terminated"


def test_a_spot_instance_cannot_be_stopped(world: World) -> None:
    instance_id = world.launch(world.image())
    world.wait_for_state(instance_id, "running")

    with pytest.raises(ClientError) as caught:
        world.ec2.stop_instances(InstanceIds=[instance_id])

    assert error_code(caught.value) == "UnsupportedOperation"


def test_an_on_demand_instance_stops_and_starts_with_its_disk(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SLEEPS), is_spot=False)
    first_pid = world.pid(instance_id, "daemon")
    world.region.write_run(instance_id, "left-over")

    world.ec2.stop_instances(InstanceIds=[instance_id], Force=True)
    stopped = world.wait_for_state(instance_id, "stopped")
    world.ec2.start_instances(InstanceIds=[instance_id])
    world.region.eventually(lambda: world.pid(instance_id, "daemon") not in {first_pid, None})

    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert world.region.read_disk(instance_id, "etc/spot-agent.env") == "SETTING=1\n"


def test_an_unknown_instance_is_not_found(world: World) -> None:
    with pytest.raises(ClientError) as caught:
        world.ec2.terminate_instances(InstanceIds=["i-00000000000000000"])

    assert error_code(caught.value) == "InvalidInstanceID.NotFound"


def test_only_a_known_instance_is_tagged(world: World) -> None:
    instance_id = world.launch(world.image())
    tags = [{"Key": "colour", "Value": "red"}]

    world.ec2.create_tags(Resources=[instance_id], Tags=tags)
    with pytest.raises(ClientError) as caught:
        world.ec2.create_tags(Resources=["i-00000000000000000"], Tags=tags)

    assert world.describe(instance_id)["Tags"] == tags
    assert error_code(caught.value) == "InvalidInstanceID.NotFound"


def test_protection_from_termination_holds(world: World) -> None:
    instance_id = world.launch(world.image())
    world.ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})

    with pytest.raises(ClientError) as caught:
        world.ec2.terminate_instances(InstanceIds=[instance_id])

    assert error_code(caught.value) == "OperationNotPermitted"


def test_the_type_changes_only_while_stopped(world: World) -> None:
    instance_id = world.launch(world.image(), is_spot=False)
    world.wait_for_state(instance_id, "running")

    with pytest.raises(ClientError) as caught:
        world.ec2.modify_instance_attribute(InstanceId=instance_id, InstanceType={"Value": "c5.large"})

    assert error_code(caught.value) == "IncorrectInstanceState"


def test_a_volume_that_is_to_outlive_its_instance_does(world: World) -> None:
    instance_id = world.launch(world.image())
    device = world.describe(instance_id)["BlockDeviceMappings"][0]
    keep = [{"DeviceName": device["DeviceName"], "Ebs": {"DeleteOnTermination": False}}]
    world.ec2.modify_instance_attribute(InstanceId=instance_id, BlockDeviceMappings=keep)

    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")

    def state() -> str:
        return str(world.ec2.describe_volumes(VolumeIds=[device["Ebs"]["VolumeId"]])["Volumes"][0]["State"])

    world.region.eventually(lambda: state() == "available")


def test_a_new_instance_can_be_unknown_for_a_moment(world: World) -> None:
    image_id = world.image()
    world.region.control("POST", "/consistency", {"launch_visible_after_seconds": 300_000})
    try:
        instance_id = world.launch(image_id)
        with pytest.raises(ClientError) as caught:
            world.describe(instance_id)
        listed = world.ec2.describe_instances(Filters=[{"Name": "image-id", "Values": [image_id]}])["Reservations"]
    finally:
        world.region.control("POST", "/consistency", {"launch_visible_after_seconds": 0})

    assert error_code(caught.value) == "InvalidInstanceID.NotFound"
    assert listed == []
    assert world.describe(instance_id)["InstanceId"] == instance_id
