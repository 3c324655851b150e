"""The metadata endpoint of an instance."""

import json
from datetime import datetime

import pytest

from conformance.port import HttpAnswer
from conformance.world import World


class Metadata:
    """One instance's endpoint."""

    def __init__(self, world: World, instance_id: str) -> None:
        self.world, self.instance_id = world, instance_id

    def get(self, path: str) -> HttpAnswer:
        return self.world.region.metadata(self.instance_id, path)


def up(world: World, is_spot: bool = True, **more: object) -> tuple[str, Metadata]:
    """Launch an instance and wait until it runs."""
    instance_id = world.launch(world.image(), is_spot=is_spot, **more)
    world.wait_for_state(instance_id, "running")
    return instance_id, Metadata(world, instance_id)


def test_the_facts_of_an_instance_are_told(world: World) -> None:
    instance_id, metadata = up(world, UserData='{"spot_optimizer": {}}', SubnetId=world.subnet("use1-az6"))

    described = world.describe(instance_id)
    document = json.loads(metadata.get("dynamic/instance-identity/document").text)
    assert metadata.get("meta-data/instance-id").text == instance_id
    assert metadata.get("meta-data/instance-type").text == "m5.large"
    assert metadata.get("meta-data/placement/availability-zone-id").text == "use1-az6"
    assert metadata.get("meta-data/placement/availability-zone").text == described["Placement"]["AvailabilityZone"]
    assert metadata.get("meta-data/placement/region").text == "us-east-1"
    assert metadata.get("meta-data/local-ipv4").text == described["PrivateIpAddress"]
    assert metadata.get("meta-data/instance-life-cycle").text == "spot"
    assert metadata.get("user-data").text == '{"spot_optimizer": {}}'
    assert (document["instanceId"], document["imageId"]) == (instance_id, described["ImageId"])
    # What an instance's age is told by: the host's own clock is one for all that run on it.
    assert document["pendingTime"] == described["LaunchTime"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (document["accountId"], document["architecture"]) == ("123456789012", "x86_64")


def test_an_on_demand_instance_says_so(world: World) -> None:
    _, metadata = up(world, is_spot=False)

    assert metadata.get("meta-data/instance-life-cycle").text == "on-demand"


def test_what_is_not_there_is_a_404(world: World) -> None:
    _, metadata = up(world)

    for path in (
        "meta-data/spot/instance-action",
        "meta-data/spot/termination-time",
        "meta-data/events/recommendations/rebalance",
        "meta-data/public-ipv4",
        "user-data",
    ):
        assert metadata.get(path).status == 404
    assert metadata.get("meta-data/events/maintenance/scheduled").text == "[]"


def test_the_public_address_is_told_once_it_has_moved(world: World) -> None:
    instance_id, metadata = up(world)
    address = world.ec2.allocate_address(Domain="vpc")

    world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance_id)

    world.region.eventually(lambda: metadata.get("meta-data/public-ipv4").text == address["PublicIp"])


def test_a_notice_is_told_with_its_time(world: World) -> None:
    instance_id, metadata = up(world)

    world.region.control("POST", f"/instances/{instance_id}/notice", {"action": "terminate", "lead_seconds": 60_000})

    action = json.loads(metadata.get("meta-data/spot/instance-action").text)
    assert action["action"] == "terminate"
    assert metadata.get("meta-data/spot/termination-time").text == action["time"]
    assert world.describe(instance_id)["State"]["Name"] == "running"


def test_a_notice_is_carried_out_at_its_time(world: World) -> None:
    instance_id, _ = up(world)

    world.region.control("POST", f"/instances/{instance_id}/notice", {"action": "terminate", "lead_seconds": 600})

    seen = world.wait_for_state(instance_id, "terminated")
    (told,) = world.events(kind="notice", instance_id=instance_id)
    (ending,) = world.events(kind="state", instance_id=instance_id, state="shutting-down")
    assert seen["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert datetime.fromisoformat(told["action_at"]) <= datetime.fromisoformat(ending["at"])


def test_a_recommendation_stays(world: World) -> None:
    instance_id, metadata = up(world)

    world.region.control("POST", f"/instances/{instance_id}/rebalance")
    first = metadata.get("meta-data/events/recommendations/rebalance")
    world.region.control("POST", f"/instances/{instance_id}/rebalance")

    assert json.loads(first.text)["noticeTime"].endswith("Z")
    assert metadata.get("meta-data/events/recommendations/rebalance").text == first.text


def test_an_instance_that_a_user_terminates_in_its_notice_was_not_interrupted(world: World) -> None:
    instance_id, _ = up(world)
    world.region.control("POST", f"/instances/{instance_id}/notice", {"lead_seconds": 60_000})

    world.ec2.terminate_instances(InstanceIds=[instance_id])

    assert world.wait_for_state(instance_id, "terminated")["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_hibernation_gives_no_time(world: World) -> None:
    instance_id, _ = up(world)

    world.region.control("POST", f"/instances/{instance_id}/notice", {"action": "hibernate", "lead_seconds": 60_000})

    assert world.wait_for_state(instance_id, "stopped")["StateReason"]["Code"] == "Server.SpotInstanceShutdown"


@pytest.mark.parametrize(("mode", "status"), [("error", 503), ("off", 403), ("hang", 0)])
def test_the_endpoint_can_misbehave_and_recover(world: World, mode: str, status: int) -> None:
    instance_id, metadata = up(world)
    world.region.control("POST", f"/instances/{instance_id}/metadata-fault", {"mode": mode})

    broken = metadata.get("meta-data/instance-id")
    world.region.control("POST", f"/instances/{instance_id}/metadata-fault", {"mode": "none"})

    assert broken.status == status
    assert metadata.get("meta-data/instance-id").text == instance_id


def test_the_endpoint_can_cut_its_bodies_short(world: World) -> None:
    instance_id, metadata = up(world)
    world.region.control("POST", f"/instances/{instance_id}/metadata-fault", {"mode": "truncated"})

    answer = metadata.get("dynamic/instance-identity/document")

    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)


def test_the_endpoint_is_gone_with_its_instance(world: World) -> None:
    instance_id, metadata = up(world)

    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")

    world.region.eventually(lambda: metadata.get("meta-data/instance-id").status == 0)
