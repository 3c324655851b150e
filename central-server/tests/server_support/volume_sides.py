"""The data volumes of a region in memory: who has them attached and mounted, and what was written to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


class Side(Protocol):
    """What is asked of a machine."""

    instance_id: str
    az_id: str
    state: str
    is_serving: bool


@dataclass
class DataVolume:
    """A volume with its content: the number of the last write that it holds."""

    volume_id: str
    az_id: str
    holder: str | None = None
    mounted_at: str | None = None
    last_write: int = 0
    goes_with_instance: bool = False
    copied_by: str | None = None
    device_name: str | None = None


@dataclass
class Snapshot:
    """What a volume held at a moment."""

    snapshot_id: str
    volume_id: str
    started_at: datetime
    last_write: int


@dataclass
class VolumeSides:
    """Acts answer with a result, or the class of an error. `stuck` volumes do not come loose from a machine that runs."""

    machines: Mapping[str, Side]
    violations: list[str]
    volumes: dict[str, DataVolume] = field(default_factory=dict)
    snapshots: list[Snapshot] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)
    discarded: set[str | None] = field(default_factory=set)
    is_used: bool = False

    def add(self, volume_id: str, instance_id: str, *, goes_with_instance: bool = False) -> DataVolume:
        """Give an instance a mounted volume."""
        az_id = self.machines[instance_id].az_id
        self.volumes[volume_id] = DataVolume(volume_id, az_id, instance_id, instance_id, goes_with_instance=goes_with_instance)
        self.is_used = True
        return self.volumes[volume_id]

    def add_snapshot(self, volume_id: str, started_at: datetime) -> Snapshot:
        made = Snapshot(f"snap-{len(self.snapshots) + 1}", volume_id, started_at, self.volumes[volume_id].last_write)
        self.snapshots.append(made)
        return made

    def pass_time(self) -> None:
        """EC2 frees or deletes what an ended instance had; who serves writes."""
        for volume in list(self.volumes.values()):
            if volume.holder is not None and self.machines[volume.holder].state == "terminated":
                volume.holder = volume.mounted_at = None
                if volume.goes_with_instance:
                    del self.volumes[volume.volume_id]
            elif volume.holder is None and volume.copied_by in self.discarded:
                del self.volumes[volume.volume_id]
        for volume in self.volumes.values():
            if volume.mounted_at is not None and self.machines[volume.mounted_at].is_serving:
                volume.last_write += 1

    def check_start(self, instance_id: str) -> bool:
        """Whether the daemon there may start the workload: with its volume, or not at all. It mounts what it had to unmount."""
        for volume in self.volumes.values():
            if volume.holder == instance_id and volume.mounted_at is None:
                volume.mounted_at = instance_id
        return not self.is_used or any(volume.mounted_at == instance_id for volume in self.volumes.values())

    def of(self, instance_id: str) -> DataVolume:
        """The volume that is mounted there."""
        return next(volume for volume in self.volumes.values() if volume.mounted_at == instance_id)

    def unmount(self, machine: Side, payload: dict[str, Any], now: datetime) -> dict[str, Any] | str:
        if machine.is_serving:
            return "refused"
        for volume in self._wanted(payload):
            if volume.mounted_at == machine.instance_id:
                volume.mounted_at = None
        return {"unmounted_at": now.isoformat()}

    def mount(self, machine: Side, payload: dict[str, Any], now: datetime) -> dict[str, Any] | str:
        for volume in self._wanted(payload):
            if volume.holder != machine.instance_id:
                return "race"
            volume.mounted_at = machine.instance_id
        return {"devices": {}, "mounted_at": now.isoformat()}

    def detach(self, _machine: Side, payload: dict[str, Any], now: datetime) -> dict[str, Any] | str:
        self.pass_time_of_ends()
        for volume_id in payload["volume_ids"]:
            volume = self.volumes.get(volume_id)
            if volume is None:
                return "not_found"
            if volume.holder is None or volume.holder == payload["instance_id"]:
                continue
            has_ended = self.machines[volume.holder].state in {"terminated", "stopped"}
            if not has_ended and (volume.holder != payload["released_by"] or volume_id in self.stuck):
                return "race"
            if volume.mounted_at is not None and not has_ended:
                self.violations.append(f"{volume_id} is taken from {volume.holder}, which has it mounted")
            volume.holder = volume.mounted_at = None
        return {"detached_at": now.isoformat()}

    def attach(self, _machine: Side, payload: dict[str, Any], now: datetime) -> dict[str, Any] | str:
        self.pass_time_of_ends()
        to = self.machines[payload["instance_id"]]
        for volume in self._wanted(payload):
            if volume.holder not in {None, to.instance_id}:
                return "refused"
            if volume.az_id != to.az_id:
                self.violations.append(f"{volume.volume_id} of {volume.az_id} is to be attached in {to.az_id}")
                return "unexpected"
            if to.state != "running":
                return "race"
            device_name = next(wanted["device_name"] for wanted in payload["volumes"] if wanted["volume_id"] == volume.volume_id)
            held = [one for one in self.volumes.values() if one.holder == to.instance_id and one is not volume]
            if any(one.device_name == device_name for one in held):
                return "unexpected"  # the attachment point is already in use
            volume.holder, volume.device_name = to.instance_id, device_name
        return {"attached_at": now.isoformat()}

    def copy(self, machine: Side, payload: dict[str, Any], now: datetime) -> dict[str, Any] | str:
        self.pass_time_of_ends()
        made = []
        is_fresh = True
        for wanted in payload["volumes"]:
            volume = self.volumes.get(wanted["volume_id"])
            if volume is None:
                older = [one for one in self.snapshots if one.volume_id == wanted["volume_id"]]
                if not older:
                    return "not_found"
                snapshot, is_fresh = older[-1], False
            else:
                if payload["pass"] == "last" and volume.mounted_at is not None:
                    self.violations.append(f"the last snapshot of {volume.volume_id} is taken while it is mounted")
                snapshot = self.add_snapshot(volume.volume_id, now)
            made.append((wanted, snapshot))
        state_at = min(snapshot.started_at for _wanted, snapshot in made).isoformat()
        result = {"pass": payload["pass"], "snapshot_ids": [one.snapshot_id for _, one in made], "state_at": state_at, "is_fresh": is_fresh}
        if payload["pass"] == "first":
            return result
        to = next(one.az_id for one in self.machines.values() if f"name-{one.az_id}" == payload["az_name"])
        copies = []
        for wanted, snapshot in made:
            new = self._copy_of(wanted["volume_id"], to, snapshot, payload["move_id"])
            copies.append({**wanted, "volume_id": new.volume_id, "copy_of": wanted["volume_id"]})
        return {**result, "volumes": copies}

    def _copy_of(self, volume_id: str, az_id: str, snapshot: Snapshot, move_id: str) -> DataVolume:
        """The copy that this move made already, or another one."""
        made = [one for one in self.volumes.values() if one.volume_id.startswith(f"{volume_id}-copy")]
        found = next((one for one in made if one.copied_by == move_id), None)
        name = f"{volume_id}-copy" + (f"-{len(made) + 1}" if made else "")
        new = found or DataVolume(name, az_id, last_write=snapshot.last_write, copied_by=move_id)
        self.volumes[new.volume_id] = new
        return new

    def discard(self, _machine: Side, payload: dict[str, Any], now: datetime) -> dict[str, Any] | str:
        """It waits in the daemon's slow lane until nothing has them attached; here the answer does not wait with it."""
        self.discarded.add(payload["move_id"])
        return {"deleted": []}

    def pass_time_of_ends(self) -> None:
        """EC2 shows the end of an instance and of its attachments together."""
        for volume in self.volumes.values():
            if volume.holder is not None and self.machines[volume.holder].state == "terminated" and not volume.goes_with_instance:
                volume.holder = volume.mounted_at = None

    def _wanted(self, payload: dict[str, Any]) -> list[DataVolume]:
        return [self.volumes[wanted["volume_id"]] for wanted in payload["volumes"] if wanted["volume_id"] in self.volumes]
