"""Elastic IPs and the traffic behind them."""

import socket
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.behaviour import Behaviour
from conformance.marks import processes_only
from conformance.world import World, error_code, service


@pytest.fixture
def served(world: World) -> tuple[str, str, dict[str, Any]]:
    """Two instances that serve, and an address that the first one holds."""
    image_id = world.image(service("workload", Behaviour.SERVES))
    first, second = world.launch(image_id), world.launch(image_id, SubnetId=world.subnet("use1-az2"))
    address = world.ec2.allocate_address(Domain="vpc")
    for instance_id in (first, second):
        world.wait_for_answer(world.describe(instance_id)["PrivateIpAddress"], instance_id)
    world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=first)
    world.wait_for_answer(address["PublicIp"], first)
    return first, second, address


def test_an_address_without_a_holder_answers_nothing(world: World) -> None:
    address = world.ec2.allocate_address(Domain="vpc")

    assert address["PublicIp"].startswith("127.20.")
    assert world.ask(address["PublicIp"]).status == 0


def test_the_traffic_of_an_address_moves_to_its_new_holder(world: World, served: tuple[str, str, dict[str, Any]]) -> None:
    _, second, address = served

    association_id = world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=second)["AssociationId"]

    shown = world.ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]
    world.wait_for_answer(address["PublicIp"], second)
    assert (shown["InstanceId"], shown["AssociationId"]) == (second, association_id)
    assert world.describe(second)["PublicIpAddress"] == address["PublicIp"]


def test_the_former_holder_shows_no_public_address(world: World, served: tuple[str, str, dict[str, Any]]) -> None:
    first, second, address = served

    world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=second)

    assert "PublicIpAddress" not in world.describe(first)


@processes_only("in memory no connection is kept open: each write is one instant")
def test_a_move_cuts_open_connections(world: World, served: tuple[str, str, dict[str, Any]]) -> None:
    _, second, address = served
    with socket.create_connection((address["PublicIp"], 8080), timeout=5) as connection:
        connection.sendall(b"GET /hold HTTP/1.0\r\n\r\n")
        world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=second)

        try:
            received = connection.recv(100)
        except ConnectionResetError:
            received = b""

    assert received == b""


def test_an_associated_address_can_be_guarded_against_a_move(world: World, served: tuple[str, str, dict[str, Any]]) -> None:
    first, second, address = served

    with pytest.raises(ClientError) as caught:
        world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=second, AllowReassociation=False)

    assert error_code(caught.value) == "Resource.AlreadyAssociated"
    assert world.ask(address["PublicIp"]).text == first


def test_associating_again_with_the_holder_changes_nothing(world: World, served: tuple[str, str, dict[str, Any]]) -> None:
    first, _, address = served
    before = world.ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]["AssociationId"]

    again = world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=first, AllowReassociation=False)

    assert again["AssociationId"] == before


def test_only_a_running_instance_can_get_an_address(world: World) -> None:
    instance_id = world.launch(world.image())
    address = world.ec2.allocate_address(Domain="vpc")
    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")

    with pytest.raises(ClientError) as caught:
        world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance_id)

    assert error_code(caught.value) == "InvalidInstanceID"


def test_the_association_ends_with_its_instance(world: World, served: tuple[str, str, dict[str, Any]]) -> None:
    first, second, address = served
    world.ec2.terminate_instances(InstanceIds=[first])
    world.wait_for_state(first, "terminated")

    shown = world.ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]
    unanswered = world.ask(address["PublicIp"]).status
    world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=second, AllowReassociation=False)

    assert "InstanceId" not in shown or not shown["InstanceId"]
    assert unanswered == 0
    world.wait_for_answer(address["PublicIp"], second)


def test_a_disassociated_address_answers_nothing(world: World, served: tuple[str, str, dict[str, Any]]) -> None:
    _, _, address = served
    shown = world.ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]

    world.ec2.disassociate_address(AssociationId=shown["AssociationId"])

    world.region.eventually(lambda: world.ask(address["PublicIp"]).status == 0)


def test_an_address_in_use_is_not_released(world: World, served: tuple[str, str, dict[str, Any]]) -> None:
    _, _, address = served

    with pytest.raises(ClientError) as caught:
        world.ec2.release_address(AllocationId=address["AllocationId"])

    assert error_code(caught.value) == "InvalidIPAddress.InUse"


def test_a_released_address_is_gone(world: World) -> None:
    address = world.ec2.allocate_address(Domain="vpc")

    world.ec2.release_address(AllocationId=address["AllocationId"])

    with pytest.raises(ClientError) as caught:
        world.ec2.describe_addresses(AllocationIds=[address["AllocationId"]])
    assert error_code(caught.value) == "InvalidAllocationID.NotFound"


def test_the_last_of_two_orders_to_move_counts(world: World, served: tuple[str, str, dict[str, Any]]) -> None:
    first, second, address = served

    world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=second)
    world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=first)

    world.pass_address_moves()
    assert world.seen(first)["public_ip"] == address["PublicIp"]
    assert world.seen(second)["public_ip"] is None
    assert world.ask(address["PublicIp"]).text == first
