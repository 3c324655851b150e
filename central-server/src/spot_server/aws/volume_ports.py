"""What the server needs of EBS, as a protocol and frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AttachmentFacts:
    """Where a volume is attached. `state` is EC2's own word: attaching, attached, detaching, busy."""

    instance_id: str
    device_name: str
    state: str


@dataclass(frozen=True, slots=True)
class EbsFacts:
    """A volume, wherever it is. `state` is EC2's own word: creating, available, in-use, deleting, ..."""

    volume_id: str
    state: str
    size_gib: int = 0
    volume_type: str = ""
    iops: int | None = None
    throughput_mib_per_second: int | None = None
    is_encrypted: bool = False
    kms_key_id: str | None = None
    is_multi_attach: bool = False
    attachments: tuple[AttachmentFacts, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """One snapshot of a volume. `state` is EC2's own word: pending, completed, error, ..."""

    snapshot_id: str
    volume_id: str
    state: str
    started_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VolumeRequest:
    """What CreateVolume is asked for, with the size and type of `like`. `client_token` makes a repeat find the first result."""

    client_token: str
    snapshot_id: str
    az_name: str
    like: EbsFacts
    tags: Mapping[str, str]


class Volumes(Protocol):
    """EBS of one account and region. Every call may raise AwsFailed."""

    def describe(self, volume_ids: Sequence[str]) -> tuple[EbsFacts, ...]:
        """Describe those of these volumes that EC2 knows, in this order."""

    def find(self, tags: Mapping[str, str]) -> tuple[EbsFacts, ...]:
        """List the volumes that carry all of `tags`."""

    def attach(self, volume_id: str, instance_id: str, device_name: str) -> None:
        """Begin to attach; EC2 refuses (VolumeInUse) what is attached anywhere."""

    def detach(self, volume_id: str, instance_id: str, *, is_forced: bool) -> None:
        """Begin to detach. With force EC2 does not wait for the system."""

    def snapshots_of(self, volume_id: str) -> tuple[SnapshotFacts, ...]:
        """List the account's snapshots of a volume, which may be gone."""

    def create_snapshot(self, volume_id: str, tags: Mapping[str, str]) -> str:
        """Begin a snapshot of the volume as it is now, and return its id."""

    def create_volume(self, request: VolumeRequest) -> str:
        """Begin a volume and return its id; a repeat with the same client token returns the first."""

    def delete(self, volume_id: str) -> None:
        """Delete; one that is gone already is fine."""

    def tag(self, volume_id: str, tags: Mapping[str, str]) -> None:
        """Set these tags, leaving others as they are."""

    def keep(self, instance_id: str, device_names: Sequence[str]) -> None:
        """Have what is attached there outlive the instance (DeleteOnTermination=false)."""
