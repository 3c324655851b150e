"""What EC2's books hold of each thing, beyond what the shared parts of the region know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from spot_simulator.ec2.hardware import VolumeKind
from spot_simulator.machine import Machine


@dataclass(frozen=True, slots=True)
class SubnetRecord:
    """A subnet, one per zone; ``number`` counts them from 0."""

    subnet_id: str
    zone: str
    az_id: str
    number: int


@dataclass(slots=True)
class InstanceRecord:
    """An instance, with what RunInstances said of it. ``volume_ids`` are the attached ones by device name."""

    machine: Machine
    reservation_id: str
    subnet_id: str
    interface_id: str
    client_token: str | None
    key_name: str | None
    profile_arn: str | None
    group_ids: tuple[str, ...]
    metadata_options: Mapping[str, object]
    volume_ids: dict[str, str] = field(default_factory=dict)
    is_protected: bool = False
    is_monitored: bool = False
    is_ebs_optimized: bool = False
    cpu_credits: str | None = None


@dataclass(slots=True)
class SnapshotRecord:
    """A snapshot; ``state`` is pending or completed."""

    snapshot_id: str
    volume_id: str
    started_at: datetime
    state: str = "completed"
    description: str = ""
    kind: VolumeKind = field(default_factory=VolumeKind)


@dataclass(slots=True)
class ImageRecord:
    """An image; ``state`` is pending or available."""

    image_id: str
    name: str
    snapshot_id: str
    architecture: str
    created_at: datetime
    source_instance_id: str | None = None
    description: str = ""
    state: str = "available"
    root: VolumeKind = field(default_factory=VolumeKind)


@dataclass(slots=True)
class AddressRecord:
    """An Elastic IP."""

    allocation_id: str
    public_ip: str
    association_id: str | None = None
    instance_id: str | None = None
