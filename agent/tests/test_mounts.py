"""Mounting on a machine: which device is a volume's, what is refused, and what is found done. The programs are stand-ins that note it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_fakes.virtual import VirtualClock, VirtualStop
from spot_agent.carrying.mounts import MachineMounts, missing_programs
from spot_agent.errors import ActFailed
from spot_agent.rules.volumes import DataVolume

SHOP = DataVolume("vol-0a1b", "/dev/sdf", "/srv/shop", "ext4")
ROOT_LINE = "22 1 259:0 / / rw,relatime - ext4 /dev/nvme0n1p1 rw\n"

MOUNT = """#!/bin/sh
echo "$@" >> "{log}"
name=${{3#/dev/}}
number=$(cat "{root}/sys/class/block/$name/dev")
echo "40 22 $number / $4 rw - $2 $3 rw" >> "{root}/proc/self/mountinfo"
"""
UMOUNT = """#!/bin/sh
echo "umount $1" >> "{log}"
[ -e "{root}/busy" ] && {{ echo "umount: $1: target is busy." >&2; exit 32; }}
grep -v " $1 " "{root}/proc/self/mountinfo" > "{root}/left"
cat "{root}/left" > "{root}/proc/self/mountinfo"
"""


class Machine:
    """A root of its own with a kernel's files, and programs that act on them."""

    def __init__(self, root: Path) -> None:
        self.root, self.log = root, root / "log"
        (root / "proc/self").mkdir(parents=True)
        self.mountinfo.write_text(ROOT_LINE)
        self.bin = root / "bin"
        self.bin.mkdir()
        for name, text in {"mount": MOUNT, "umount": UMOUNT}.items():
            program = self.bin / name
            program.write_text(text.format(log=self.log, root=root))
            program.chmod(0o755)
        self.clock = VirtualClock()
        path = f"{self.bin}:/usr/bin:/bin"
        self.mounts = MachineMounts(self.clock, VirtualStop(self.clock), root, path)

    @property
    def mountinfo(self) -> Path:
        return self.root / "proc/self/mountinfo"

    def device(self, name: str, number: str, serial: str | None = None, *, is_partition: bool = False) -> None:
        device = self.root / "sys/class/block" / name
        (device / "device").mkdir(parents=True)
        (device / "dev").write_text(f"{number}\n")
        if serial is not None:
            (device / "device/serial").write_text(f"{serial} \n")
        if is_partition:
            (device / "partition").write_text("1\n")

    def mounted(self, number: str, where: str) -> None:
        self.mountinfo.write_text(self.mountinfo.read_text() + f"40 22 {number} / {where} rw - ext4 /dev/x rw\n")

    @property
    def ran(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A Nitro instance with its root and one data volume, which is not the second device."""
    machine = Machine(tmp_path)
    machine.device("nvme0n1", "259:0", "vol0root")
    machine.device("nvme1n1", "259:3", "vol0other")
    machine.device("nvme2n1", "259:5", "vol0a1b")
    machine.device("nvme2n1p1", "259:6", "vol0a1b", is_partition=True)
    return machine


def test_a_volume_is_found_by_its_serial_number_and_mounted(machine: Machine) -> None:
    device = machine.mounts.mount(SHOP, 30)

    assert device == "/dev/nvme2n1"
    assert machine.ran == ["-t ext4 /dev/nvme2n1 /srv/shop"]
    assert (machine.root / "srv/shop").is_dir()


def test_one_that_is_mounted_already_is_found_so(machine: Machine) -> None:
    machine.mounts.mount(SHOP, 30)
    machine.mounts.mount(SHOP, 30)

    assert len(machine.ran) == 1


def test_without_nvme_the_device_goes_by_its_name(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.device("xvdf", "202:80")

    assert machine.mounts.mount(SHOP, 30) == "/dev/xvdf"


def test_a_device_that_does_not_come_is_waited_for_until_the_bound(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.device("nvme1n1", "259:3", "vol0other")

    with pytest.raises(ActFailed, match="vol0a1b") as caught:
        machine.mounts.mount(SHOP, 30)

    assert (caught.value.code, machine.ran) == ("device_not_there", [])
    assert machine.clock.passed_seconds == pytest.approx(30, abs=1)


def test_a_place_that_is_taken_is_not_mounted_over(machine: Machine) -> None:
    machine.mounted("259:3", "/srv/shop")

    with pytest.raises(ActFailed) as caught:
        machine.mounts.mount(SHOP, 30)

    assert (caught.value.code, machine.ran) == ("mount_point_taken", [])


def test_a_volume_that_is_mounted_elsewhere_is_not_mounted_a_second_time(machine: Machine) -> None:
    machine.mounted("259:5", "/mnt/old\\040shop")

    with pytest.raises(ActFailed, match="/mnt/old shop") as caught:
        machine.mounts.mount(SHOP, 30)

    assert caught.value.code == "mounted_elsewhere"


def test_a_mount_that_fails_says_what_the_program_said(machine: Machine) -> None:
    (machine.bin / "mount").write_text("#!/bin/sh\necho 'wrong fs type, bad superblock' >&2\nexit 32\n")

    with pytest.raises(ActFailed, match="bad superblock") as caught:
        machine.mounts.mount(SHOP, 30)

    assert caught.value.code == "mount_failed"


def test_a_volume_is_unmounted_wherever_it_is_mounted_and_once_more_is_fine(machine: Machine) -> None:
    machine.mounts.mount(SHOP, 30)
    machine.mounted("259:5", "/srv/inner")

    machine.mounts.unmount(SHOP, 30)
    machine.mounts.unmount(SHOP, 30)

    assert machine.mountinfo.read_text() == ROOT_LINE
    assert machine.ran[1:] == ["umount /srv/inner", "umount /srv/shop"]


def test_a_busy_file_system_is_never_detached_lazily(machine: Machine) -> None:
    machine.mounts.mount(SHOP, 30)
    (machine.root / "busy").touch()

    with pytest.raises(ActFailed, match="target is busy") as caught:
        machine.mounts.unmount(SHOP, 30)

    assert caught.value.code == "volume_busy"
    assert "259:5" in machine.mountinfo.read_text()
    assert not [line for line in machine.ran if "-l" in line.split()]


def test_a_volume_that_is_not_attached_is_mounted_nowhere(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    machine.mounts.unmount(SHOP, 30)

    assert machine.ran == []


def test_an_unmount_that_hangs_is_given_up_at_its_bound(machine: Machine) -> None:
    machine.mounts.mount(SHOP, 30)
    (machine.bin / "umount").write_text("#!/bin/sh\nexec sleep 60\n")

    with pytest.raises(ActFailed, match="did not end") as caught:
        machine.mounts.unmount(SHOP, 1)

    assert caught.value.error_class.value == "hook_timed_out"


def test_missing_programs_are_named(machine: Machine) -> None:
    (machine.bin / "umount").unlink()

    assert missing_programs(str(machine.bin)) == ["umount is not installed"]
