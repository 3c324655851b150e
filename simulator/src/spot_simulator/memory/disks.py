"""The disks of all instances, their /run, and the copies that snapshots hold."""

from collections.abc import Mapping, Sequence

from spot_simulator.base_image import SERVICES_FILE
from spot_simulator.hosting.service_list import ServiceSpec, parse_service_list
from spot_simulator.memory.disk import Disk
from spot_simulator.ports import Device
from spot_simulator.volumes.mounting import FSTAB_FILE, parse_fstab


class MemoryDisks:
    """Disks of instances that are terminated stay, for whoever counts what was lost."""

    def __init__(self) -> None:
        """Start with none."""
        self.roots: dict[str, Disk] = {}
        self.runs: dict[str, Disk] = {}
        self.volumes: dict[str, Disk] = {}
        """The content of the data volumes."""
        self._snapshots: dict[str, Disk] = {}
        self._lists: dict[str, tuple[ServiceSpec, ...]] = {}

    def make_instance(self, instance_id: str, snapshot_id: str) -> None:
        """Give an instance its root volume, copied from the snapshot of its image."""
        self.roots[instance_id] = self._snapshots[snapshot_id].copy()
        self.empty_run(instance_id)

    def empty_run(self, instance_id: str) -> None:
        """Give an instance a new /run; programs of an earlier boot keep the old one, which nobody sees."""
        self.runs[instance_id] = Disk()

    def take_snapshot(self, instance_id: str, snapshot_id: str) -> None:
        """Copy an instance's root volume as it is now, without what is mounted on it."""
        self._snapshots[snapshot_id] = self.roots[instance_id].copy()

    def take_volume_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Copy a data volume as it is now."""
        self._snapshots[snapshot_id] = self.volumes[volume_id].copy()

    def make_volume(self, volume_id: str, snapshot_id: str | None) -> None:
        """Make the content of a data volume: a copy of a snapshot, or nothing."""
        self.volumes[volume_id] = Disk() if snapshot_id is None else self._snapshots[snapshot_id].copy()

    def drop_volume(self, volume_id: str) -> None:
        """Delete the content of a data volume."""
        del self.volumes[volume_id]

    def show_devices(self, instance_id: str, devices: Sequence[Device]) -> None:
        """No kernel has files here: programs ask the volumes themselves."""

    def mount(self, instance_id: str, volume_id: str, mount_point: str) -> None:
        """Put a volume's content over a path of an instance's disk."""
        self.roots[instance_id].mount(mount_point.strip("/"), self.volumes[volume_id])

    def unmount(self, instance_id: str, volume_id: str, mount_point: str) -> None:
        """Take it away again."""
        self.roots[instance_id].unmount(mount_point.strip("/"))

    def fill_snapshot(self, snapshot_id: str, files: Mapping[str, str]) -> None:
        """Give a snapshot its content."""
        self._snapshots[snapshot_id] = Disk(files)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Drop a snapshot's content."""
        self._snapshots.pop(snapshot_id, None)

    def snapshot(self, snapshot_id: str) -> Disk:
        """Return the content of a snapshot."""
        return self._snapshots[snapshot_id]

    def fstab(self, instance_id: str) -> list[tuple[str, str]]:
        """Return (device name, mount point) of each line of an instance's table of file systems."""
        text = self.roots[instance_id].get(FSTAB_FILE)
        return parse_fstab(text) if isinstance(text, str) else []

    def services(self, instance_id: str) -> tuple[ServiceSpec, ...]:
        """Read an instance's enabled services. Raise ``ValueError`` if the list cannot be read."""
        text = self.roots[instance_id].get(SERVICES_FILE)
        if not isinstance(text, str):
            raise ValueError("services.json cannot be read: it is missing, or no text")  # noqa: TRY004 - as of a disk of folders
        if text not in self._lists:
            self._lists[text] = parse_service_list(text)
        return self._lists[text]

    def is_in_run(self, instance_id: str, path: str) -> bool:
        """Whether a file or folder exists below an instance's /run."""
        run = self.runs[instance_id]
        return path in run or run.has_folder(path)
