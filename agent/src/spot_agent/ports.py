"""The daemon's boundary: what it needs of the world, as protocols. Adapters and fakes both fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from spot_agent.carrying.passes import HookOrder, HookRan, Order, Sending, Sent
from spot_agent.ec2_facts import (
    AddressFacts,
    DryRun,
    EbsFacts,
    ImageFacts,
    InstanceFacts,
    LaunchRequest,
    RecordFacts,
    SnapshotFacts,
    SpotPrice,
    SubnetFacts,
    TargetFacts,
    TypeFacts,
    VolumeRequest,
    VolumeSettings,
)
from spot_agent.model import JsonObject
from spot_agent.rules.rsync import Door
from spot_agent.rules.volumes import DataVolume


@dataclass(frozen=True, slots=True)
class Found:
    """The metadata service answered with this body."""

    text: str


@dataclass(frozen=True, slots=True)
class Absent:
    """404: there is none."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No definite answer. Never to be read as none."""

    reason: str


Reading = Found | Absent | Unknown


class Imds(Protocol):
    """The instance metadata service."""

    def read(self, path: str) -> Reading:
        """`path` below /latest/, such as `meta-data/instance-life-cycle`. Never raises for a failing service."""


class HookName(str, Enum):
    """The commands that a person sets for the workload."""

    START = "start"
    STOP = "stop"
    STANDBY_CHECK = "standby_check"
    SERVING_CHECK = "serving_check"
    TRAFFIC = "traffic"
    FREEZE = "freeze"
    THAW = "thaw"


@dataclass(frozen=True, slots=True)
class HookResult:
    """How a hook ended. `exit_code` is None when it was killed at its bound; `output` holds its last 4 KB."""

    exit_code: int | None
    output: str

    @property
    def passed(self) -> bool:
        """It ended with 0."""
        return self.exit_code == 0

    @property
    def timed_out(self) -> bool:
        """It was killed at its bound."""
        return self.exit_code is None


class Hooks(Protocol):
    """Runs the workload's hooks."""

    def run(self, name: HookName, bound_seconds: float, variables: Mapping[str, str] | None = None) -> HookResult | None:
        """None when the hook is not set. `variables` join its environment.

        Killed with its process group at the bound. Raises Stopping when the daemon stops first.
        """


@dataclass(frozen=True, slots=True)
class Thawed:
    """How a thaw ended. `was_held`: nothing had thawed before it was asked for."""

    result: HookResult
    was_held: bool


class Freezer(Protocol):
    """Holds the workload still for the moment of an image."""

    def is_set(self) -> bool:
        """Whether a person set a freeze."""

    def freeze(self, bound_seconds: float) -> HookResult:
        """Freeze. Whether it passed or not, `thaw` is to follow; at the bound, or when this process ends, the thaw comes by itself.

        Raises Stopping when the daemon stops first.
        """

    def thaw(self) -> Thawed | None:
        """Thaw; None when this process has frozen nothing."""

    def thaw_again(self) -> HookResult:
        """Thaw what another process may have frozen, or a thaw left so."""


class StateCarrier(Protocol):
    """Brings the state to another instance (the carries `rsync` and `hook`). Every act raises ActFailed, and may be repeated."""

    def make_key(self, move_id: str, bound_seconds: float) -> str:
        """Return the public half of a key for one move, which is forgotten after `bound_seconds` at the latest."""

    def send(self, order: Order) -> Sent | Sending:
        """Begin a pass, or look how far it is; returns within a second."""

    def run_hook(self, order: HookOrder) -> HookRan | Sending:
        """As `send`, by the person's own hook."""

    def open_receiver(self, move_id: str, public_key: str, host: str, bound_seconds: float) -> Door:
        """Let the holder of this key bring the paths to this instance, at its address `host`, for `bound_seconds` at most."""

    def close(self, move_id: str | None = None) -> None:
        """Forget a move (None: whichever there is): keys, server, what is under way. What was committed stays."""

    def before_serving(self) -> None:
        """Close, and put in place what was committed: called right before the workload is started."""

    def settle(self) -> None:
        """Make the world fit what was noted: after a crash, and when a bound is over."""

    def problems(self, carry: str) -> list[str]:
        """Say what is missing on this instance for this carry."""


class Mounts(Protocol):
    """The file systems of data volumes on this machine. Every act raises ActFailed, and may be repeated."""

    def mount(self, volume: DataVolume, bound_seconds: float) -> str:
        """Wait for the volume's device and mount it; the device's name. One that is mounted there already is fine."""

    def unmount(self, volume: DataVolume, bound_seconds: float) -> None:
        """Unmount it, never lazily: afterwards nothing on this machine writes to it. One that is mounted nowhere is fine."""


class CentralApi(Protocol):
    """The server's agent side.

    Every call raises ServerUnreachable, ServerRefused or TokenRefused; all but `register` raise NotRegistered while
    the daemon holds no token.
    """

    def register(self, server_url: str, token: str, body: JsonObject) -> tuple[bool, JsonObject]:
        """(is_new, answer)."""

    def heartbeat(self, body: JsonObject) -> JsonObject:
        """Report what this instance sees of itself; the answer carries the server's view."""

    def config(self) -> JsonObject:
        """Fetch the configuration of this agent."""

    def pending_commands(self, wait_seconds: float) -> JsonObject:
        """Fetch the commands that wait; the server may park the request up to `wait_seconds` (0 = do not wait)."""

    def executed(self, command_id: str, body: JsonObject) -> JsonObject:
        """Tell the outcome of a command; the same outcome again is fine."""

    def report(self, kind: str, body: JsonObject) -> JsonObject:
        """`kind` is the last part of the path: pricing-report, termination-imminent, cleanup-report, ..."""

    def replicas(self) -> JsonObject:
        """List this agent's replicas."""

    def replica_status(self, replica_id: str, body: JsonObject) -> JsonObject:
        """Report how far this instance is as a replica."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the server's readiness page answered. `status` is None without an answer; then `detail` says why.

    `is_ours`: the answer has the form of a central server's. `server_time` is its Date header, cut to whole seconds.
    """

    status: int | None
    detail: str
    is_ours: bool = False
    server_time: datetime | None = None


class CheckedServer(Protocol):
    """What `spot-agent check` asks of the central server; nothing of it changes anything there."""

    def readiness(self, server_url: str) -> Readiness:
        """Ask the readiness page; never raises."""

    def config(self) -> JsonObject:
        """As in CentralApi."""


class LoadBalancing(Protocol):
    """The load balancers of this instance's region. Every call raises Ec2Failed with its meaning, and may be repeated."""

    def register_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        """Register an instance; `port` None is the target group's own. Registering it again changes nothing."""

    def deregister_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        """Begin to drain an instance; one that is not registered changes nothing."""

    def target_state(self, target_group_arn: str, instance_id: str, port: int | None) -> TargetFacts | None:
        """How it is; None when it is not registered."""


class Dns(Protocol):
    """Route 53. Every call raises Ec2Failed with its meaning, and may be repeated."""

    def find_record(self, hosted_zone_id: str, record_name: str) -> RecordFacts | None:
        """Read an A record; None when the zone has none of this name."""

    def upsert_record(self, hosted_zone_id: str, record_name: str, value: str, ttl_seconds: int) -> str:
        """Have an A record name one address; the change's id."""

    def is_in_sync(self, change_id: str) -> bool:
        """Whether all of Route 53's servers answer with the change."""


class Volumes(Protocol):
    """EBS of this instance's region. Every call raises Ec2Failed with its meaning."""

    def describe(self, volume_ids: Sequence[str]) -> tuple[EbsFacts, ...]:
        """Describe those of these volumes that EC2 knows, in this order."""

    def attach(self, volume_id: str, instance_id: str, device_name: str) -> None:
        """Begin to attach; EC2 refuses (VolumeInUse) what is attached anywhere."""

    def detach(self, volume_id: str, instance_id: str, *, is_forced: bool) -> None:
        """Begin to detach. With force EC2 does not wait for the system, which may lose what it has not written."""

    def snapshots_of(self, volume_id: str) -> tuple[SnapshotFacts, ...]:
        """List this account's snapshots of a volume, which may be gone."""

    def create_snapshot(self, volume_id: str, tags: Mapping[str, str]) -> str:
        """Begin a snapshot of the volume as it is now; its id."""

    def create_volume(self, request: VolumeRequest) -> str:
        """Begin a volume; its id. A repeat with the same client token finds the first."""

    def delete(self, volume_id: str) -> None:
        """Delete; one that is gone already is fine. EC2 refuses (VolumeInUse) what is attached."""


class Ec2(Protocol):
    """EC2 of this instance's region. Every call raises Ec2Failed with its meaning; None means EC2 knows no such thing."""

    @property
    def balancing(self) -> LoadBalancing:
        """The load balancers, with the same credentials."""

    @property
    def dns(self) -> Dns:
        """Route 53, with the same credentials."""

    @property
    def ebs(self) -> Volumes:
        """The volumes, with the same credentials."""

    def describe_instance(self, instance_id: str) -> InstanceFacts | None:
        """Describe one instance; None when EC2 knows no such id."""

    def status_checks(self, instance_id: str) -> str | None:
        """EC2's checks of a running instance: `ok`, `impaired`, or what it is still waiting for; None: it does not say."""

    def find_instances(self, tags: Mapping[str, str]) -> tuple[InstanceFacts, ...]:
        """List the instances that carry all of `tags`, ended ones included while EC2 shows them."""

    def images_in_use(self, image_ids: Sequence[str]) -> frozenset[str]:
        """Those of `image_ids` from which an instance that is not terminated was made."""

    def run_instance(self, request: LaunchRequest) -> InstanceFacts:
        """Launch one instance; a repeat with the same client token finds the first."""

    def terminate_instance(self, instance_id: str) -> str:
        """The state after the call."""

    def stop_instance(self, instance_id: str) -> str:
        """With force; the state after the call. EC2 refuses it for a one-time spot instance."""

    def tag(self, resource_id: str, tags: Mapping[str, str]) -> None:
        """Set these tags, leaving others as they are."""

    def is_persistent_request(self, spot_request_id: str) -> bool:
        """Tell whether EC2 would launch another instance once this one is gone."""

    def cancel_spot_request(self, spot_request_id: str) -> None:
        """Cancel a spot request; its instance keeps running."""

    def keep_volumes(self, instance_id: str, device_names: Sequence[str]) -> None:
        """Set DeleteOnTermination=false."""

    def let_volumes_go(self, instance_id: str, device_names: Sequence[str]) -> None:
        """Set DeleteOnTermination=true."""

    def find_image(self, name: str) -> ImageFacts | None:
        """Find this account's image of this name, which is unique."""

    def find_images(self, tags: Mapping[str, str]) -> tuple[ImageFacts, ...]:
        """List this account's images that carry all of `tags`."""

    def create_image(self, instance_id: str, name: str, tags: Mapping[str, str], without_devices: Sequence[str] = ()) -> str:
        """Always without a reboot. The image's id. What is attached at `without_devices` is not in it."""

    def deregister_image(self, image_id: str) -> None:
        """Deregister; one that is gone already is fine. Its snapshots stay."""

    def find_snapshots(self, tags: Mapping[str, str]) -> tuple[SnapshotFacts, ...]:
        """List this account's snapshots that carry all of `tags`."""

    def create_snapshots(self, instance_id: str, tags: Mapping[str, str]) -> tuple[str, ...]:
        """One of each attached volume, at one moment."""

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete; one that is gone already is fine."""

    def find_volumes(self, tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """(volume id, state) of each."""

    def volume_settings(self, volume_ids: Sequence[str]) -> tuple[VolumeSettings, ...]:
        """Describe volumes; one that EC2 does not know is left out."""

    def cpu_credits(self, instance_id: str) -> str | None:
        """Read the credit specification of a burstable instance: standard or unlimited."""

    def describe_address(self, allocation_id: str) -> AddressFacts | None:
        """Describe an Elastic IP; None when EC2 knows no such allocation."""

    def associate_address(self, allocation_id: str, instance_id: str, *, allow_reassociation: bool) -> str:
        """The association's id."""

    def disassociate_address(self, association_id: str) -> None:
        """Free an Elastic IP from this one association; one that is over, whoever has the address now, changes nothing."""

    def assign_private_ip(self, interface_id: str, private_ip: str) -> None:
        """Have a network interface hold a secondary address, taking it from whichever of the same subnet has it."""

    def subnets_of_vpc(self, vpc_id: str) -> tuple[SubnetFacts, ...]:
        """List the subnets of a VPC."""

    def zone_ids(self) -> dict[str, str]:
        """AZ id by this account's AZ name."""

    def spot_prices(self, instance_types: Sequence[str], products: Sequence[str], at: datetime) -> tuple[SpotPrice, ...]:
        """Read the history of prices, of which the newest row of each pool is the price at `at`."""

    def instance_types(self, instance_types: Sequence[str]) -> tuple[TypeFacts, ...]:
        """Describe instance types; one that does not exist fails the whole call."""


class CheckedEc2(Protocol):
    """What `spot-agent check` asks of EC2; nothing of it changes anything there."""

    def describe_instance(self, instance_id: str) -> InstanceFacts | None:
        """As in Ec2."""

    def find_images(self, tags: Mapping[str, str]) -> tuple[ImageFacts, ...]:
        """As in Ec2."""

    def find_snapshots(self, tags: Mapping[str, str]) -> tuple[SnapshotFacts, ...]:
        """As in Ec2."""

    def dry_run(self, operation: str, arguments: Mapping[str, Any]) -> DryRun:
        """Ask whether EC2 would allow `operation` (run_instances); nothing is done, and nothing is raised."""
