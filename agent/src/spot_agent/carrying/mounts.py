"""Mounting and unmounting data volumes on this machine. A device is known by its volume's id, never by its place in a list."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from spot_agent.carrying.programs import PATH
from spot_agent.clock import Clock, Stop
from spot_agent.errors import ActFailed, ErrorClass, Stopping
from spot_agent.hooks import tail
from spot_agent.rules.volumes import DataVolume, Mounted, kernel_names, parse_mounts, serial_of

NEEDED = ("mount", "umount")
LOOK_SECONDS = 0.2
LEAST_BOUND_SECONDS = 1.0


def missing_programs(path: str = PATH) -> list[str]:
    """Say of each program that is missing that it is."""
    return [f"{name} is not installed" for name in NEEDED if shutil.which(name, path=path) is None]


def programs_of(root: Path) -> str:
    """Where mount and umount are looked for: on a machine that begins elsewhere in its own folder first."""
    return PATH if root == Path("/") else f"{root}/usr/local/sbin:{PATH}"


class MachineMounts:
    """`root` and `path` (for programs) are the machine's own; a test gives its own."""

    def __init__(self, clock: Clock, stop: Stop, root: Path = Path("/"), path: str = PATH) -> None:
        self._clock = clock
        self._stop = stop
        self._root = root
        self._path = path

    def mount(self, volume: DataVolume, bound_seconds: float) -> str:
        """Mount at its place, once the kernel shows the device; the device's name."""
        ends_seconds = self._clock.monotonic_seconds() + bound_seconds
        name = self._await_device(volume, ends_seconds)
        number = self._number(name)
        on_top = self._at(volume.mount_point)
        if on_top == number:
            return f"/dev/{name}"
        if on_top is not None:
            message = f"something else (device {on_top}) is mounted at {volume.mount_point}"
            raise ActFailed(ErrorClass.REFUSED, "mount_point_taken", message)
        elsewhere = [one.mount_point for one in self._mounts() if one.device_number == number]
        if elsewhere:
            raise ActFailed(ErrorClass.REFUSED, "mounted_elsewhere", f"{volume.volume_id} is mounted at {', '.join(elsewhere)}")
        self._place(volume.mount_point).mkdir(parents=True, exist_ok=True)
        self._run(["mount", "-t", volume.file_system, f"/dev/{name}", volume.mount_point], "mount_failed", ends_seconds)
        if self._at(volume.mount_point) != number:
            raise ActFailed(
                ErrorClass.CHECK_FAILED, "not_mounted", f"/dev/{name} is not mounted at {volume.mount_point} after mount succeeded"
            )
        return f"/dev/{name}"

    def unmount(self, volume: DataVolume, bound_seconds: float) -> None:
        """Unmount wherever it is mounted. A file system that is in use stays: its users would write on unseen."""
        ends_seconds = self._clock.monotonic_seconds() + bound_seconds
        name = self._find(volume)
        if name is None:
            return
        number = self._number(name)
        # A place that is mounted twice, or a bind mount of a folder in it: the later ones first.
        for held in reversed([one for one in self._mounts() if one.device_number == number]):
            self._run(["umount", held.mount_point], "volume_busy", ends_seconds)
        left = [one.mount_point for one in self._mounts() if one.device_number == number]
        if left:
            raise ActFailed(ErrorClass.CHECK_FAILED, "volume_busy", f"{volume.volume_id} is still mounted at {', '.join(left)}")

    def _await_device(self, volume: DataVolume, ends_seconds: float) -> str:
        while (name := self._find(volume)) is None:
            if self._clock.monotonic_seconds() >= ends_seconds:
                message = (
                    f"the kernel shows no device of {volume.volume_id} (serial {serial_of(volume.volume_id)}, or {volume.device_name})"
                )
                raise ActFailed(ErrorClass.RACE, "device_not_there", message)
            if self._stop.wait(LOOK_SECONDS):
                raise Stopping
        return name

    def _find(self, volume: DataVolume) -> str | None:
        """The kernel's name of the volume's device. NVMe devices carry the id; their order says nothing, and changes with a boot."""
        block = self._root / "sys/class/block"
        for device in sorted(block.iterdir()) if block.is_dir() else ():
            if not (device / "partition").exists() and _text(device / "device/serial") == serial_of(volume.volume_id):
                return device.name
        return next((name for name in kernel_names(volume.device_name) if (block / name).exists()), None)

    def _number(self, name: str) -> str:
        return _text(self._root / "sys/class/block" / name / "dev")

    def _mounts(self) -> tuple[Mounted, ...]:
        return parse_mounts((self._root / "proc/self/mountinfo").read_text())

    def _at(self, mount_point: str) -> str | None:
        wanted = mount_point.rstrip("/")
        return next((one.device_number for one in reversed(self._mounts()) if one.mount_point == wanted), None)

    def _place(self, mount_point: str) -> Path:
        return self._root / mount_point.lstrip("/")

    def _run(self, command: list[str], code: str, ends_seconds: float) -> None:
        """ActFailed with what the program said. What hangs is killed at the bound."""
        bound_seconds = max(LEAST_BOUND_SECONDS, ends_seconds - self._clock.monotonic_seconds())
        environment = {"PATH": self._path, "LC_ALL": "C"}
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
                )
            except OSError as error:
                raise ActFailed(ErrorClass.REFUSED, "not_installed", f"cannot run {command[0]}: {error.strerror or error}") from error
            try:
                exit_code = process.wait(bound_seconds)
            except subprocess.TimeoutExpired as expired:
                kill(process)
                message = f"{' '.join(command)} did not end within {bound_seconds:g} s"
                raise ActFailed(ErrorClass.HOOK_TIMED_OUT, code, message) from expired
            if exit_code != 0:
                raise ActFailed(ErrorClass.CHECK_FAILED, code, tail(output) or f"{' '.join(command)} ended with {exit_code}")


def kill(process: subprocess.Popen[bytes]) -> None:
    """End it, without waiting for ever: the kernel may hold a program that waits for a device."""
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LEAST_BOUND_SECONDS)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
