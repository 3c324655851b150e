"""What EC2 says, as frozen values; dicts stop at the adapter."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from spot_agent.errors import ErrorClass
from spot_agent.model import JsonObject


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """An attached volume."""

    volume_id: str
    device_name: str
    delete_on_termination: bool


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """What a volume is, or is to be. None: EC2's default for its type, or it has no such setting. `volume_id` is "" for one to be made."""

    volume_id: str
    volume_type: str
    size_gib: int
    iops: int | None = None
    throughput_mib_per_second: int | None = None
    encrypted: bool = False
    kms_key_id: str | None = None
    device_name: str = ""


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
    az_name: str
    size_gib: int = 0
    volume_type: str = ""
    iops: int | None = None
    throughput_mib_per_second: int | None = None
    is_encrypted: bool = False
    kms_key_id: str | None = None
    is_multi_attach: bool = False
    attachments: tuple[AttachmentFacts, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VolumeRequest:
    """What CreateVolume is asked for. `client_token` makes a repeat find the first result."""

    client_token: str
    snapshot_id: str
    az_name: str
    like: EbsFacts
    """The volume whose type, size, IOPS, throughput and encryption the new one has."""
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One instance. `lifecycle` is None for on-demand; `state` is EC2's own word; `client_token` is that of the call that launched it."""

    instance_id: str
    state: str
    state_reason_code: str | None = None
    launched_at: datetime | None = None
    lifecycle: str | None = None
    client_token: str | None = None
    spot_request_id: str | None = None
    image_id: str = ""
    instance_type: str = ""
    platform_details: str | None = None
    vpc_id: str = ""
    subnet_id: str = ""
    az_name: str = ""
    security_group_ids: tuple[str, ...] = ()
    iam_instance_profile_arn: str | None = None
    key_name: str | None = None
    metadata_options: JsonObject = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    volumes: tuple[VolumeFacts, ...] = ()
    interface_id: str | None = None
    """Of its primary network interface."""
    private_ips: tuple[str, ...] = ()
    """All that its interfaces hold, the primary one first."""
    public_ip: str | None = None
    detailed_monitoring: bool = False
    ebs_optimized: bool = False
    root_device_name: str | None = None


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """A target as its load balancer sees it. `state` is its own word: initial, healthy, unhealthy, draining, unused, unavailable."""

    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """A plain record of a zone."""

    values: tuple[str, ...]
    ttl_seconds: int | None


@dataclass(frozen=True, slots=True)
class SubnetFacts:
    """One subnet of a VPC."""

    subnet_id: str
    az_id: str
    az_name: str
    free_addresses: int
    maps_public_ip: bool


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One image of this account. `state` is pending, available, failed, ..."""

    image_id: str
    name: str
    state: str
    created_at: datetime | None
    snapshot_ids: tuple[str, ...] = ()
    device_names: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """One snapshot of this account."""

    snapshot_id: str
    volume_id: str
    started_at: datetime | None
    tags: dict[str, str] = field(default_factory=dict)
    state: str = "completed"
    """EC2's own word: pending, completed, error, ..."""
    progress: str = ""
    """How much of a pending one is done, in EC2's words, such as 42%."""


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """One Elastic IP; `instance_id` is None while it is not associated."""

    allocation_id: str
    public_ip: str
    instance_id: str | None
    association_id: str | None


@dataclass(frozen=True, slots=True)
class SpotPrice:
    """One change of a pool's price. `az_name` is this account's name of the zone."""

    az_name: str
    instance_type: str
    product: str
    spot_usd_per_hour: Decimal
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """What an instance type offers."""

    instance_type: str
    vcpu: int
    memory_mib: int
    architectures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What RunInstances is asked for. `client_token` makes a repeat find the first result."""

    client_token: str
    image_id: str
    instance_type: str
    subnet_id: str
    is_spot: bool
    security_group_ids: tuple[str, ...]
    iam_instance_profile_arn: str | None
    key_name: str | None
    metadata_options: JsonObject
    user_data: str
    tags: dict[str, str]
    detailed_monitoring: bool = False
    ebs_optimized: bool = False
    cpu_credits: str | None = None
    volumes: tuple[VolumeSettings, ...] = ()
    """By device name; what is not here is as the image says."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """EC2's answer to "may I?": its code and words, and what they mean here; None for a yes."""

    code: str
    message: str
    error_class: ErrorClass | None
    is_ignored: bool = False
    """The call was answered as if it were meant: this is not EC2."""
