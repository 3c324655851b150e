"""What a kernel shows of volumes, below the disk of a simulated instance: a device for each, and what is mounted.

A Nitro instance's: NVMe devices whose serial number is the volume's id without the dash. Source: the EC2 user guide, "Map NVMe disks".
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from spot_simulator.ports import Device

BLOCK_FOLDER = "sys/class/block"
MOUNTS_FILE = "proc/self/mountinfo"
_NVME_MAJOR = 259


def write_kernel_files(root: Path, devices: Sequence[Device]) -> None:
    """Bring them up to date; an image may have brought its parent's. What stays is not touched: a daemon may read it now."""
    block = root / BLOCK_FOLDER
    wanted, mounts = {root / MOUNTS_FILE: ""}, []
    for place, device in enumerate(devices):
        number = _number_of(device.device_name)
        folder = block / f"nvme{number}n1"
        wanted[folder / "dev"] = f"{_NVME_MAJOR}:{number}\n"
        wanted[folder / "device" / "serial"] = f"{device.volume_id.replace('-', '')}\n"
        if device.mount_point is not None:
            mounts.append(f"{100 + place} 1 {_NVME_MAJOR}:{number} / {device.mount_point} rw - ext4 /dev/{folder.name} rw\n")
    wanted[root / MOUNTS_FILE] = "".join(mounts)
    for folder in block.iterdir() if block.is_dir() else ():
        if folder / "dev" not in wanted:
            shutil.rmtree(folder)
    for file, text in wanted.items():
        _write(file, text)


def _write(file: Path, text: str) -> None:
    """Write it whole or not at all."""
    if not file.exists() or file.read_text() != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new")
        new.write_text(text)
        new.replace(file)


def _number_of(device_name: str) -> int:
    """Number a device by its letter, so that it keeps its name while others come and go: 0 for /dev/sda1, 5 for /dev/sdf."""
    letter = device_name.rstrip("0123456789")[-1:]
    return ord(letter) - ord("a")


def volume_at(root: Path, device: str) -> str | None:
    """Return the volume behind a device such as /dev/nvme5n1; None if there is none."""
    serial = root / BLOCK_FOLDER / device.removeprefix("/dev/") / "device" / "serial"
    return f"vol-{serial.read_text().strip().removeprefix('vol')}" if serial.exists() else None


def device_mounted_at(root: Path, mount_point: str) -> str | None:
    """Return the device that is mounted at a place; None if nothing is."""
    lines = [line.split() for line in (root / MOUNTS_FILE).read_text().splitlines()]
    return next((words[8] for words in lines if words[4] == mount_point), None)
