"""The disks of all instances, their /run, and the copies that snapshots hold."""

from collections.abc import Mapping

from spot_simulator.base_image import SERVICES_FILE
from spot_simulator.hosting.service_list import ServiceSpec, parse_service_list
from spot_simulator.memory.disk import Disk


class MemoryDisks:
    """Disks of instances that are terminated stay, for whoever counts what was lost."""

    def __init__(self) -> None:
        """Start with none."""
        self.roots: dict[str, Disk] = {}
        self.runs: dict[str, Disk] = {}
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
        """Copy an instance's root volume as it is now."""
        self._snapshots[snapshot_id] = self.roots[instance_id].copy()

    def fill_snapshot(self, snapshot_id: str, files: Mapping[str, str]) -> None:
        """Give a snapshot its content."""
        self._snapshots[snapshot_id] = Disk(files)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Drop a snapshot's content."""
        self._snapshots.pop(snapshot_id, None)

    def snapshot(self, snapshot_id: str) -> Disk:
        """Return the content of a snapshot."""
        return self._snapshots[snapshot_id]

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
