"""EBS data volumes as the daemon is told of them, and how this machine's kernel names them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spot_agent.ec2_facts import EbsFacts, InstanceFacts
from spot_agent.model import TAG_MANAGED, JsonObject
from spot_agent.rules.ownership import MANAGED, tags_to_set

FILE_SYSTEMS = ("ext4", "xfs", "ext3", "btrfs")
"""Those that a volume may carry; `mount` is told which, and refuses another."""

_VOLUME_ID = re.compile(r"^vol-[0-9a-z]+$")
_DEVICE_NAME = re.compile(r"^/dev/[a-z0-9]+$")


@dataclass(frozen=True, slots=True)
class DataVolume:
    """One volume of a move: what it is in EC2, and where it belongs on the machine."""

    volume_id: str
    device_name: str
    mount_point: str
    file_system: str


def parse_volumes(value: object) -> tuple[DataVolume, ...]:
    """Read a command's `volumes`; ValueError says what would be right."""
    if not isinstance(value, list) or not value:
        raise ValueError("a list of at least one volume")
    return tuple(_parse_volume(one) for one in value)


def _parse_volume(one: object) -> DataVolume:
    values: Mapping[str, Any] = one if isinstance(one, dict) else {}
    names = ("volume_id", "device_name", "mount_point", "file_system")
    if not all(isinstance(values.get(name), str) for name in names):
        raise ValueError(f"volumes with the members {', '.join(names)}")
    volume = DataVolume(**{name: values[name] for name in names})
    if not _VOLUME_ID.match(volume.volume_id) or not _DEVICE_NAME.match(volume.device_name):
        raise ValueError(
            f"volumes with an id such as vol-1 and a device such as /dev/sdf, not {volume.volume_id!r} at {volume.device_name!r}"
        )
    if volume.file_system not in FILE_SYSTEMS:
        raise ValueError(f"volumes with a file system of {', '.join(FILE_SYSTEMS)}, not {volume.file_system!r}")
    if (
        not volume.mount_point.startswith("/")
        or os.path.normpath(volume.mount_point) in ("/", "//")
        or ".." in volume.mount_point.split("/")
    ):
        raise ValueError(f"volumes with an absolute mount point other than /, not {volume.mount_point!r}")
    return volume


def volume_json(volume: DataVolume) -> JsonObject:
    """As a command says it, and as the journal keeps it."""
    return dict(asdict(volume))


def serial_of(volume_id: str) -> str:
    """The serial number that an NVMe device of this volume shows: its id without the dash (EC2 user guide, "Map NVMe disks")."""
    return volume_id.replace("-", "")


def kernel_names(device_name: str) -> tuple[str, ...]:
    """How a kernel without NVMe (Xen) may call what is attached as `device_name`: as it is, or with xvd for sd."""
    name = device_name.removeprefix("/dev/")
    return (name, f"xvd{name[2:]}") if name.startswith("sd") else (name,)


@dataclass(frozen=True, slots=True)
class Mounted:
    """One line of /proc/self/mountinfo: which device (major:minor) is mounted where."""

    device_number: str
    mount_point: str


def parse_mounts(text: str) -> tuple[Mounted, ...]:
    """Read /proc/self/mountinfo (proc(5)); of several mounts at one place the last one is on top."""
    lines = [line.split(" ") for line in text.splitlines()]
    return tuple(Mounted(words[2], _unescaped(words[4])) for words in lines if len(words) > 4)


def _unescaped(text: str) -> str:
    """The kernel writes blanks, tabs, newlines and backslashes in octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


def attached_volumes(instance: InstanceFacts, volumes: Sequence[EbsFacts]) -> list[JsonObject]:
    """What a heartbeat tells of the volumes of this instance, its root among them, by device name."""
    by_id = {volume.volume_id: volume for volume in volumes}
    return [
        {
            "volume_id": held.volume_id,
            "device_name": held.device_name,
            "is_root": held.device_name == instance.root_device_name,
            "delete_on_termination": held.delete_on_termination,
            **_described(by_id.get(held.volume_id)),
        }
        for held in sorted(instance.volumes, key=lambda one: one.device_name)
    ]


def _described(volume: EbsFacts | None) -> JsonObject:
    if volume is None:
        return {}
    return {
        "size_gib": volume.size_gib,
        "volume_type": volume.volume_type,
        "is_multi_attach": volume.is_multi_attach,
        "is_encrypted": volume.is_encrypted,
        "tags": dict(volume.tags),
    }


def is_wanted(held: JsonObject, wanted: Mapping[str, Any]) -> bool:
    """Whether an attached volume is the one that an entry of the setting `data_volumes` names: by its device, or by the tag `Name`."""
    if held.get("is_root"):
        return False
    if wanted.get("device_name"):
        return bool(held.get("device_name") == wanted["device_name"])
    tags = held.get("tags")
    return bool(wanted.get("name_tag")) and isinstance(tags, dict) and tags.get("Name") == wanted["name_tag"]


def data_volumes_among(listed: Sequence[JsonObject], wanted: Sequence[Mapping[str, Any]]) -> list[JsonObject]:
    """Those of the attached volumes that the setting `data_volumes` names."""
    return [held for held in listed if any(is_wanted(held, entry) for entry in wanted)]


def devices_to_keep(data_volumes: Sequence[JsonObject]) -> list[str]:
    """The device names of the agent's data volumes that would go with the instance."""
    return [str(held["device_name"]) for held in data_volumes if held.get("delete_on_termination")]


def tags_of_owner(held: JsonObject, agent_id: str, logical_agent_id: str) -> dict[str, str]:
    """What a data volume lacks to be known as its agent's; nothing unless a person marked it as ours, as the right to tag wants."""
    tags: dict[str, str] = held.get("tags") or {}
    return tags_to_set(tags, agent_id, logical_agent_id) if tags.get(TAG_MANAGED) == MANAGED else {}
