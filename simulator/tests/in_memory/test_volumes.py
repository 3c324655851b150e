"""What of a volume's life takes too little time to be seen in a region of processes that runs a thousand times as fast."""

import pytest
from botocore.exceptions import ClientError

from in_memory.place import LONGEST_BOOT_SECONDS, LONGEST_IMAGE_SECONDS, Place
from spot_simulator.memory.disk import Disk

ZONE = "us-east-1b"
LONGEST_CHANGE_SECONDS, LONGEST_LATER_SNAPSHOT_SECONDS = 5.0, 90.0


@pytest.fixture
def place() -> Place:
    return Place()


def made(place: Place) -> str:
    volume_id = place.ec2.create_volume(AvailabilityZone=ZONE, Size=20)["VolumeId"]
    place.wait(LONGEST_CHANGE_SECONDS)
    return str(volume_id)


def booted(place: Place) -> str:
    instance_id = place.launch(place.base_image(), Placement={"AvailabilityZone": ZONE})
    place.wait(LONGEST_BOOT_SECONDS)
    return instance_id


def state(place: Place, volume_id: str) -> str:
    volume = place.region.volumes.by_id[volume_id]
    return volume.attachment.state.value if volume.attachment else volume.state


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_volume_is_neither_attached_nor_deleted_nor_copied_while_it_is_made(place: Place) -> None:
    instance_id = booted(place)
    volume_id = place.ec2.create_volume(AvailabilityZone=ZONE, Size=20)["VolumeId"]

    with pytest.raises(ClientError) as attached:
        place.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device="/dev/sdf")
    with pytest.raises(ClientError) as deleted:
        place.ec2.delete_volume(VolumeId=volume_id)
    with pytest.raises(ClientError) as copied:
        place.ec2.create_snapshot(VolumeId=volume_id)

    assert {code(attached), code(deleted), code(copied)} == {"IncorrectState"}


def test_a_volume_on_its_way_off_is_nobody_else_s_yet(place: Place) -> None:
    instance_id, volume_id = booted(place), made(place)
    place.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device="/dev/sdf")
    place.ec2.detach_volume(VolumeId=volume_id)

    with pytest.raises(ClientError) as refused:
        place.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device="/dev/sdg")
    on_its_way = state(place, volume_id)
    place.wait(LONGEST_CHANGE_SECONDS)

    assert (code(refused), on_its_way, state(place, volume_id)) == ("VolumeInUse", "detaching", "available")


def test_a_volume_stays_with_an_instance_that_shuts_down_and_is_free_some_seconds_after_its_end(place: Place) -> None:
    instance_id, volume_id = booted(place), made(place)
    place.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device="/dev/sdf")
    place.wait(LONGEST_CHANGE_SECONDS)

    place.ec2.terminate_instances(InstanceIds=[instance_id])
    seen = [state(place, volume_id)]
    while place.machine(instance_id).state.value != "terminated":
        place.wait(0.5)
        seen.append(state(place, volume_id))
    place.wait(LONGEST_CHANGE_SECONDS)

    assert set(seen[:-1]) == {"attached"}
    assert (seen[-1], state(place, volume_id)) == ("detaching", "available")


def test_an_instance_that_ends_while_a_volume_comes_does_not_get_it(place: Place) -> None:
    instance_id, volume_id = booted(place), made(place)
    place.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device="/dev/sdf")
    place.region.control.lose(instance_id)

    place.wait(60.0)

    assert state(place, volume_id) == "available"


def test_five_snapshots_of_one_volume_may_be_pending_and_later_ones_are_quicker(place: Place) -> None:
    volume_id = made(place)
    for _ in range(5):
        place.ec2.create_snapshot(VolumeId=volume_id)
    with pytest.raises(ClientError) as refused:
        place.ec2.create_snapshot(VolumeId=volume_id)
    place.wait(LONGEST_IMAGE_SECONDS)

    snapshot_id = place.ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"]
    place.wait(LONGEST_LATER_SNAPSHOT_SECONDS)

    assert code(refused) == "ConcurrentSnapshotLimitExceeded"
    assert place.region.books.snapshots[snapshot_id].state == "completed"


def test_a_workload_that_writes_on_a_volume_that_is_torn_away_writes_on_the_disk_below() -> None:
    root, volume = Disk({"srv/shop/below": "1"}), Disk()
    root.mount("srv/shop", volume)
    root["srv/shop/note"] = "kept"
    root.open("srv/shop/writes", lambda: "open")
    on_top = sorted(root)

    root.unmount("srv/shop")
    root["srv/shop/late"] = "2"

    assert on_top == ["srv/shop/note", "srv/shop/writes"]
    assert dict(volume) == {"note": "kept", "writes": "open"}
    assert sorted(root) == ["srv/shop/below", "srv/shop/late"]


def test_a_snapshot_of_a_disk_holds_nothing_that_is_mounted_on_it() -> None:
    root, volume = Disk({"etc/name": "x", "srv/shop/below": "1"}), Disk({"note": "on the volume"})
    root.mount("srv/shop", volume)

    assert dict(root.copy()) == {"etc/name": "x", "srv/shop/below": "1"}
