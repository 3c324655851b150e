"""The product's own adapters on the region: what the daemon and the server rely on in EC2, asked through their own code."""

from decimal import Decimal
from typing import Any

import pytest

from conformance.behaviour import Behaviour
from conformance.world import World, service
from spot_agent.ec2 import BotocoreEc2 as DaemonsEc2
from spot_agent.ec2_facts import LaunchRequest
from spot_agent.errors import Ec2Failed, ErrorClass
from spot_server.aws.ec2 import Boto3Ec2 as ServersEc2
from spot_server.aws.errors import AwsFailed
from spot_server.aws.errors import ErrorClass as ServersErrorClass
from spot_server.aws.ports import LaunchRequest as ServersLaunchRequest


@pytest.fixture
def daemon(world: World) -> DaemonsEc2:
    return DaemonsEc2(world.region.patient_ec2, world.ec2, world.region.client)


@pytest.fixture
def server(world: World) -> ServersEc2:
    return ServersEc2(world.region.patient_ec2, world.ec2, world.region.client)


def request(world: World, image_id: str, **more: Any) -> dict[str, Any]:
    """Return the fields of a launch, which daemon and server name alike."""
    subnet_id = world.subnet("use1-az2")
    fields = {
        "client_token": world.unique("token"),
        "image_id": image_id,
        "instance_type": "m5.large",
        "subnet_id": subnet_id,
        "is_spot": True,
        "security_group_ids": (),
        "iam_instance_profile_arn": None,
        "key_name": None,
        "metadata_options": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "user_data": '{"spot_optimizer": {}}',
        "tags": {"spot-optimizer:managed": "true", "switch": world.unique("switch")},
    }
    return {**fields, **more}


def test_a_launch_is_described_with_everything_that_a_daemon_copies(world: World, daemon: DaemonsEc2) -> None:
    image_id = world.image()
    wanted = request(world, image_id)

    launched = daemon.run_instance(LaunchRequest(**wanted))
    described = daemon.describe_instance(launched.instance_id)

    assert described is not None
    assert (launched.state, described.lifecycle, described.image_id, described.instance_type) == ("pending", "spot", image_id, "m5.large")
    assert (described.subnet_id, described.state_reason_code) == (wanted["subnet_id"], None)
    assert described.metadata_options["HttpPutResponseHopLimit"] == 2
    assert described.tags == {**wanted["tags"], "spot-optimizer:launch-token": wanted["client_token"]}
    assert [volume.delete_on_termination for volume in described.volumes] == [True]
    assert [found.instance_id for found in daemon.find_instances({"switch": wanted["tags"]["switch"]})] == [launched.instance_id]


def test_daemon_and_server_launch_the_same_for_the_same_token(world: World, daemon: DaemonsEc2, server: ServersEc2) -> None:
    wanted = request(world, world.image())

    by_server = server.run_instance(ServersLaunchRequest(**wanted)).instance_id
    by_daemon = daemon.run_instance(LaunchRequest(**wanted)).instance_id

    assert by_server == by_daemon
    assert [found.instance_id for found in server.find_by_launch_token(wanted["client_token"])] == [by_server]


def test_an_image_is_in_use_until_its_instances_are_terminated(world: World, daemon: DaemonsEc2) -> None:
    image_id = world.image()
    instance_id = world.launch(image_id)

    while_it_lives = daemon.images_in_use([image_id, "ami-00000000000000000"])
    daemon.terminate_instance(instance_id)
    world.wait_for_state(instance_id, "terminated")

    assert while_it_lives == {image_id}
    assert daemon.images_in_use([image_id]) == frozenset()


def test_an_image_is_found_by_name_and_tags_with_its_snapshots_and_goes_before_them(world: World, daemon: DaemonsEc2) -> None:
    name, tags = world.unique("image"), {"switch": world.unique("switch")}
    instance_id = world.launch(world.image())
    world.wait_for_state(instance_id, "running")

    image_id = daemon.create_image(instance_id, name, tags)
    world.region.eventually(lambda: (seen := daemon.find_image(name)) is not None and seen.state == "available")
    found = daemon.find_image(name)
    assert found is not None
    snapshot_ids = [snapshot.snapshot_id for snapshot in daemon.find_snapshots(tags)]
    with pytest.raises(Ec2Failed) as in_use:
        daemon.delete_snapshot(found.snapshot_ids[0])
    for _ in range(2):
        daemon.deregister_image(image_id)
    for _ in range(2):
        daemon.delete_snapshot(found.snapshot_ids[0])

    assert (found.image_id, found.state, found.tags) == (image_id, "available", tags)
    assert found.created_at is not None
    assert snapshot_ids == list(found.snapshot_ids)
    assert in_use.value.error_class is ErrorClass.RACE
    assert (daemon.find_image(name), daemon.find_images(tags), daemon.find_snapshots(tags)) == (None, (), ())


def test_the_server_finds_its_image_by_name_and_by_id(world: World, server: ServersEc2) -> None:
    name, instance_id = world.unique("image"), world.launch(world.image())
    world.wait_for_state(instance_id, "running")

    image_id = server.create_image(instance_id, name, {"switch": "1"})

    by_name, by_id = server.find_image_by_name(name), server.describe_image(image_id)
    assert by_name == by_id
    assert by_id is not None
    assert by_id.image_id == image_id
    assert server.describe_image("ami-00000000000000000") is None


def test_volumes_are_kept_and_saved_before_an_instance_goes(world: World, daemon: DaemonsEc2) -> None:
    tags, instance_id = {"salvage": world.unique("salvage")}, world.launch_and_boot(service("workload", Behaviour.SERVES))
    described = daemon.describe_instance(instance_id)
    assert described is not None
    (volume,) = described.volumes
    daemon.tag(volume.volume_id, tags)

    daemon.keep_volumes(instance_id, [volume.device_name])
    snapshot_ids = daemon.create_snapshots(instance_id, tags)
    daemon.terminate_instance(instance_id)
    world.wait_for_state(instance_id, "terminated")

    world.region.eventually(lambda: daemon.find_volumes(tags) == ((volume.volume_id, "available"),))
    assert [(found.snapshot_id, found.volume_id) for found in daemon.find_snapshots(tags)] == [(snapshot_ids[0], volume.volume_id)]


def test_an_address_is_claimed_only_while_nobody_has_it(world: World, daemon: DaemonsEc2, server: ServersEc2) -> None:
    image_id, allocation_id = world.image(), world.ec2.allocate_address(Domain="vpc")["AllocationId"]
    first, second = world.launch(image_id), world.launch(image_id)
    for instance_id in (first, second):
        world.wait_for_state(instance_id, "running")

    association_id = daemon.associate_address(allocation_id, first, allow_reassociation=False)
    again = daemon.associate_address(allocation_id, first, allow_reassociation=False)
    with pytest.raises(AwsFailed) as refused:
        server.associate_address(allocation_id, second, allow_reassociation=False)
    held = daemon.describe_address(allocation_id)
    moved = server.associate_address(allocation_id, second, allow_reassociation=True)

    assert held is not None
    assert (held.instance_id, held.association_id, again) == (first, association_id, association_id)
    assert refused.value.error_class is ServersErrorClass.REFUSED
    now = server.describe_address(allocation_id)
    assert now is not None
    assert (now.instance_id, now.association_id) == (second, moved)
    assert daemon.describe_address("eipalloc-00000000000000000") is None


def test_what_ec2_does_not_know_is_none_for_both(world: World, daemon: DaemonsEc2, server: ServersEc2) -> None:
    assert daemon.describe_instance("i-00000000000000000") is None
    assert server.describe_instance("i-00000000000000000") is None
    assert not daemon.is_persistent_request("sir-00000000")


def test_a_spot_request_is_one_time_and_cancelled_without_its_instance(world: World, daemon: DaemonsEc2) -> None:
    launched = daemon.run_instance(LaunchRequest(**request(world, world.image())))
    world.wait_for_state(launched.instance_id, "running")
    described = daemon.describe_instance(launched.instance_id)
    assert described is not None
    assert described.spot_request_id is not None

    is_persistent = daemon.is_persistent_request(described.spot_request_id)
    daemon.cancel_spot_request(described.spot_request_id)

    assert not is_persistent
    assert world.describe(launched.instance_id)["State"]["Name"] == "running"


def test_places_prices_and_types_are_told(world: World, daemon: DaemonsEc2) -> None:
    instance_id = world.launch(world.image())
    described = daemon.describe_instance(instance_id)
    assert described is not None

    subnets = daemon.subnets_of_vpc(described.vpc_id)
    prices = daemon.spot_prices(["m5.large", "c5.large"], ["Linux/UNIX"], world.region.now())
    types = daemon.instance_types(["m5.large", "g4ad.4xlarge"])

    assert {subnet.az_name: subnet.az_id for subnet in subnets} == daemon.zone_ids()
    assert described.subnet_id in {subnet.subnet_id for subnet in subnets}
    assert len({(price.instance_type, price.az_name) for price in prices}) == 2 * 6
    assert all(Decimal("0.01") < price.spot_usd_per_hour < Decimal("0.1") for price in prices)
    assert {(made.instance_type, made.vcpu, made.memory_mib) for made in types} == {
        ("m5.large", 2, 8192),
        ("g4ad.4xlarge", 16, 65536),
    }


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        ("InsufficientInstanceCapacity", ErrorClass.CAPACITY),
        ("MaxSpotInstanceCountExceeded", ErrorClass.QUOTA),
        ("RequestLimitExceeded", ErrorClass.THROTTLED),
        ("UnauthorizedOperation", ErrorClass.NOT_AUTHORIZED),
        ("InternalError", ErrorClass.UNREACHABLE),
    ],
)
def test_a_refusal_has_its_meaning(world: World, daemon: DaemonsEc2, code: str, error_class: ErrorClass) -> None:
    wanted = LaunchRequest(**request(world, world.image()))
    world.region.control("POST", "/faults", {"action": "RunInstances", "code": code})

    with pytest.raises(Ec2Failed) as refused:
        daemon.run_instance(wanted)

    assert refused.value.error_class is error_class


def test_a_lost_answer_is_unknown_to_both_and_the_instance_is_found(world: World, daemon: DaemonsEc2, server: ServersEc2) -> None:
    wanted = request(world, world.image())
    world.region.control("POST", "/faults", {"action": "RunInstances", "lose_answer": True, "count": 2})

    with pytest.raises(Ec2Failed) as for_daemon:
        daemon.run_instance(LaunchRequest(**wanted))
    with pytest.raises(AwsFailed) as for_server:
        server.run_instance(ServersLaunchRequest(**wanted))

    assert for_daemon.value.error_class is ErrorClass.UNREACHABLE
    assert for_server.value.may_have_acted
    assert len(server.find_by_launch_token(wanted["client_token"])) == 1
