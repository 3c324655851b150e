"""What the programs ``mount`` and ``umount`` do on an instance, and what its system mounts when it boots."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from spot_simulator.base_image import DATA_FOLDER
from spot_simulator.hosting.init import WORKLOAD
from spot_simulator.machine import Machine
from spot_simulator.volumes.records import Attachment, Volume
from spot_simulator.volumes.volumes import Volumes

FSTAB_FILE = "etc/fstab"
"""Lines of a device, a place, and more that is not looked at; what is not there at a boot is left out, as with ``nofail``."""


class Reason(StrEnum):
    """Why a program refuses."""

    NO_DEVICE = "no_device"
    TAKEN = "taken"
    BUSY = "busy"


class MountRefused(Exception):
    """A program ended with an error, and says why."""

    def __init__(self, reason: Reason, text: str) -> None:
        """``text`` is one line for people."""
        super().__init__(text)
        self.reason = reason


class Tables(Protocol):
    """The disks, as far as a boot reads them."""

    def fstab(self, instance_id: str) -> Iterable[tuple[str, str]]:
        """Return (device name, mount point) of each line of an instance's table of file systems."""
        ...


@dataclass(frozen=True, slots=True)
class Mounting:
    """Called with the region's lock held. ``is_running`` tells of a service on an instance."""

    volumes: Volumes
    tables: Tables
    is_running: Callable[[Machine, str], bool]

    def mount(self, machine: Machine, volume_id: str, mount_point: str) -> None:
        """Mount a volume; one that is mounted there already is fine. Raise ``MountRefused``."""
        volume, attachment = self._device(machine, volume_id)
        if attachment.mount_point == mount_point:
            return
        if attachment.mount_point is not None:
            raise MountRefused(Reason.TAKEN, f"{volume_id} is mounted at {attachment.mount_point}")
        for other in self.volumes.on_instance(machine.instance_id):
            if other.attachment is not None and other.attachment.mount_point == mount_point:
                raise MountRefused(Reason.TAKEN, f"{other.volume_id} is mounted at {mount_point}")
        self.volumes.mount(volume, mount_point)

    def unmount(self, machine: Machine, volume_id: str) -> None:
        """Unmount a volume; one that is not mounted is fine. Its files are in use while the workload runs. Raise ``MountRefused``."""
        volume = self.volumes.by_id.get(volume_id)
        if volume is None or volume.attachment is None or volume.held_by != machine.instance_id:
            return
        place = volume.attachment.mount_point
        if place is not None and f"/{DATA_FOLDER}/".startswith(f"{place}/") and self.is_running(machine, WORKLOAD):
            raise MountRefused(Reason.BUSY, f"{place}: target is busy.")
        self.volumes.unmount(volume)

    def has_device(self, machine: Machine, volume_id: str) -> bool:
        """Whether the system of an instance shows a volume."""
        volume = self.volumes.by_id.get(volume_id)
        return volume is not None and volume.attachment is not None and volume.held_by == machine.instance_id and volume.attachment.is_shown

    def on_boot(self, machine: Machine) -> None:
        """Begin with nothing mounted but what the table of file systems says, as far as it is there."""
        self.volumes.on_boot(machine)
        for device_name, mount_point in self.tables.fstab(machine.instance_id):
            volume = self.volumes.at_device(machine.instance_id, device_name)
            if volume is not None and volume.attachment is not None and volume.attachment.is_shown:
                self.volumes.mount(volume, mount_point)

    def _device(self, machine: Machine, volume_id: str) -> tuple[Volume, Attachment]:
        volume = self.volumes.by_id.get(volume_id)
        if volume is None or volume.attachment is None or volume.disk_of is not None or not self.has_device(machine, volume_id):
            raise MountRefused(Reason.NO_DEVICE, f"{machine.instance_id} has no device of {volume_id}")
        return volume, volume.attachment


def parse_fstab(text: str) -> list[tuple[str, str]]:
    """Read (device name, mount point) of each line that is neither empty nor a remark."""
    words = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(one[0], one[1]) for one in words if len(one) > 1]
