"""The daemon's own mounting on an instance of the region of processes: by the kernel's files and the programs on its disk."""

from pathlib import Path

import pytest

from conformance.behaviour import Behaviour
from conformance.http_region import HttpRegion
from conformance.volume_world import attached, volume
from conformance.world import World, service
from spot_agent.carrying.mounts import MachineMounts, programs_of
from spot_agent.clock import SystemClock, ThreadStop
from spot_agent.errors import ActFailed
from spot_agent.rules.volumes import DataVolume

pytestmark = pytest.mark.server


@pytest.fixture
def world(region_of_processes: HttpRegion) -> World:
    return World(region_of_processes)


@pytest.fixture
def root(world: World, region_of_processes: HttpRegion) -> Path:
    """Boot an instance, and return its disk."""
    instance_id = world.launch_and_boot(service("sleeper", Behaviour.SLEEPS))
    return region_of_processes.state_dir / "instances" / instance_id / "disk"


def mounts_of(root: Path) -> MachineMounts:
    return MachineMounts(SystemClock(), ThreadStop(), root, programs_of(root))


def shop(world: World, root: Path) -> DataVolume:
    """Attach a volume to the instance of a disk."""
    return DataVolume(attached(world, root.parent.name), "/dev/sdf", "/srv/shop", "ext4")


def test_a_volume_is_mounted_in_the_instance_s_disk_and_found_so(world: World, root: Path) -> None:
    mounts, wanted = mounts_of(root), shop(world, root)

    device = mounts.mount(wanted, 30.0)
    again = mounts.mount(wanted, 30.0)
    (root / "srv/shop/note").write_text("on the volume")
    mounts.unmount(wanted, 30.0)
    below = (root / "srv/shop/note").exists()
    mounts.mount(wanted, 30.0)

    assert (device, again, below) == ("/dev/nvme5n1", "/dev/nvme5n1", False)
    assert (root / "srv/shop/note").read_text() == "on the volume"


def test_a_volume_that_leaves_takes_its_device_with_it(world: World, root: Path) -> None:
    mounts, wanted = mounts_of(root), shop(world, root)
    mounts.mount(wanted, 30.0)
    mounts.unmount(wanted, 30.0)
    world.ec2.detach_volume(VolumeId=wanted.volume_id)
    world.region.eventually(lambda: volume(world, wanted.volume_id)["State"] == "available")

    with pytest.raises(ActFailed) as refused:
        mounts.mount(wanted, 0.5)

    assert refused.value.code == "device_not_there"
