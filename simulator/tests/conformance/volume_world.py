"""Short words for what the tests of volumes do again and again."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.world import World, error_code

DEVICE, PLACE = "/dev/sdf", "/srv"
ZONE, OTHER_ZONE = "us-east-1b", "us-east-1c"
OTHER_AZ_ID = "use1-az2"
UNKNOWN = "vol-0123456789abcdef0"


def made(world: World, **more: Any) -> str:
    """Make a volume, and wait until it is there."""
    request = {"AvailabilityZone": ZONE, "Size": 20, "VolumeType": "gp3", **more}
    volume_id = str(world.ec2.create_volume(**request)["VolumeId"])
    world.region.eventually(lambda: state(world, volume_id) == "available")
    return volume_id


def running(world: World, **more: Any) -> str:
    """Launch an instance, and wait until it runs."""
    instance_id = world.launch(world.image(), **more)
    world.wait_for_state(instance_id, "running")
    return instance_id


def volume(world: World, volume_id: str) -> dict[str, Any]:
    (found,) = world.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
    return dict(found)


def state(world: World, volume_id: str) -> str:
    return str(volume(world, volume_id)["State"])


def held(world: World, volume_id: str) -> tuple[str, str] | None:
    """Return the instance that has a volume, and how."""
    attachments = volume(world, volume_id)["Attachments"]
    return (attachments[0]["InstanceId"], attachments[0]["State"]) if attachments else None


def attached(world: World, instance_id: str, device: str = DEVICE, **more: Any) -> str:
    """Make a volume and attach it."""
    volume_id = made(world, **more)
    attach(world, volume_id, instance_id, device)
    return volume_id


def attach(world: World, volume_id: str, instance_id: str, device: str = DEVICE) -> None:
    world.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device)
    world.region.eventually(lambda: held(world, volume_id) == (instance_id, "attached"))


def detach(world: World, volume_id: str) -> None:
    world.ec2.detach_volume(VolumeId=volume_id)
    world.region.eventually(lambda: state(world, volume_id) == "available")


def mount(world: World, instance_id: str, volume_id: str) -> tuple[int, Any]:
    return world.region.control("POST", f"/instances/{instance_id}/mount", {"volume_id": volume_id, "mount_point": PLACE})


def unmount(world: World, instance_id: str, volume_id: str) -> tuple[int, Any]:
    return world.region.control("POST", f"/instances/{instance_id}/unmount", {"volume_id": volume_id})


def counted(world: World, instance_id: str) -> int:
    """Return how much the counting service has written on what an instance has at /srv."""
    return len(world.region.read_disk(instance_id, "srv/count") or "")


def refusal(world: World, call: str, **parameters: Any) -> str:
    with pytest.raises(ClientError) as raised:
        getattr(world.ec2, call)(**parameters)
    return error_code(raised.value)


def device_of(world: World, instance_id: str, device: str = DEVICE) -> dict[str, Any] | None:
    devices = {one["DeviceName"]: one["Ebs"] for one in world.describe(instance_id)["BlockDeviceMappings"]}
    return devices.get(device)
