"""What the daemon relies on in load balancing, Route 53 and secondary addresses: the real adapters (against moto), and their fakes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from agent_fakes.memory_ec2 import FakeEc2
from agent_fakes.moto_region import MotoRegion
from spot_agent.ec2 import BotocoreEc2, ec2_of_region
from spot_agent.errors import Ec2Failed, ErrorClass
from spot_agent.logs import Log

NAME = "www.example.com"


@dataclass
class Place:
    """Two running instances, an empty target group and an empty zone."""

    ec2: BotocoreEc2 | FakeEc2
    first: str
    second: str
    group: str
    zone: str
    shared_ip: str


def in_memory() -> Place:
    fake = FakeEc2()
    fake.add_instance("i-1")
    fake.add_instance("i-2")
    fake.balancing.groups["group"] = {}
    fake.dns.zones["zone"] = {}
    return Place(fake, "i-1", "i-2", "group", "zone", "10.0.0.200")


def in_moto(region: MotoRegion) -> Place:
    def client(service: Any) -> Any:
        return boto3.client(service, region_name="us-east-1", endpoint_url=region.url)

    ec2 = client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    image_id = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image_id, SubnetId=subnet["SubnetId"], MinCount=2, MaxCount=2)["Instances"]
    shared_ip = subnet["CidrBlock"].rsplit(".", 1)[0] + ".200"
    name = f"group-{uuid.uuid4().hex[:8]}"
    group = client("elbv2").create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=subnet["VpcId"])["TargetGroups"][0]
    zone = client("route53").create_hosted_zone(Name="example.com", CallerReference=uuid.uuid4().hex)["HostedZone"]
    return Place(
        ec2_of_region("us-east-1", Log()), made[0]["InstanceId"], made[1]["InstanceId"], group["TargetGroupArn"], zone["Id"], shared_ip
    )


@pytest.fixture(params=["fake", pytest.param("moto", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest) -> Place:
    return in_memory() if request.param == "fake" else in_moto(request.getfixturevalue("region"))


def test_an_instance_is_described_with_its_interface_and_its_addresses(place: Place) -> None:
    described = place.ec2.describe_instance(place.first)

    assert described is not None
    assert described.interface_id is not None
    assert described.interface_id.startswith("eni-")
    assert len(described.private_ips) == 1


def test_a_secondary_address_is_assigned_and_taken_over(place: Place) -> None:
    for instance_id in (place.first, place.second):
        described = place.ec2.describe_instance(instance_id)
        assert described is not None
        place.ec2.assign_private_ip(str(described.interface_id), place.shared_ip)

    taken = place.ec2.describe_instance(place.second)

    assert taken is not None
    assert place.shared_ip in taken.private_ips
    assert taken.private_ips[0] != place.shared_ip


def test_a_target_is_registered_once_and_deregistered(place: Place) -> None:
    balancing = place.ec2.balancing
    before = balancing.target_state(place.group, place.first, None)
    balancing.register_target(place.group, place.first, None)
    balancing.register_target(place.group, place.first, None)
    during = balancing.target_state(place.group, place.first, None)
    balancing.deregister_target(place.group, place.first, None)
    after = balancing.target_state(place.group, place.first, None)

    assert before is None
    assert during is not None
    assert during.state in {"initial", "healthy"}
    assert after is None or after.state == "draining"


def test_a_target_group_that_is_not_there_is_told_as_such(place: Place) -> None:
    unknown = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/none/0abc"

    with pytest.raises(Ec2Failed) as failed:
        place.ec2.balancing.register_target(unknown, place.first, None)

    assert failed.value.error_class is ErrorClass.NOT_FOUND


def test_a_record_is_made_changed_and_read_without_case_or_final_dot(place: Place) -> None:
    dns = place.ec2.dns
    before = dns.find_record(place.zone, NAME)
    dns.upsert_record(place.zone, NAME, "192.0.2.1", 30)
    change_id = dns.upsert_record(place.zone, NAME, "192.0.2.2", 60)
    found = dns.find_record(place.zone, "WWW.example.com.")

    assert before is None
    assert change_id
    assert found is not None
    assert (found.values, found.ttl_seconds) == (("192.0.2.2",), 60)
    assert dns.find_record(place.zone, "other.example.com") is None


def test_a_change_comes_into_sync(place: Place) -> None:
    change_id = place.ec2.dns.upsert_record(place.zone, NAME, "192.0.2.1", 30)
    if isinstance(place.ec2, FakeEc2):
        assert not place.ec2.dns.is_in_sync(change_id)
        place.ec2.dns.settle()

    assert place.ec2.dns.is_in_sync(change_id)


def test_a_zone_that_is_not_there_is_told_as_such(place: Place) -> None:
    with pytest.raises(Ec2Failed) as failed:
        place.ec2.dns.upsert_record("Z0NOTHERE", NAME, "192.0.2.1", 30)

    assert failed.value.error_class is ErrorClass.NOT_FOUND
