"""Data volumes on simulated instances: a device comes when EC2 has attached its volume, and programs mount it."""

from __future__ import annotations

from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.rules.volumes import DataVolume
from spot_simulator.memory.host import Host
from spot_simulator.virtual.process import Process
from spot_simulator.volumes.mounting import MountRefused, Reason

LOOK_SECONDS = 0.2
"""How often the daemon looks for a device."""
PROGRAM_SECONDS = 0.1
"""As long as mount and umount take; an estimate."""
DEVICE = "/dev/nvme1n1"
_MEANING = {
    Reason.NO_DEVICE: (ErrorClass.RACE, "device_not_there"),
    Reason.TAKEN: (ErrorClass.REFUSED, "mount_point_taken"),
    Reason.BUSY: (ErrorClass.CHECK_FAILED, "volume_busy"),
}


class VirtualMounts:
    """The daemon's own mounts, without its programs and its kernel's files."""

    def __init__(self, host: Host, process: Process) -> None:
        """`process` is the daemon's."""
        self._host, self._process = host, process

    def mount(self, volume: DataVolume, bound_seconds: float) -> str:
        """Wait for the device, and mount it."""
        waited_seconds = 0.0
        while not self._host.has_device(volume.volume_id) and waited_seconds < bound_seconds:
            self._process.sleep(LOOK_SECONDS)
            waited_seconds += LOOK_SECONDS
        self._process.sleep(PROGRAM_SECONDS)
        try:
            self._host.mount(volume.volume_id, volume.mount_point)
        except MountRefused as refused:
            raise _failed(refused) from refused
        return DEVICE

    def unmount(self, volume: DataVolume, bound_seconds: float) -> None:
        """Unmount it, if it is mounted."""
        self._process.sleep(PROGRAM_SECONDS)
        try:
            self._host.unmount(volume.volume_id)
        except MountRefused as refused:
            raise _failed(refused) from refused


def _failed(refused: MountRefused) -> ActFailed:
    error_class, code = _MEANING[refused.reason]
    return ActFailed(error_class, code, str(refused))
