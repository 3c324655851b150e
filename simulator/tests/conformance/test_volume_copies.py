"""Data volumes copied by snapshot, images that leave them out, and the product's own adapters on all of it."""

from botocore.exceptions import ClientError

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
    made,
    mount,
    refusal,
    running,
    volume,
)
from conformance.world import World, error_code, service
from spot_agent.ec2 import BotocoreEc2 as DaemonsEc2
from spot_agent.ec2_facts import VolumeRequest
from spot_server.aws.ec2 import Boto3Ec2 as ServersEc2
from spot_server.aws.volume_ports import VolumeRequest as ServersVolumeRequest

# --- copied


def snapshot(world: World, volume_id: str) -> str:
    """Take a snapshot, and wait until it is complete."""
    snapshot_id = str(world.ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"])
    world.region.eventually(lambda: snapshot_state(world, snapshot_id) == "completed")
    return snapshot_id


def snapshot_state(world: World, snapshot_id: str) -> str:
    return str(world.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]["State"])


def test_a_copy_by_snapshot_has_what_the_volume_had_when_the_snapshot_began(world: World) -> None:
    source = world.launch_and_boot(service("counter", Behaviour.COUNTS))
    volume_id = attached(world, source)
    mount(world, source, volume_id)
    world.region.eventually(lambda: counted(world, source) > 2)

    snapshot_id = world.ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"]
    at_the_call = counted(world, source)
    world.region.eventually(lambda: snapshot_state(world, snapshot_id) == "completed")
    world.region.eventually(lambda: counted(world, source) > at_the_call)
    copy_id = made(world, AvailabilityZone=OTHER_ZONE, SnapshotId=snapshot_id, Size=25)
    target = running(world, SubnetId=world.subnet(OTHER_AZ_ID))
    attach(world, copy_id, target)
    mount(world, target, copy_id)

    assert 0 < counted(world, target) <= at_the_call
    assert (volume(world, copy_id)["SnapshotId"], volume(world, copy_id)["Size"]) == (snapshot_id, 25)


def test_a_pending_snapshot_gives_no_volume(world: World) -> None:
    def refused() -> str | None:
        """Return what a volume of a new snapshot is refused with; None if that was complete before, as on a slow machine."""
        snapshot_id = world.ec2.create_snapshot(VolumeId=made(world))["SnapshotId"]  # the first of a volume, which takes longest
        try:
            world.ec2.create_volume(AvailabilityZone=OTHER_ZONE, SnapshotId=snapshot_id)
        except ClientError as error:
            return error_code(error)
        return None

    assert world.region.eventually(refused) == "IncorrectState"


def test_a_copy_is_as_large_and_as_encrypted_as_its_snapshot_at_least(world: World) -> None:
    snapshot_id = snapshot(world, made(world, Encrypted=True))
    copy = volume(world, str(world.ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot_id)["VolumeId"]))

    too_small = refusal(world, "create_volume", AvailabilityZone=ZONE, SnapshotId=snapshot_id, Size=10)

    assert (copy["Size"], copy["Encrypted"], copy["VolumeType"]) == (20, True, "gp2")
    assert too_small == "InvalidBlockDeviceMapping"


def test_a_snapshot_outlives_its_volume_and_is_found_by_it(world: World) -> None:
    volume_id = made(world)
    snapshot_id = snapshot(world, volume_id)
    world.ec2.delete_volume(VolumeId=volume_id)

    found = world.ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "volume-id", "Values": [volume_id]}])["Snapshots"]

    assert [(one["SnapshotId"], one["VolumeSize"]) for one in found] == [(snapshot_id, 20)]


def test_the_snapshots_of_an_instance_are_of_all_its_volumes(world: World) -> None:
    instance_id = running(world)
    volume_id = attached(world, instance_id)
    root = world.describe(instance_id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]

    taken = world.ec2.create_snapshots(InstanceSpecification={"InstanceId": instance_id})["Snapshots"]

    assert {one["VolumeId"] for one in taken} == {root, volume_id}


def test_an_image_leaves_out_the_devices_that_it_is_told_to_and_what_is_mounted(world: World) -> None:
    source = world.launch_and_boot(service("counter", Behaviour.COUNTS))
    volume_id = attached(world, source)
    mount(world, source, volume_id)
    world.region.eventually(lambda: counted(world, source) > 2)
    without = [{"DeviceName": DEVICE, "NoDevice": ""}]

    image_id = world.ec2.create_image(InstanceId=source, Name=world.unique("image"), NoReboot=True, BlockDeviceMappings=without)["ImageId"]
    image = world.ec2.describe_images(ImageIds=[image_id])["Images"][0]
    world.region.eventually(lambda: world.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "available")
    clone = world.launch(image_id)

    assert [one["DeviceName"] for one in image["BlockDeviceMappings"]] == ["/dev/sda1"]
    assert len(world.describe(clone)["BlockDeviceMappings"]) == 1
    with_it = {"InstanceId": source, "Name": world.unique("image"), "NoReboot": True}
    assert refusal(world, "create_image", **with_it) == "UnsupportedOperation"


# --- by the product's own adapters


def test_daemon_and_server_see_move_and_copy_the_same_volumes(world: World) -> None:
    daemon = DaemonsEc2(world.region.patient_ec2, world.ec2, world.region.client).ebs
    server = ServersEc2(world.region.patient_ec2, world.ec2, world.region.client).volumes
    instance_id, mark, token = running(world), {"switch": world.unique("switch")}, world.unique("token")
    volume_id = made(world, Iops=4000, Throughput=250)

    daemon.attach(volume_id, instance_id, DEVICE)
    world.region.eventually(lambda: daemon.describe([volume_id])[0].attachments[0].state == "attached")
    by_daemon, by_server = daemon.describe([UNKNOWN, volume_id]), server.describe([UNKNOWN, volume_id])
    server.detach(volume_id, instance_id, is_forced=False)
    world.region.eventually(lambda: daemon.describe([volume_id])[0].state == "available")
    snapshot_id = daemon.create_snapshot(volume_id, mark)
    world.region.eventually(lambda: server.snapshots_of(volume_id)[0].state == "completed")
    source, servers_source = daemon.describe([volume_id])[0], server.describe([volume_id])[0]
    copy = daemon.create_volume(VolumeRequest(token, snapshot_id, OTHER_ZONE, source, mark))
    again = server.create_volume(ServersVolumeRequest(token, snapshot_id, OTHER_ZONE, servers_source, mark))

    assert len(by_daemon) == len(by_server) == 1
    assert [(held.instance_id, held.device_name) for held in by_server[0].attachments] == [(instance_id, DEVICE)]
    assert by_daemon[0].attachments[0].device_name == DEVICE
    assert copy == again
    assert [one.volume_id for one in server.find(mark)] == [copy]
    made_copy = daemon.describe([copy])[0]
    assert (made_copy.iops, made_copy.throughput_mib_per_second, made_copy.size_gib, made_copy.tags) == (4000, 250, 20, mark)
