"""What the server needs of AWS, as protocols and frozen values. Adapters and fakes both fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from spot_server.aws.volume_ports import Volumes

TAG_LAUNCH_TOKEN = "spot-optimizer:launch-token"  # noqa: S105 - the name of a tag
"""Carries the client token, by which anyone who may describe instances finds the result of an earlier launch."""

TAG_MANAGED = "spot-optimizer:managed"
TAG_CLIENT_ID = "spot-optimizer:client-id"
TAG_AGENT_ID = "spot-optimizer:agent-id"
TAG_LOGICAL_AGENT_ID = "spot-optimizer:logical-agent-id"
TAG_REPLICA_ID = "spot-optimizer:replica-id"
TAG_EPOCH = "spot-optimizer:epoch"
"""What says whose an instance is; `features.replicas.launching.owner_tags` writes them."""


@dataclass(frozen=True, slots=True)
class ControlRole:
    """The role that a client gave us. `session_name` is what the client reads in its CloudTrail."""

    role_arn: str
    external_id: str | None
    session_name: str


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """Where an instance is reached. `interface_id` is its primary network interface's; `private_ips` are all that it has, primary first."""

    interface_id: str | None = None
    private_ips: tuple[str, ...] = ()
    public_ip: str | None = None


@dataclass(frozen=True, slots=True)
class AttachedVolume:
    """A volume, and where it is attached."""

    volume_id: str
    device_name: str


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One instance. `state` is EC2's own word; `spot_request_id` is None for on-demand; `client_token` is that of its launch."""

    instance_id: str
    state: str
    state_reason_code: str | None = None
    launched_at: datetime | None = None
    spot_request_id: str | None = None
    client_token: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    network: NetworkFacts = field(default_factory=NetworkFacts)
    going_volumes: tuple[AttachedVolume, ...] = ()
    """The volumes beside the root that EC2 would delete with the instance."""
    going_root: AttachedVolume | None = None
    """The root, if EC2 would delete it with the instance."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One image of the client's account. `state` is pending, available, failed, ..."""

    image_id: str
    name: str
    state: str
    created_at: datetime | None
    snapshot_ids: tuple[str, ...] = ()
    device_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """One Elastic IP; `instance_id` is None while it is not associated."""

    allocation_id: str
    public_ip: str
    instance_id: str | None
    association_id: str | None


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """What a volume is to be like. None: EC2's default for its type, or it has no such setting."""

    device_name: str
    volume_type: str
    size_gib: int
    iops: int | None = None
    throughput_mib_per_second: int | None = None
    encrypted: bool = False
    kms_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What RunInstances is asked for. `client_token` makes a repeat find the first result."""

    client_token: str
    image_id: str
    instance_type: str
    subnet_id: str
    is_spot: bool
    security_group_ids: tuple[str, ...] = ()
    iam_instance_profile_arn: str | None = None
    key_name: str | None = None
    metadata_options: Mapping[str, Any] = field(default_factory=dict)
    user_data: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    detailed_monitoring: bool = False
    ebs_optimized: bool = False
    cpu_credits: str | None = None
    volumes: tuple[VolumeSettings, ...] = ()
    """By device name; what is not here is as the image says."""


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """A target as its load balancer sees it. `state` is its own word: initial, healthy, unhealthy, draining, unused, unavailable."""

    state: str
    reason: str = ""


class LoadBalancing(Protocol):
    """The load balancers of one account and region. Every call may raise AwsFailed and may be repeated."""

    def register_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        """Register an instance; `port` None is the target group's own. Registering it again changes nothing."""

    def deregister_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        """Begin to drain an instance; one that is not registered changes nothing."""

    def target_state(self, target_group_arn: str, instance_id: str, port: int | None) -> TargetFacts | None:
        """Say how it is; None when it is not registered."""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """A plain record of a zone."""

    values: tuple[str, ...]
    ttl_seconds: int | None


class Dns(Protocol):
    """Route 53 of one account. Every call may raise AwsFailed and may be repeated."""

    def find_record(self, hosted_zone_id: str, record_name: str) -> RecordFacts | None:
        """Read an A record; None when the zone has none of this name."""

    def upsert_record(self, hosted_zone_id: str, record_name: str, value: str, ttl_seconds: int) -> str:
        """Have an A record name one address, and return the change's id."""

    def is_in_sync(self, change_id: str) -> bool:
        """Tell whether all of Route 53's servers answer with the change."""


@dataclass(frozen=True, slots=True)
class SpotRequestFacts:
    """The spot request behind an instance. `status_code` is EC2's own word, `updated_at` when it last changed."""

    request_id: str
    instance_id: str
    status_code: str
    updated_at: datetime | None
    interruption_behavior: str = "terminate"


@dataclass(frozen=True, slots=True)
class ScheduledEventFacts:
    """Maintenance that EC2 has planned for an instance. Over or called off: `description` begins with `[Completed]` or `[Canceled]`."""

    event_id: str
    code: str
    description: str
    not_before: datetime | None


@dataclass(frozen=True, slots=True)
class InstanceStatusFacts:
    """EC2's checks of a running instance: each of `checks` is its word (ok, impaired, initializing, ...)."""

    instance_id: str
    checks: Mapping[str, str]
    impaired_since: datetime | None
    scheduled_events: tuple[ScheduledEventFacts, ...] = ()


class Ec2Port(Protocol):
    """EC2 of one account and region. Every call may raise AwsFailed; None means that EC2 knows no such thing.

    Calls are bounded in time (the adapter's time-outs) and may be made from several threads at once.
    """

    @property
    def balancing(self) -> LoadBalancing:
        """The load balancers of the same account, region and credentials."""

    @property
    def dns(self) -> Dns:
        """Route 53 of the same account and credentials."""

    @property
    def volumes(self) -> Volumes:
        """EBS of the same account, region and credentials."""

    def describe_instance(self, instance_id: str) -> InstanceFacts | None:
        """Describe one instance; None when EC2 knows no such id, which may also be because it is too new."""

    def find_by_launch_token(self, client_token: str) -> tuple[InstanceFacts, ...]:
        """List the instances that were launched with this token, ended ones included while EC2 shows them."""

    def find_managed(self, client_id: str) -> tuple[InstanceFacts, ...]:
        """List the instances that carry our tags with this client's id, ended ones included while EC2 shows them."""

    def address_holders(self) -> frozenset[str]:
        """Return the instances that an Elastic IP of the account is associated with."""

    def run_instance(self, request: LaunchRequest) -> InstanceFacts:
        """Launch one instance; a repeat with the same client token returns the first."""

    def terminate_instance(self, instance_id: str) -> str:
        """Terminate and return the state after the call. AwsFailed with an absence code for an unknown id."""

    def stop_instance(self, instance_id: str) -> str:
        """Stop with force and return the state after the call. EC2 refuses it for a one-time spot instance."""

    def is_persistent_request(self, spot_request_id: str) -> bool:
        """Tell whether EC2 would launch another instance once this request's one is gone."""

    def spot_requests_of(self, instance_ids: Sequence[str]) -> tuple[SpotRequestFacts, ...]:
        """Describe the spot requests behind these instances; on-demand ones, and those that EC2 has forgotten, have none."""

    def instance_statuses(self, instance_ids: Sequence[str]) -> tuple[InstanceStatusFacts, ...]:
        """Describe the checks and scheduled events of those of these instances that run."""

    def cancel_spot_request(self, spot_request_id: str) -> None:
        """Cancel a spot request; its instance keeps running."""

    def find_image_by_name(self, name: str) -> ImageFacts | None:
        """Find the account's image of this name; names are unique in an account and region."""

    def describe_image(self, image_id: str) -> ImageFacts | None:
        """Describe one of the account's images."""

    def create_image(self, instance_id: str, name: str, tags: Mapping[str, str], without_devices: Sequence[str] = ()) -> str:
        """Begin an image, always without a reboot, and return its id; image and snapshots carry the tags.

        What is attached at `without_devices` is not in it.
        """

    def describe_address(self, allocation_id: str) -> AddressFacts | None:
        """Describe an Elastic IP."""

    def associate_address(self, allocation_id: str, instance_id: str, *, allow_reassociation: bool) -> str:
        """Associate an Elastic IP and return the association's id; a repeat returns the same."""

    def disassociate_address(self, association_id: str) -> None:
        """Free an Elastic IP from this one association; one that is over, whoever has the address now, changes nothing."""

    def assign_private_ip(self, interface_id: str, private_ip: str) -> None:
        """Have a network interface hold a secondary address, taking it from whichever of the same subnet has it."""


class AwsGateway(Protocol):
    """The way from a client's role to that client's EC2."""

    def ec2(self, role: ControlRole, region: str) -> Ec2Port:
        """Return EC2 of the role's account. Raises AwsFailed; a refusal by STS has a code that begins with ASSUME_ROLE_PREFIX."""

    def forget(self, role: ControlRole, region: str) -> None:
        """Drop what is kept for the role, so that the next call assumes it anew."""
