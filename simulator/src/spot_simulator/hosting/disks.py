"""The disks: a folder per instance, a folder per snapshot, copied as they are at the moment of the call."""

import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from spot_simulator.hosting.service_list import ServiceSpec, read_services


class Disks:
    """The layout of the state directory."""

    def __init__(self, state_dir: Path) -> None:
        """Create the top folders."""
        self.instances, self._snapshots = state_dir / "instances", state_dir / "snapshots"
        for folder in (self.instances, self._snapshots):
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
        """Copy an instance's root volume; files that change meanwhile are copied as far as they are."""
        copy_tree(self.root(instance_id), self.snapshot(snapshot_id))

    def fill_snapshot(self, snapshot_id: str, files: Mapping[str, str]) -> None:
        """Write the files of a snapshot, by their path on the disk."""
        for name, content in files.items():
            path = self.snapshot(snapshot_id) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def services(self, instance_id: str) -> tuple[ServiceSpec, ...]:
        """Read an instance's enabled services. Raise ``ValueError`` if the list cannot be read."""
        return read_services(self.root(instance_id))

    def is_in_run(self, instance_id: str, path: str) -> bool:
        """Whether a path exists below an instance's /run."""
        return (self.run(instance_id) / path).exists()

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Drop a snapshot's content."""
        shutil.rmtree(self._snapshots / snapshot_id, ignore_errors=True)


def copy_tree(source: Path, target: Path) -> None:
    """Copy folders, files and symbolic links; sockets and pipes stay behind, and so does what vanishes during the copy."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        copy = target / entry.name
        try:
            mode = entry.lstat().st_mode
            if stat.S_ISLNK(mode):
                copy.symlink_to(entry.readlink())
            elif stat.S_ISDIR(mode):
                copy_tree(entry, copy)
            elif stat.S_ISREG(mode):
                shutil.copy2(entry, copy)
        except FileNotFoundError:
            continue
    shutil.copystat(source, target)
