"""Workloads whose state comes along, as the tests with real processes set them up."""

import json
import shutil

from spot_simulator.demo.world import Workload, free_port

TYPES = ("m5.large", "m5a.large", "m6i.large")
PLACE = "/srv/workload"
"""Where the workload keeps its writes, and the data volume is mounted."""

SYNC_PROGRAMS = ("rsync", "ssh", "sshd")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def with_volume(name: str, *, starts_on_spot: bool = False) -> Workload:
    """Return one that writes on a data volume."""
    wanted = [{"device_name": "/dev/sdf", "mount_point": PLACE, "file_system": "ext4"}]
    return Workload(
        name,
        "volume",
        "m5.large",
        TYPES,
        starts_on_spot=starts_on_spot,
        daemon_settings={"MACHINE_ROOT": "$INSTANCE_ROOT", "DATA_VOLUMES": json.dumps(wanted)},
        files={"etc/fstab": f"/dev/sdf {PLACE} ext4 nofail 0 2\n"},
        volumes=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3"}}],
    )


def with_rsync(name: str, *, starts_on_spot: bool = False) -> Workload:
    """Return one whose folder goes over by rsync."""
    daemon_settings = {"SYNC_PATHS": "$INSTANCE_ROOT/srv/workload", "SYNC_PORT": str(free_port())}
    return Workload(name, "rsync", "m5.large", TYPES, starts_on_spot=starts_on_spot, daemon_settings=daemon_settings)


def missing_sync_programs() -> list[str]:
    """Return what rsync over SSH needs and this machine lacks."""
    return [name for name in SYNC_PROGRAMS if shutil.which(name, path=PATH) is None]
