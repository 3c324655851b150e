"""What the daemon relies on in EC2, asked of the real adapter (against moto) and of the fake that other tests use."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from agent_fakes.memory import command_json
from agent_fakes.memory_ec2 import FakeEc2
from agent_fakes.moto_region import MotoRegion
from agent_fakes.world import World, journal_of
from spot_agent.bootstrap import build_core
from spot_agent.clock import SystemClock
from spot_agent.ec2 import BotocoreEc2, ec2_of_region
from spot_agent.ec2_facts import AddressFacts, LaunchRequest
from spot_agent.errors import Ec2Failed, ErrorClass
from spot_agent.logs import Log
from spot_agent.model import Role

NOW = SystemClock().now()


@dataclass
class Place:
    """An EC2 with one instance, one subnet and one free address in it."""

    ec2: BotocoreEc2 | FakeEc2
    image_id: str
    subnet_id: str
    vpc_id: str
    allocation_id: str
    tags: dict[str, str] = field(default_factory=lambda: {"saga": uuid.uuid4().hex})

    def launch(self, client_token: str | None = None, *, is_spot: bool = True) -> str:
        request = LaunchRequest(
            client_token=client_token or uuid.uuid4().hex,
            image_id=self.image_id,
            instance_type="m5.large",
            subnet_id=self.subnet_id,
            is_spot=is_spot,
            security_group_ids=(),
            iam_instance_profile_arn=None,
            key_name=None,
            metadata_options={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            user_data="{}",
            tags=self.tags,
        )
        return self.ec2.run_instance(request).instance_id


@pytest.fixture(params=["fake", pytest.param("moto", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "fake":
        fake = FakeEc2()
        fake.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "127.20.0.1", None, None)
        return Place(fake, "ami-1", "subnet-1", "vpc-1", "eipalloc-1")
    region: MotoRegion = request.getfixturevalue("region")
    client = boto3.client("ec2", region_name="us-east-1", endpoint_url=region.url)
    subnet = client.describe_subnets()["Subnets"][0]
    image_id = client.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    allocation_id = client.allocate_address(Domain="vpc")["AllocationId"]
    return Place(ec2_of_region("us-east-1", Log()), image_id, subnet["SubnetId"], subnet["VpcId"], allocation_id)


def test_a_launched_spot_instance_is_described_with_its_lifecycle(place: Place) -> None:
    spot, on_demand = place.launch(), place.launch(is_spot=False)

    described = [place.ec2.describe_instance(instance_id) for instance_id in (spot, on_demand)]

    assert [made.lifecycle if made else "gone" for made in described] == ["spot", None]
    assert place.ec2.describe_instance("i-0123456789abcdef0") is None


def test_an_instance_is_found_by_its_launch_token(place: Place) -> None:
    token = uuid.uuid4().hex
    instance_id = place.launch(token)

    found = place.ec2.find_instances({"spot-optimizer:launch-token": token})

    assert [made.instance_id for made in found] == [instance_id]
    assert [made.client_token for made in found] == [token]


def test_an_image_is_found_by_name_with_its_tagged_snapshots(place: Place) -> None:
    name = f"image-{uuid.uuid4().hex}"
    image_id = place.ec2.create_image(place.launch(), name, place.tags)

    found = place.ec2.find_image(name)

    assert found is not None
    assert (found.image_id, found.state) == (image_id, "available")
    assert [made.image_id for made in place.ec2.find_images(place.tags)] == [image_id]
    assert [made.snapshot_id for made in place.ec2.find_snapshots(place.tags)] == list(found.snapshot_ids)
    assert place.ec2.find_image("no-such-image") is None


def test_an_images_snapshots_can_only_go_after_the_image(place: Place) -> None:
    name = f"image-{uuid.uuid4().hex}"
    image_id = place.ec2.create_image(place.launch(), name, place.tags)
    found = place.ec2.find_image(name)
    assert found is not None
    with pytest.raises(Ec2Failed):
        place.ec2.delete_snapshot(found.snapshot_ids[0])

    place.ec2.deregister_image(image_id)
    place.ec2.deregister_image(image_id)
    place.ec2.delete_snapshot(found.snapshot_ids[0])
    place.ec2.delete_snapshot(found.snapshot_ids[0])

    assert place.ec2.find_snapshots(place.tags) == ()


def test_an_image_is_in_use_until_its_instances_are_terminated(place: Place) -> None:
    place.launch()

    assert place.ec2.images_in_use([place.image_id, "ami-0"]) == {place.image_id}
    assert place.ec2.images_in_use([]) == frozenset()


def test_an_address_moves_only_with_leave(place: Place) -> None:
    first, second = place.launch(), place.launch()
    place.ec2.associate_address(place.allocation_id, first, allow_reassociation=False)
    with pytest.raises(Ec2Failed) as caught:
        place.ec2.associate_address(place.allocation_id, second, allow_reassociation=False)
    assert caught.value.error_class is ErrorClass.REFUSED

    place.ec2.associate_address(place.allocation_id, second, allow_reassociation=True)

    held = place.ec2.describe_address(place.allocation_id)
    assert held is not None
    assert held.instance_id == second
    assert place.ec2.describe_address("eipalloc-0123456789abcdef0") is None


def test_an_address_is_freed_from_the_one_association_that_is_named(place: Place) -> None:
    first, second = place.launch(), place.launch()
    association_id = place.ec2.associate_address(place.allocation_id, first, allow_reassociation=False)

    place.ec2.disassociate_address(association_id)
    freed = place.ec2.describe_address(place.allocation_id)
    place.ec2.associate_address(place.allocation_id, second, allow_reassociation=False)
    place.ec2.disassociate_address(association_id)

    held = place.ec2.describe_address(place.allocation_id)
    assert freed is not None
    assert held is not None
    assert (freed.instance_id, held.instance_id) == (None, second)


def test_volumes_are_kept_and_snapshotted(place: Place) -> None:
    instance_id = place.launch()
    instance = place.ec2.describe_instance(instance_id)
    assert instance is not None

    place.ec2.keep_volumes(instance_id, [volume.device_name for volume in instance.volumes])
    made = place.ec2.create_snapshots(instance_id, place.tags)

    assert len(made) == len(instance.volumes) == 1
    assert {snapshot.snapshot_id for snapshot in place.ec2.find_snapshots(place.tags)} == set(made)


def test_a_volume_that_was_kept_may_go_again(place: Place) -> None:
    instance_id = place.launch()
    instance = place.ec2.describe_instance(instance_id)
    assert instance is not None
    devices = [volume.device_name for volume in instance.volumes]
    place.ec2.keep_volumes(instance_id, devices)

    place.ec2.let_volumes_go(instance_id, devices)

    again = place.ec2.describe_instance(instance_id)
    assert again is not None
    assert [volume.delete_on_termination for volume in again.volumes] == [True]


def test_terminating_what_ec2_does_not_know_is_an_absence(place: Place) -> None:
    assert place.ec2.terminate_instance(place.launch()) in ("shutting-down", "terminated")

    with pytest.raises(Ec2Failed, match="NotFound"):
        place.ec2.terminate_instance("i-0123456789abcdef0")


def test_tags_that_are_set_are_described_beside_those_of_the_launch(place: Place) -> None:
    instance_id = place.launch()

    place.ec2.tag(instance_id, {"spot-optimizer:agent-id": "agent-1"})

    described = place.ec2.describe_instance(instance_id)
    assert described is not None
    assert described.tags["spot-optimizer:agent-id"] == "agent-1"
    assert described.tags["saga"] == place.tags["saga"]


def test_only_what_is_ours_and_holds_no_handle_is_terminated(place: Place, tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.core = build_core(world.settings, replace(world.ports, ec2_of_region=lambda _region: place.ec2))
    world.boot()
    instance_id, other_id = place.launch(), place.launch()
    place.ec2.associate_address(place.allocation_id, instance_id, allow_reassociation=True)
    order = {"instance_id": instance_id, "handle_allocation_ids": [place.allocation_id]}
    acts: tuple[Callable[[], object], ...] = (
        lambda: place.ec2.tag(instance_id, {"spot-optimizer:managed": "true", "spot-optimizer:agent-id": "agent-1"}),
        lambda: place.ec2.associate_address(place.allocation_id, other_id, allow_reassociation=True),
    )

    answers = [world.execute(command_json("terminate_instance", order))]
    for number, act in enumerate(acts):
        act()
        answers.append(world.execute(command_json("terminate_instance", order, command_id=f"c-{number}", request_id=f"r-{number}")))

    assert [(answer["error"] or {}).get("code") for answer in answers] == ["not_ours", "holds_handle", None]
    described = place.ec2.describe_instance(instance_id)
    assert described is None or described.state in ("shutting-down", "terminated")


def test_a_running_instance_passes_its_checks_and_one_that_is_stopped_has_none(place: Place) -> None:
    instance_id = place.launch(is_spot=False)

    checks, state = place.ec2.status_checks(instance_id), place.ec2.stop_instance(instance_id)

    assert (checks, state) == ("ok", "stopping")
    assert place.ec2.status_checks(instance_id) is None
    assert place.ec2.status_checks("i-0123456789abcdef0") is None


def test_subnets_and_zones_go_by_zone_id(place: Place) -> None:
    subnets = place.ec2.subnets_of_vpc(place.vpc_id)

    own = next(subnet for subnet in subnets if subnet.subnet_id == place.subnet_id)
    assert place.ec2.zone_ids()[own.az_name] == own.az_id


def test_a_dry_run_is_answered_and_does_nothing(place: Place) -> None:
    instance_id = place.launch()

    answers = [place.ec2.dry_run(operation, {"InstanceIds": [instance_id]}) for operation in ("describe_instances", "terminate_instances")]

    assert [(answer.code, answer.error_class) for answer in answers] == [("DryRunOperation", None)] * 2
    described = place.ec2.describe_instance(instance_id)
    assert described is not None
    assert described.state != "terminated"


@pytest.mark.server
def test_a_dry_run_says_what_kept_it_from_a_yes(region: MotoRegion) -> None:
    region.denied.add("CreateImage")
    region.faults["TerminateInstances"] = ["InvalidInstanceID.NotFound"]
    ec2 = ec2_of_region("us-east-1", Log())

    answers = [
        ec2.dry_run("create_image", {"InstanceId": "i-1", "Name": "check-1"}),
        ec2.dry_run("terminate_instances", {"InstanceIds": ["i-1"]}),
    ]

    assert [answer.error_class for answer in answers] == [ErrorClass.NOT_AUTHORIZED, ErrorClass.RACE]


@pytest.mark.server
def test_a_dry_run_can_not_be_made_a_real_one_by_its_arguments(region: MotoRegion, own_instance_id: str) -> None:
    answer = ec2_of_region("us-east-1", Log()).dry_run("terminate_instances", {"InstanceIds": [own_instance_id], "DryRun": False})

    assert answer.code == "DryRunOperation"


@pytest.mark.server
def test_prices_and_types_are_read_from_ec2(region: MotoRegion) -> None:
    ec2 = ec2_of_region("us-east-1", Log())

    prices = ec2.spot_prices(["m5.large"], ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"], NOW - timedelta(hours=1))
    types = ec2.instance_types(["m5.large", "c5.xlarge"])

    assert {row.instance_type for row in prices} == {"m5.large"}
    assert {known.instance_type: (known.vcpu, known.memory_mib) for known in types} == {
        "m5.large": (2, 8192),
        "c5.xlarge": (4, 8192),
    }


@pytest.mark.server
def test_missing_rights_and_capacity_arrive_with_their_meaning(region: MotoRegion) -> None:
    ec2 = ec2_of_region("us-east-1", Log())
    region.denied.add("DescribeInstances")
    region.faults["CreateImage"] = ["InsufficientInstanceCapacity"]

    with pytest.raises(Ec2Failed) as denied:
        ec2.describe_instance("i-1")
    with pytest.raises(Ec2Failed) as short:
        ec2.create_image("i-1", "name", {})

    assert (denied.value.error_class, short.value.error_class) == (ErrorClass.NOT_AUTHORIZED, ErrorClass.CAPACITY)


@pytest.mark.server
def test_a_request_that_boto_itself_refuses_was_never_made(region: MotoRegion) -> None:
    with pytest.raises(Ec2Failed) as caught:
        ec2_of_region("us-east-1", Log()).create_image("i-1", "n", {})

    assert caught.value.error_class is ErrorClass.REFUSED
    assert region.actions == []


@pytest.mark.server
def test_an_ec2_that_is_not_there_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    with pytest.raises(Ec2Failed) as caught:
        ec2_of_region("us-east-1", Log()).create_snapshots("i-1", {})

    assert caught.value.error_class is ErrorClass.UNREACHABLE
