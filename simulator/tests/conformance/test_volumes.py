"""Data volumes: made, attached, mounted and deleted, and what becomes of them with their instance."""

from typing import Any

import pytest

from conformance.behaviour import Behaviour
from conformance.volume_world import (
    DEVICE,
    OTHER_AZ_ID,
    OTHER_ZONE,
    UNKNOWN,
    ZONE,
    attach,
    attached,
    counted,
    detach,
    device_of,
    held,
    made,
    mount,
    refusal,
    running,
    state,
    unmount,
    volume,
)
from conformance.world import World, service

# --- made and deleted


def test_a_new_volume_is_what_was_asked_for_and_available_after_a_while(world: World) -> None:
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "shop"}]}]
    wanted = {"Size": 20, "VolumeType": "gp3", "Iops": 4000, "Throughput": 250, "Encrypted": True, "KmsKeyId": "arn:aws:kms:::key/ours"}

    answer = world.ec2.create_volume(AvailabilityZone=ZONE, TagSpecifications=tags, **wanted)
    world.region.eventually(lambda: state(world, answer["VolumeId"]) == "available")

    seen = volume(world, answer["VolumeId"])
    assert answer["State"] == "creating"
    assert {name: seen[name] for name in wanted} == wanted
    assert (seen["AvailabilityZone"], seen["Attachments"], seen["Tags"]) == (ZONE, [], [{"Key": "Name", "Value": "shop"}])


def test_one_client_token_makes_one_volume_and_other_parameters_are_refused(world: World) -> None:
    token = world.unique("token")
    first = made(world, ClientToken=token)

    assert made(world, ClientToken=token) == first
    again = {"AvailabilityZone": ZONE, "Size": 30, "VolumeType": "gp3", "ClientToken": token}
    assert refusal(world, "create_volume", **again) == "IdempotentParameterMismatch"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"AvailabilityZone": "us-east-1x"}, "InvalidZone.NotFound"),
        ({"Size": 0}, "MissingParameter"),
        ({"VolumeType": "gp2", "Iops": 4000}, "InvalidParameterCombination"),
        ({"VolumeType": "io2"}, "MissingParameter"),
        ({"SnapshotId": "snap-0123456789abcdef0"}, "InvalidSnapshot.NotFound"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_a_volume_that_cannot_be_is_refused(world: World, wrong: dict[str, Any], code: str) -> None:
    assert refusal(world, "create_volume", **{"AvailabilityZone": ZONE, "Size": 20, "VolumeType": "gp3", **wrong}) == code


def test_a_deleted_volume_is_gone_and_one_in_use_is_not_deleted(world: World) -> None:
    volume_id = attached(world, running(world))

    in_use = refusal(world, "delete_volume", VolumeId=volume_id)
    detach(world, volume_id)
    world.ec2.delete_volume(VolumeId=volume_id)

    assert in_use == "VolumeInUse"
    assert refusal(world, "delete_volume", VolumeId=volume_id) == "InvalidVolume.NotFound"
    assert refusal(world, "describe_volumes", VolumeIds=[volume_id]) == "InvalidVolume.NotFound"
    assert world.ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume_id]}])["Volumes"] == []


def test_volumes_are_found_by_tag_state_zone_and_instance(world: World) -> None:
    instance_id, name = running(world), world.unique("shop")
    volume_id = attached(world, instance_id)
    other = made(world)
    world.ec2.create_tags(Resources=[volume_id, other], Tags=[{"Key": "Name", "Value": name}])

    def found(**filters: str) -> set[str]:
        named = [{"Name": key.replace("__", "-").replace("_", "."), "Values": [value]} for key, value in filters.items()]
        by_tag = {"Name": "tag:Name", "Values": [name]}
        return {one["VolumeId"] for one in world.ec2.describe_volumes(Filters=[by_tag, *named])["Volumes"]}

    assert found() == {volume_id, other}
    assert found(status="in-use") == {volume_id}
    assert found(attachment_instance__id=instance_id) == {volume_id}
    assert found(attachment_device=DEVICE) == {volume_id}
    assert found(availability__zone=OTHER_ZONE) == set()


# --- attached and detached


def test_an_attachment_takes_a_while_and_shows_at_the_instance(world: World) -> None:
    instance_id, volume_id = running(world), made(world)

    answer = world.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=DEVICE)
    world.region.eventually(lambda: held(world, volume_id) == (instance_id, "attached"))

    device = device_of(world, instance_id)
    assert (answer["State"], state(world, volume_id)) == ("attaching", "in-use")
    assert device is not None
    assert (device["VolumeId"], device["Status"], device["DeleteOnTermination"]) == (volume_id, "attached", False)


def test_a_detachment_takes_a_while_and_frees_the_device(world: World) -> None:
    instance_id = running(world)
    volume_id = attached(world, instance_id)

    answer = world.ec2.detach_volume(VolumeId=volume_id, InstanceId=instance_id)
    world.region.eventually(lambda: state(world, volume_id) == "available")

    assert answer["State"] == "detaching"
    assert device_of(world, instance_id) is None
    assert refusal(world, "detach_volume", VolumeId=volume_id) == "IncorrectState"
    attach(world, volume_id, instance_id)


def test_a_volume_is_on_one_instance_of_its_own_zone_at_a_device_of_its_own(world: World) -> None:
    one, other, elsewhere = running(world), running(world), running(world, SubnetId=world.subnet(OTHER_AZ_ID))
    volume_id, second = attached(world, one), made(world)

    assert refusal(world, "attach_volume", VolumeId=volume_id, InstanceId=other, Device=DEVICE) == "VolumeInUse"
    assert refusal(world, "attach_volume", VolumeId=second, InstanceId=elsewhere, Device=DEVICE) == "InvalidVolume.ZoneMismatch"
    assert refusal(world, "attach_volume", VolumeId=second, InstanceId=one, Device=DEVICE) == "InvalidParameterValue"
    assert refusal(world, "attach_volume", VolumeId=UNKNOWN, InstanceId=one, Device=DEVICE) == "InvalidVolume.NotFound"
    assert refusal(world, "detach_volume", VolumeId=volume_id, InstanceId=other) == "InvalidAttachment.NotFound"
    assert held(world, volume_id) == (one, "attached")


def test_the_root_of_a_running_instance_is_not_detached(world: World) -> None:
    root = world.describe(running(world))["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]

    assert refusal(world, "detach_volume", VolumeId=root) == "OperationNotPermitted"


# --- mounted


def test_what_is_written_on_a_mounted_volume_goes_with_it_and_nothing_else_does(world: World) -> None:
    one = world.launch_and_boot()
    other = world.launch_and_boot(service("counter", Behaviour.COUNTS))
    volume_id = attached(world, other)
    world.region.eventually(lambda: counted(world, other) > 2)
    on_the_root = counted(world, other)

    assert mount(world, other, volume_id)[0] == 200
    before = counted(world, other)
    world.region.eventually(lambda: counted(world, other) > before + 2)
    world.region.control("POST", f"/instances/{other}/services/counter/stop")
    on_the_volume = counted(world, other)
    assert unmount(world, other, volume_id)[0] == 200
    on_the_root_again = counted(world, other)
    detach(world, volume_id)
    attach(world, volume_id, one)
    empty = counted(world, one)
    assert mount(world, one, volume_id)[0] == 200

    assert counted(world, one) == on_the_volume
    assert on_the_root_again >= on_the_root
    assert empty == 0


def test_a_mounted_volume_is_busy_until_it_is_unmounted(world: World) -> None:
    instance_id = running(world)
    volume_id = attached(world, instance_id)
    mount(world, instance_id, volume_id)

    world.ec2.detach_volume(VolumeId=volume_id)
    while_mounted = held(world, volume_id)
    unmount(world, instance_id, volume_id)
    world.region.eventually(lambda: state(world, volume_id) == "available")

    assert while_mounted == (instance_id, "busy")


def test_force_tears_a_mounted_volume_away(world: World) -> None:
    instance_id = running(world)
    volume_id = attached(world, instance_id)
    mount(world, instance_id, volume_id)

    world.ec2.detach_volume(VolumeId=volume_id, Force=True)
    world.region.eventually(lambda: state(world, volume_id) == "available")

    assert mount(world, instance_id, volume_id)[0] == 409


def test_nothing_is_mounted_after_a_reboot(world: World) -> None:
    instance_id = world.launch_and_boot()
    volume_id = attached(world, instance_id)
    mount(world, instance_id, volume_id)

    world.region.control("POST", f"/instances/{instance_id}/reboot")

    def mount_point() -> Any:
        _, told = world.region.control("GET", "/state")
        return next(one["mount_point"] for one in told["volumes"] if one["volume_id"] == volume_id)

    world.region.eventually(lambda: mount_point() is None)
    assert held(world, volume_id) == (instance_id, "attached")


# --- with the end of their instance


def test_a_volume_outlives_its_instance_unless_it_is_to_go_with_it(world: World) -> None:
    instance_id = running(world)
    kept, going = attached(world, instance_id), attached(world, instance_id, "/dev/sdg")
    mappings = [{"DeviceName": "/dev/sdg", "Ebs": {"DeleteOnTermination": True}}]
    world.ec2.modify_instance_attribute(InstanceId=instance_id, BlockDeviceMappings=mappings)
    told = device_of(world, instance_id, "/dev/sdg")

    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")
    world.region.eventually(lambda: state(world, kept) == "available")

    assert told is not None
    assert told["DeleteOnTermination"]
    assert refusal(world, "describe_volumes", VolumeIds=[going]) == "InvalidVolume.NotFound"
    assert world.describe(instance_id)["BlockDeviceMappings"] == []


def test_an_interruption_ends_an_instance_and_leaves_its_mounted_volume(world: World) -> None:
    instance_id = world.launch_and_boot()
    volume_id = attached(world, instance_id)
    mount(world, instance_id, volume_id)

    world.region.control("POST", f"/instances/{instance_id}/notice", {"lead_seconds": 1})
    world.wait_for_state(instance_id, "terminated")

    world.region.eventually(lambda: state(world, volume_id) == "available")


def test_a_device_that_is_not_there_cannot_be_kept(world: World) -> None:
    mappings = [{"DeviceName": DEVICE, "Ebs": {"DeleteOnTermination": False}}]

    refused = refusal(world, "modify_instance_attribute", InstanceId=running(world), BlockDeviceMappings=mappings)

    assert refused == "InvalidInstanceAttributeValue"


def test_a_launch_brings_data_volumes_that_go_with_it_unless_it_says_otherwise(world: World) -> None:
    mappings = [
        {"DeviceName": DEVICE, "Ebs": {"VolumeSize": 30, "VolumeType": "gp3"}},
        {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 40, "DeleteOnTermination": False}},
    ]
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "launched"}]}]

    instance_id = world.launch(world.image(), BlockDeviceMappings=mappings, TagSpecifications=tags)

    first, second = device_of(world, instance_id), device_of(world, instance_id, "/dev/sdg")
    assert first is not None
    assert second is not None
    seen = volume(world, first["VolumeId"])
    assert (seen["Size"], seen["VolumeType"], seen["Tags"]) == (30, "gp3", [{"Key": "Name", "Value": "launched"}])
    assert (first["DeleteOnTermination"], second["DeleteOnTermination"]) == (True, False)
