"""Secondary private addresses: on one instance at a time, inside one subnet, and the traffic behind them."""

from ipaddress import IPv4Network
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.behaviour import Behaviour
from conformance.world import World, error_code, service

_TAKEN = iter(range(200, 500))


@pytest.fixture
def served(world: World) -> tuple[str, str]:
    """Two instances of one subnet that serve."""
    image_id = world.image(service("workload", Behaviour.SERVES))
    ids = (world.launch(image_id), world.launch(image_id))
    for instance_id in ids:
        world.wait_for_answer(world.describe(instance_id)["PrivateIpAddress"], instance_id)
    return ids


@pytest.fixture
def shared_ip(world: World) -> str:
    """An address of the subnet that no other test uses."""
    return in_subnet(world, "use1-az1")


def in_subnet(world: World, az_id: str) -> str:
    subnets = world.ec2.describe_subnets(SubnetIds=[world.subnet(az_id)])["Subnets"]
    return str(IPv4Network(subnets[0]["CidrBlock"])[next(_TAKEN)])


def interface(world: World, instance_id: str) -> dict[str, Any]:
    return dict(world.describe(instance_id)["NetworkInterfaces"][0])


def assign(world: World, instance_id: str, *addresses: str, **more: Any) -> dict[str, Any]:
    interface_id = interface(world, instance_id)["NetworkInterfaceId"]
    return dict(world.ec2.assign_private_ip_addresses(NetworkInterfaceId=interface_id, PrivateIpAddresses=list(addresses), **more))


def shown(world: World, instance_id: str) -> dict[str, bool]:
    """Return {address: whether it is the primary one}, as EC2 describes them."""
    return {one["PrivateIpAddress"]: one["Primary"] for one in interface(world, instance_id)["PrivateIpAddresses"]}


def test_an_assigned_address_is_shown_after_the_primary_one_and_answers(world: World, served: tuple[str, str], shared_ip: str) -> None:
    answer = assign(world, served[0], shared_ip)

    primary_ip = world.describe(served[0])["PrivateIpAddress"]
    assert list(shown(world, served[0]).items()) == [(primary_ip, True), (shared_ip, False)]
    assert [one["PrivateIpAddress"] for one in answer["AssignedPrivateIpAddresses"]] == [shared_ip]
    world.wait_for_answer(shared_ip, served[0])


def test_an_address_that_is_taken_over_leaves_the_other_instance_and_its_traffic_follows(
    world: World, served: tuple[str, str], shared_ip: str
) -> None:
    assign(world, served[0], shared_ip)
    world.wait_for_answer(shared_ip, served[0])

    assign(world, served[1], shared_ip, AllowReassignment=True)

    assert shared_ip not in shown(world, served[0])
    assert shared_ip in shown(world, served[1])
    world.wait_for_answer(shared_ip, served[1])


def test_the_metadata_service_shows_an_address_when_its_traffic_comes(world: World, served: tuple[str, str], shared_ip: str) -> None:
    assign(world, served[0], shared_ip)
    world.wait_for_answer(shared_ip, served[0])

    mac = world.region.metadata(served[0], "meta-data/mac").text
    listed = world.region.metadata(served[0], f"meta-data/network/interfaces/macs/{mac}/local-ipv4s").text

    assert listed.split("\n") == [world.describe(served[0])["PrivateIpAddress"], shared_ip]


def test_an_address_of_another_instance_is_not_taken_unasked(world: World, served: tuple[str, str], shared_ip: str) -> None:
    assign(world, served[0], shared_ip)

    with pytest.raises(ClientError) as refused:
        assign(world, served[1], shared_ip)

    assert error_code(refused.value) == "InvalidParameterValue"
    assert str(refused.value).endswith(f"[{shared_ip}] assigned, but move is not allowed.")
    assert shared_ip in shown(world, served[0])


def test_assigning_again_to_the_same_instance_changes_nothing(world: World, served: tuple[str, str], shared_ip: str) -> None:
    for _ in range(2):
        assign(world, served[0], shared_ip)

    assert list(shown(world, served[0])).count(shared_ip) == 1
    assert len(world.events(kind="private-address-move-started", private_ip=shared_ip)) == 1


def test_a_primary_address_is_never_taken(world: World, served: tuple[str, str]) -> None:
    primary_ip = world.describe(served[0])["PrivateIpAddress"]

    with pytest.raises(ClientError) as refused:
        assign(world, served[1], primary_ip, AllowReassignment=True)

    assert error_code(refused.value) == "InvalidParameterValue"


def test_an_address_of_another_subnet_is_refused(world: World, served: tuple[str, str]) -> None:
    with pytest.raises(ClientError) as refused:
        assign(world, served[0], in_subnet(world, "use1-az2"), AllowReassignment=True)

    assert error_code(refused.value) == "InvalidParameterValue"


def test_of_two_addresses_one_of_which_is_refused_none_is_assigned(world: World, served: tuple[str, str], shared_ip: str) -> None:
    with pytest.raises(ClientError):
        assign(world, served[0], shared_ip, in_subnet(world, "use1-az2"))

    assert shared_ip not in shown(world, served[0])


def test_an_interface_that_is_not_there_is_told_as_such(world: World, shared_ip: str) -> None:
    with pytest.raises(ClientError) as refused:
        world.ec2.assign_private_ip_addresses(NetworkInterfaceId="eni-00000000000000000", PrivateIpAddresses=[shared_ip])

    assert error_code(refused.value) == "InvalidNetworkInterfaceID.NotFound"


def test_an_address_that_is_given_up_answers_no_more(world: World, served: tuple[str, str], shared_ip: str) -> None:
    assign(world, served[0], shared_ip)
    world.wait_for_answer(shared_ip, served[0])

    interface_id = interface(world, served[0])["NetworkInterfaceId"]
    world.ec2.unassign_private_ip_addresses(NetworkInterfaceId=interface_id, PrivateIpAddresses=[shared_ip])

    assert shared_ip not in shown(world, served[0])
    world.region.eventually(lambda: world.ask(shared_ip).status == 0)


def test_an_address_is_free_when_its_instance_is_terminated(world: World, served: tuple[str, str], shared_ip: str) -> None:
    assign(world, served[0], shared_ip)
    world.wait_for_answer(shared_ip, served[0])

    world.ec2.terminate_instances(InstanceIds=[served[0]])
    world.wait_for_state(served[0], "terminated")
    unanswered = world.ask(shared_ip).status
    assign(world, served[1], shared_ip)

    assert unanswered == 0
    world.wait_for_answer(shared_ip, served[1])


def test_a_launch_gets_no_address_that_is_assigned(world: World) -> None:
    image_id = world.image()
    first = world.launch(image_id)
    world.wait_for_state(first, "running")
    primary_ip = world.describe(first)["PrivateIpAddress"]
    head, _, last = primary_ip.rpartition(".")
    following = [f"{head}.{int(last) + step}" for step in (1, 2, 3)]
    free = [ip for ip in following if not world.events(kind="private-address-moved", private_ip=ip)]
    assign(world, first, *free)

    launched = [world.describe(world.launch(image_id))["PrivateIpAddress"] for _ in range(3)]

    assert not {*launched} & {*free}
