"""Which of the volumes that the primary's daemon told of are the agent's data volumes, and how long a copy of them takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

Wanted = Mapping[str, Any]
"""An entry of the setting `data_volumes`: `device_name` or `name_tag`, `mount_point`, `file_system`."""

Attached = Mapping[str, Any]
"""A volume as a heartbeat tells of it; see docs/agent-protocol.md."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The volumes of a move, in the order of the setting; `problem` says for a person why they cannot move, and is empty if they can."""

    volumes: tuple[dict[str, Any], ...] = ()
    problem: str = ""

    @property
    def outlive_their_instance(self) -> bool:
        """Whether they are known, and EC2 keeps every one of them when it ends the instance."""
        return bool(self.volumes) and not any(volume["delete_on_termination"] for volume in self.volumes)


def resolve_volumes(wanted: Sequence[Wanted], attached: Sequence[Attached] | None, instance_id: str) -> Resolved:
    """Find each wanted volume among those that `instance_id` has; the first thing that is wrong is the problem."""
    if not wanted:
        return Resolved(problem="the setting data_volumes is empty")
    if attached is None:
        return Resolved(problem=f"the daemon of {instance_id} has not told of its volumes yet")
    found: list[dict[str, Any]] = []
    for entry in wanted:
        matching = [volume for volume in attached if _matches(entry, volume)]
        problem = _problem(entry, matching, instance_id)
        if not problem and any(matching[0]["volume_id"] == other["volume_id"] for other in found):
            problem = f"{matching[0]['volume_id']} is meant by two entries of data_volumes"
        if problem:
            return Resolved(problem=problem)
        found.append({**matching[0], "mount_point": entry["mount_point"], "file_system": entry["file_system"]})
    return Resolved(tuple(found))


def name_of(entry: Wanted) -> str:
    """Return what an entry goes by, for a person."""
    return f"the volume at {entry['device_name']}" if entry.get("device_name") else f"the volume with the tag Name={entry.get('name_tag')}"


def _matches(entry: Wanted, volume: Attached) -> bool:
    if entry.get("device_name"):
        return bool(volume.get("device_name") == entry["device_name"])
    return bool(entry.get("name_tag")) and (volume.get("tags") or {}).get("Name") == entry["name_tag"]


def _problem(entry: Wanted, matching: Sequence[Attached], instance_id: str) -> str:
    name = name_of(entry)
    if not matching:
        return f"{name} is not attached to {instance_id}"
    if len(matching) > 1:
        return f"{name} is not one but {', '.join(sorted(str(volume['volume_id']) for volume in matching))}: name them by device"
    volume = matching[0]
    if volume.get("is_root"):
        return f"{name} ({volume['volume_id']}) is the root volume of {instance_id}, which cannot be detached while it runs"
    if volume.get("is_multi_attach"):
        return f"{name} ({volume['volume_id']}) may be attached to several instances at once (multi-attach): its attachment fences nobody"
    return "" if "size_gib" in volume else f"EC2 did not describe {name} ({volume['volume_id']})"


def devices_of(resolved: Resolved) -> frozenset[str]:
    """Return where the volumes are attached."""
    return frozenset(str(volume["device_name"]) for volume in resolved.volumes)


def without_devices(configuration: Mapping[str, Any], devices: Collection[str]) -> dict[str, Any]:
    """Return what a new instance must be like: without the volumes that it gets only when the old one lets go of them."""
    described = configuration.get("volumes")
    if described is None:
        return dict(configuration)
    return {**configuration, "volumes": {name: volume for name, volume in described.items() if name not in devices}}


class CopyBasis(StrEnum):
    """What the expected time of a copy rests on."""

    MEASURED = "measured"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class ExpectedCopy:
    """How long a copy by snapshot is expected to take, most of it while the workload serves."""

    seconds: int
    basis: CopyBasis


def expect_copy(volumes: Sequence[Mapping[str, Any]], measured_seconds: Sequence[float], assumed_mib_per_second: float) -> ExpectedCopy:
    """Return the median of the agent's own latest copies; before there is one, what the largest volume takes at an assumed rate (> 0)."""
    if measured_seconds:
        return ExpectedCopy(round(median(measured_seconds)), CopyBasis.MEASURED)
    largest_mib = 1024 * max((int(volume.get("size_gib") or 0) for volume in volumes), default=0)
    return ExpectedCopy(round(largest_mib / assumed_mib_per_second), CopyBasis.ASSUMED)
