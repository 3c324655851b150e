"""The disks: a folder per instance, a folder per snapshot, copied as they are at the moment of the call."""

import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from spot_simulator.hosting.kernel_files import write_kernel_files
from spot_simulator.hosting.service_list import ServiceSpec, read_services
from spot_simulator.ports import Device
from spot_simulator.volumes.mounting import FSTAB_FILE, parse_fstab


class Disks:
    """The layout of the state directory."""

    def __init__(self, state_dir: Path) -> None:
        """Create the top folders."""
        self.instances, self._snapshots, self._volumes = (state_dir / name for name in ("instances", "snapshots", "volumes"))
        for folder in (self.instances, self._snapshots, self._volumes):
            folder.mkdir(parents=True, exist_ok=True)

    def root(self, instance_id: str) -> Path:
        """The instance's root volume."""
        return self.instances / instance_id / "disk"

    def run(self, instance_id: str) -> Path:
        """The instance's /run."""
        return self.instances / instance_id / "run"

    def log(self, instance_id: str, service: str) -> Path:
        """Where a service's standard output and error go."""
        folder = self.instances / instance_id / "log"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{service}.log"

    def snapshot(self, snapshot_id: str) -> Path:
        """The content of a snapshot."""
        return self._snapshots / snapshot_id / "disk"

    def make_instance(self, instance_id: str, snapshot_id: str) -> None:
        """Give an instance its root volume, copied from the snapshot of its image."""
        copy_tree(self.snapshot(snapshot_id), self.root(instance_id))
        self.empty_run(instance_id)

    def empty_run(self, instance_id: str) -> None:
        """Empty /run, as every boot does."""
        shutil.rmtree(self.run(instance_id), ignore_errors=True)
        self.run(instance_id).mkdir(parents=True)

    def take_snapshot(self, instance_id: str, snapshot_id: str) -> None:
        """Copy an instance's root volume, without what is mounted on it; files that change meanwhile are copied as far as they are."""
        copy_tree(self.root(instance_id), self.snapshot(snapshot_id), left_out=self._volumes)

    def volume(self, volume_id: str) -> Path:
        """The content of a data volume."""
        return self._volumes / volume_id

    def make_volume(self, volume_id: str, snapshot_id: str | None) -> None:
        """Make the content of a data volume: a copy of a snapshot, or nothing."""
        self.volume(volume_id).mkdir()
        if snapshot_id is not None:
            copy_tree(self.snapshot(snapshot_id), self.volume(volume_id))

    def drop_volume(self, volume_id: str) -> None:
        """Delete the content of a data volume."""
        shutil.rmtree(self.volume(volume_id), ignore_errors=True)

    def take_volume_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Copy a data volume; files that change meanwhile are copied as far as they are."""
        copy_tree(self.volume(volume_id), self.snapshot(snapshot_id))

    def show_devices(self, instance_id: str, devices: Sequence[Device]) -> None:
        """Write the kernel's files below the instance's disk, as a Nitro instance has them."""
        write_kernel_files(self.root(instance_id), devices)

    def mount(self, instance_id: str, volume_id: str, mount_point: str) -> None:
        """Put a volume's content over a path of an instance's disk: a link to it, with what was there kept aside."""
        place, aside = self._mount_point(instance_id, mount_point), self._aside(instance_id, volume_id)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(exist_ok=True)
        aside.parent.mkdir(exist_ok=True)
        place.rename(aside)
        place.symlink_to(self.volume(volume_id))

    def unmount(self, instance_id: str, volume_id: str, mount_point: str) -> None:
        """Take it away again. A process that has a file of it open writes on, as on no real machine."""
        place = self._mount_point(instance_id, mount_point)
        place.unlink()
        self._aside(instance_id, volume_id).rename(place)

    def _mount_point(self, instance_id: str, mount_point: str) -> Path:
        return self.root(instance_id) / mount_point.lstrip("/")

    def _aside(self, instance_id: str, volume_id: str) -> Path:
        return self.instances / instance_id / "below" / volume_id

    def fill_snapshot(self, snapshot_id: str, files: Mapping[str, str]) -> None:
        """Write the files of a snapshot, by their path on the disk."""
        for name, content in files.items():
            path = self.snapshot(snapshot_id) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def fstab(self, instance_id: str) -> list[tuple[str, str]]:
        """Return (device name, mount point) of each line of an instance's table of file systems."""
        file = self.root(instance_id) / FSTAB_FILE
        return parse_fstab(file.read_text()) if file.exists() else []

    def services(self, instance_id: str) -> tuple[ServiceSpec, ...]:
        """Read an instance's enabled services. Raise ``ValueError`` if the list cannot be read."""
        return read_services(self.root(instance_id))

    def is_in_run(self, instance_id: str, path: str) -> bool:
        """Whether a path exists below an instance's /run."""
        return (self.run(instance_id) / path).exists()

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Drop a snapshot's content."""
        shutil.rmtree(self._snapshots / snapshot_id, ignore_errors=True)


def copy_tree(source: Path, target: Path, *, left_out: Path | None = None) -> None:
    """Copy folders, files and symbolic links; sockets and pipes stay behind, and so does what vanishes during the copy.

    A link to something right below ``left_out`` becomes an empty folder.
    """
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        copy = target / entry.name
        try:
            mode = entry.lstat().st_mode
            if stat.S_ISLNK(mode) and left_out is not None and entry.readlink().parent == left_out:
                copy.mkdir()
            elif stat.S_ISLNK(mode):
                copy.symlink_to(entry.readlink())
            elif stat.S_ISDIR(mode):
                copy_tree(entry, copy, left_out=left_out)
            elif stat.S_ISREG(mode):
                shutil.copy2(entry, copy)
        except FileNotFoundError:
            continue
    shutil.copystat(source, target)
