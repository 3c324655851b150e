"""Images and snapshots."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.behaviour import Behaviour
from conformance.world import World, error_code, service


def create_image(world: World, instance_id: str, **more: Any) -> str:
    """Create an image of a running instance without a reboot."""
    world.wait_for_state(instance_id, "running")
    request = {"InstanceId": instance_id, "Name": world.unique("image"), "NoReboot": True, **more}
    return str(world.ec2.create_image(**request)["ImageId"])


def image_state(world: World, image_id: str) -> str:
    """Return an image's state."""
    return str(world.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"])


def test_an_image_is_pending_and_then_available(world: World) -> None:
    instance_id = world.launch(world.image())

    def pending() -> str | None:
        """Return an image that was found pending; on a slow machine one may be available before anybody looks."""
        image_id = create_image(world, instance_id)
        return image_id if image_state(world, image_id) == "pending" else None

    image_id = world.region.eventually(pending)
    world.region.eventually(lambda: image_state(world, image_id) == "available")

    assert world.launch(image_id)


def test_a_pending_image_launches_nothing(world: World) -> None:
    instance_id = world.launch(world.image())

    def refusal() -> str | None:
        """Return what a launch from a new image is refused with; None if it was available before, as on a slow machine."""
        image_id = create_image(world, instance_id)
        try:
            world.launch(image_id)
        except ClientError as error:
            return error_code(error)
        return None

    assert world.region.eventually(refusal) == "InvalidAMIID.Unavailable"


def test_an_image_holds_the_disk_of_the_moment_of_the_call(world: World) -> None:
    parent = world.launch_and_boot(service("writer", Behaviour.COUNTS, condition_path_exists="may-write"))  # a clone's does not begin
    world.region.write_run(parent, "may-write")
    world.region.control("POST", f"/instances/{parent}/services/writer/start")
    world.region.eventually(lambda: len(world.region.read_disk(parent, "srv/count") or "") > 6)

    image_id = create_image(world, parent)
    at_the_call = len(world.region.read_disk(parent, "srv/count") or "")
    world.region.eventually(lambda: image_state(world, image_id) == "available")
    world.region.eventually(lambda: len(world.region.read_disk(parent, "srv/count") or "") > at_the_call)
    clone = world.launch(image_id)

    copied = len(world.region.read_disk(clone, "srv/count") or "")
    assert 6 < copied <= at_the_call


def test_a_clone_carries_its_parents_enabled_services(world: World) -> None:
    parent = world.launch_and_boot(service("daemon", Behaviour.SLEEPS))
    image_id = create_image(world, parent)
    world.region.eventually(lambda: image_state(world, image_id) == "available")

    clone = world.launch(image_id)

    world.region.eventually(lambda: world.pid(clone, "daemon"))
    assert world.pid(clone, "daemon") != world.pid(parent, "daemon")


def test_an_image_and_its_snapshot_are_tagged_in_one_call(world: World) -> None:
    instance_id = world.launch(world.image())
    tags = [
        {"ResourceType": "image", "Tags": [{"Key": "switch", "Value": "one"}, {"Key": "colour", "Value": "red"}]},
        {"ResourceType": "snapshot", "Tags": [{"Key": "switch", "Value": "two"}]},
    ]

    image_id = create_image(world, instance_id, TagSpecifications=tags)

    image = world.ec2.describe_images(ImageIds=[image_id])["Images"][0]
    snapshot_id = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    snapshot = world.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]
    assert {tag["Key"]: tag["Value"] for tag in image["Tags"]} == {"switch": "one", "colour": "red"}
    assert {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]} == {"switch": "two"}


def test_the_name_of_an_image_is_taken_once(world: World) -> None:
    instance_id, name = world.launch(world.image()), world.unique("image")
    first = create_image(world, instance_id, Name=name)

    with pytest.raises(ClientError) as caught:
        create_image(world, instance_id, Name=name)

    assert error_code(caught.value) == "InvalidAMIName.Duplicate"
    found = world.ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [name]}])["Images"]
    assert [image["ImageId"] for image in found] == [first]


def test_without_no_reboot_the_instance_boots_again(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SLEEPS))
    first_pid = world.pid(instance_id, "daemon")

    create_image(world, instance_id, NoReboot=False)

    world.region.eventually(lambda: world.pid(instance_id, "daemon") not in {first_pid, None})
    assert world.describe(instance_id)["State"]["Name"] == "running"


def test_a_terminated_instance_gives_no_image(world: World) -> None:
    instance_id = world.launch(world.image())
    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")

    with pytest.raises(ClientError) as caught:
        world.ec2.create_image(InstanceId=instance_id, Name=world.unique("image"), NoReboot=True)

    assert error_code(caught.value) == "IncorrectInstanceState"


def test_a_deregistered_image_launches_nothing_and_leaves_its_snapshot(world: World) -> None:
    image_id = create_image(world, world.launch(world.image()))
    image = world.ec2.describe_images(ImageIds=[image_id])["Images"][0]
    snapshot_id = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]

    with pytest.raises(ClientError) as in_use:
        world.ec2.delete_snapshot(SnapshotId=snapshot_id)
    world.ec2.deregister_image(ImageId=image_id)
    with pytest.raises(ClientError) as no_launch:
        world.launch(image_id)
    world.ec2.delete_snapshot(SnapshotId=snapshot_id)

    assert error_code(in_use.value) == "InvalidSnapshot.InUse"
    assert error_code(no_launch.value) == "InvalidAMIID.NotFound"


def test_deregistering_can_delete_the_snapshot_too(world: World) -> None:
    image_id = create_image(world, world.launch(world.image()))
    image = world.ec2.describe_images(ImageIds=[image_id])["Images"][0]
    snapshot_id = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]

    world.ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)

    with pytest.raises(ClientError) as caught:
        world.ec2.describe_snapshots(SnapshotIds=[snapshot_id])
    assert error_code(caught.value) == "InvalidSnapshot.NotFound"


def test_a_snapshot_of_a_volume_is_pending_and_then_completed(world: World) -> None:
    instance_id = world.launch(world.image())
    volume_id = world.describe(instance_id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "salvage", "Value": "yes"}]}]

    answer = world.ec2.create_snapshot(VolumeId=volume_id, TagSpecifications=tags)

    def snapshot() -> Any:
        return world.ec2.describe_snapshots(SnapshotIds=[answer["SnapshotId"]])["Snapshots"][0]

    world.region.eventually(lambda: snapshot()["State"] == "completed")
    assert answer["State"] == "pending"
    assert snapshot()["VolumeId"] == volume_id
    assert snapshot()["Tags"] == [{"Key": "salvage", "Value": "yes"}]
