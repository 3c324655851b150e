"""What the daemon relies on in EBS, asked of the real adapter (against moto) and of the fake that other tests use."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest

from agent_fakes.memory_ec2 import FakeEc2
from agent_fakes.moto_region import MotoRegion
from spot_agent.ec2 import BotocoreEc2, ec2_of_region
from spot_agent.ec2_facts import VolumeRequest
from spot_agent.errors import Ec2Failed, ErrorClass
from spot_agent.logs import Log

UNKNOWN = "vol-0123456789abcdef0"


@dataclass
class Store:
    """An EC2 with two instances and a free volume in one zone; `settle` lets attachments come and go."""

    ec2: BotocoreEc2 | FakeEc2
    volume_id: str
    first: str
    second: str
    az_name: str
    settle: Callable[[], object]


@pytest.fixture(params=["fake", pytest.param("moto", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "fake":
        fake = FakeEc2()
        fake.add_instance("i-1")
        fake.add_instance("i-2")
        fake.ebs.add("vol-1", tags={"Name": "shop"})
        return Store(fake, "vol-1", "i-1", "i-2", "us-east-1a", lambda: fake.ebs.describe(["vol-1"]))
    region: MotoRegion = request.getfixturevalue("region")
    client = boto3.client("ec2", region_name="us-east-1", endpoint_url=region.url)
    image_id = client.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = client.run_instances(ImageId=image_id, MinCount=2, MaxCount=2)["Instances"]
    az_name = made[0]["Placement"]["AvailabilityZone"]
    tags: Any = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "shop"}]}]
    volume = client.create_volume(AvailabilityZone=az_name, Size=4, VolumeType="gp3", Iops=3000, Throughput=125, TagSpecifications=tags)
    first, second = (one["InstanceId"] for one in made)
    return Store(ec2_of_region("us-east-1", Log()), volume["VolumeId"], first, second, az_name, lambda: None)


def test_a_volume_goes_from_one_instance_to_another(store: Store) -> None:
    ebs = store.ec2.ebs
    ebs.attach(store.volume_id, store.first, "/dev/sdf")
    store.settle()
    attached = ebs.describe([store.volume_id])[0]
    ebs.detach(store.volume_id, store.first, is_forced=False)
    store.settle()
    free = ebs.describe([store.volume_id])[0]
    ebs.attach(store.volume_id, store.second, "/dev/sdf")
    store.settle()

    assert [(held.instance_id, held.device_name, held.state) for held in attached.attachments] == [(store.first, "/dev/sdf", "attached")]
    assert (attached.state, free.state, free.attachments) == ("in-use", "available", ())
    assert [held.instance_id for held in ebs.describe([store.volume_id])[0].attachments] == [store.second]


@pytest.mark.server
def test_a_refusal_to_attach_arrives_with_its_meaning(region: MotoRegion) -> None:
    region.faults["AttachVolume"] = ["VolumeInUse"]  # moto itself attaches what is attached already

    with pytest.raises(Ec2Failed) as caught:
        ec2_of_region("us-east-1", Log()).ebs.attach("vol-1", "i-1", "/dev/sdf")

    assert (caught.value.code, caught.value.error_class) == ("VolumeInUse", ErrorClass.RACE)


def test_a_volume_is_described_with_what_a_copy_must_have_and_an_unknown_one_is_left_out(store: Store) -> None:
    (known,) = store.ec2.ebs.describe([UNKNOWN, store.volume_id])

    assert (known.volume_id, known.az_name, known.volume_type, known.iops, known.is_multi_attach) == (
        store.volume_id,
        store.az_name,
        "gp3",
        3000,
        False,
    )
    assert known.tags["Name"] == "shop"
    assert store.ec2.ebs.describe([]) == ()


def test_a_copy_is_made_of_a_snapshot_that_is_found_by_its_volume(store: Store) -> None:
    ebs, mark = store.ec2.ebs, {"spot-optimizer:switch-id": uuid.uuid4().hex}
    source = ebs.describe([store.volume_id])[0]
    snapshot_id = ebs.create_snapshot(store.volume_id, mark)

    found = [made for made in ebs.snapshots_of(store.volume_id) if made.snapshot_id == snapshot_id]
    copy_id = ebs.create_volume(VolumeRequest(uuid.uuid4().hex, snapshot_id, store.az_name, source, {"Name": "shop", **mark}))
    store.settle()
    copy = ebs.describe([copy_id])[0]

    assert [(made.state, made.tags) for made in found] == [("completed", mark)]
    assert (copy.volume_type, copy.size_gib, copy.iops) == (source.volume_type, source.size_gib, source.iops)
    assert copy.tags["spot-optimizer:switch-id"] == mark["spot-optimizer:switch-id"]
    assert replace(copy, tags={}).attachments == ()


def test_a_deleted_volume_is_gone_and_once_more_is_fine(store: Store) -> None:
    store.ec2.ebs.delete(store.volume_id)
    store.ec2.ebs.delete(store.volume_id)

    assert store.ec2.ebs.describe([store.volume_id]) == ()
