"""The daemon's boundary: what it needs of the world, as protocols. Adapters and fakes both fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from spot_agent.ec2_facts import (
    AddressFacts,
    ImageFacts,
    InstanceFacts,
    LaunchRequest,
    SnapshotFacts,
    SpotPrice,
    SubnetFacts,
    TypeFacts,
)
from spot_agent.model import JsonObject


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


@dataclass(frozen=True, slots=True)
class HookResult:
    """How a hook ended. `exit_code` is None when it was killed at its bound; `output` holds its last 4 KB."""

    exit_code: int | None
    output: str

    @property
    def passed(self) -> bool:
        return self.exit_code == 0

    @property
    def timed_out(self) -> bool:
        return self.exit_code is None


class Hooks(Protocol):
    """Runs the workload's hooks."""

    def run(self, name: HookName, bound_seconds: float) -> HookResult | None:
        """None when the hook is not set. Killed with its process group at the bound. Raises Stopping when the
        daemon stops first."""


class CentralApi(Protocol):
    """The server's agent side. Every call raises ServerUnreachable, ServerRefused or TokenRefused; all but
    `register` raise NotRegistered while the daemon holds no token."""

    def register(self, server_url: str, token: str, body: JsonObject) -> tuple[bool, JsonObject]:
        """(is_new, answer)."""

    def heartbeat(self, body: JsonObject) -> JsonObject: ...

    def config(self) -> JsonObject: ...

    def pending_commands(self, wait_seconds: float) -> JsonObject: ...

    def executed(self, command_id: str, body: JsonObject) -> JsonObject: ...

    def report(self, kind: str, body: JsonObject) -> JsonObject:
        """`kind` is the last part of the path: pricing-report, termination-imminent, cleanup-report, ..."""

    def replicas(self) -> JsonObject: ...

    def replica_status(self, replica_id: str, body: JsonObject) -> JsonObject: ...


class Ec2(Protocol):
    """EC2 of this instance's region. Every call raises Ec2Failed with its meaning; None means EC2 knows no such thing."""

    def describe_instance(self, instance_id: str) -> InstanceFacts | None: ...

    def find_instances(self, tags: Mapping[str, str]) -> tuple[InstanceFacts, ...]: ...

    def images_in_use(self, image_ids: Sequence[str]) -> frozenset[str]:
        """Those of `image_ids` from which an instance that is not terminated was made."""

    def run_instance(self, request: LaunchRequest) -> InstanceFacts: ...

    def terminate_instance(self, instance_id: str) -> str:
        """The state after the call."""

    def is_persistent_request(self, spot_request_id: str) -> bool: ...

    def cancel_spot_request(self, spot_request_id: str) -> None: ...

    def keep_volumes(self, instance_id: str, device_names: Sequence[str]) -> None:
        """Set DeleteOnTermination=false."""

    def find_image(self, name: str) -> ImageFacts | None: ...

    def find_images(self, tags: Mapping[str, str]) -> tuple[ImageFacts, ...]: ...

    def create_image(self, instance_id: str, name: str, tags: Mapping[str, str]) -> str:
        """Always without a reboot. The image's id."""

    def deregister_image(self, image_id: str) -> None: ...

    def find_snapshots(self, tags: Mapping[str, str]) -> tuple[SnapshotFacts, ...]: ...

    def create_snapshots(self, instance_id: str, tags: Mapping[str, str]) -> tuple[str, ...]:
        """One of each attached volume, at one moment."""

    def delete_snapshot(self, snapshot_id: str) -> None: ...

    def find_volumes(self, tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """(volume id, state) of each."""

    def describe_address(self, allocation_id: str) -> AddressFacts | None: ...

    def associate_address(self, allocation_id: str, instance_id: str, allow_reassociation: bool) -> str:
        """The association's id."""

    def subnets_of_vpc(self, vpc_id: str) -> tuple[SubnetFacts, ...]: ...

    def zone_ids(self) -> dict[str, str]:
        """AZ id by this account's AZ name."""

    def spot_prices(self, instance_types: Sequence[str], products: Sequence[str], at: datetime) -> tuple[SpotPrice, ...]: ...

    def instance_types(self, instance_types: Sequence[str]) -> tuple[TypeFacts, ...]: ...
