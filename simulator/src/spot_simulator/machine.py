"""What the region knows of one instance."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from spot_simulator.model.capacity import Mode


class State(StrEnum):
    """EC2's instance states."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"


STATE_CODES = {
    State.PENDING: 0,
    State.RUNNING: 16,
    State.SHUTTING_DOWN: 32,
    State.TERMINATED: 48,
    State.STOPPING: 64,
    State.STOPPED: 80,
}


class ReasonCode(StrEnum):
    """Why EC2 says that an instance is not running."""

    USER = "Client.UserInitiatedShutdown"
    SPOT_TERMINATION = "Server.SpotInstanceTermination"
    SPOT_STOP = "Server.SpotInstanceShutdown"
    INTERNAL_ERROR = "Server.InternalError"


class MetadataFault(StrEnum):
    """How the metadata endpoint of an instance misbehaves."""

    NONE = "none"
    HANG = "hang"  # takes the connection and does not answer
    ERROR = "error"  # 503 to everything
    OFF = "off"  # 403 to everything, as with the endpoint disabled
    TRUNCATED = "truncated"  # half of every body


class NoticeAction(StrEnum):
    """What a notice announces."""

    TERMINATE = "terminate"
    STOP = "stop"
    HIBERNATE = "hibernate"


@dataclass(frozen=True, slots=True)
class Notice:
    """An interruption notice; ``at`` is when the instance goes, ``announced_at`` when EC2 said so."""

    action: NoticeAction
    at: datetime
    announced_at: datetime


CANCELLED = "[Canceled]"
"""Begins the description of a scheduled event that EC2 called off. Source: the EC2 API reference, InstanceStatusEvent."""


class MaintenanceCode(StrEnum):
    """What EC2 plans to do with an instance. Source: the EC2 API reference, InstanceStatusEvent."""

    INSTANCE_REBOOT = "instance-reboot"
    SYSTEM_REBOOT = "system-reboot"
    SYSTEM_MAINTENANCE = "system-maintenance"
    INSTANCE_RETIREMENT = "instance-retirement"
    INSTANCE_STOP = "instance-stop"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A scheduled event: EC2 announces it and, in this region, never carries it out. ``description`` says when it is over."""

    event_id: str
    code: str
    description: str
    not_before: datetime

    @property
    def is_over(self) -> bool:
        """Whether EC2 called it off."""
        return self.description.startswith(CANCELLED)


@dataclass(slots=True)
class ServiceRun:
    """A service of an instance: its process now (``pid``), and whether init wants it to run."""

    name: str
    pid: int | None = None
    is_wanted: bool = False
    started_at: datetime | None = None
    exit_code: int | None = None
    starts: int = 0


@dataclass(slots=True)
class Interval:
    """From ``since`` until ``until``; None means still."""

    since: datetime
    until: datetime | None = None


@dataclass(slots=True)
class Serving(Interval):
    """A time in which a workload process accepted writes."""

    pid: int = 0


@dataclass(slots=True)
class Machine:
    """One instance. Times are wall times; ``boot_number`` rises with every start and outdates what an earlier one scheduled."""

    instance_id: str
    ordinal: int
    instance_type: str
    az_id: str
    az_name: str
    mode: Mode
    private_ip: str
    image_id: str
    launched_at: datetime
    account_id: str
    region: str
    architecture: str
    user_data: bytes | None
    mac: str
    state: State = State.PENDING
    reason: ReasonCode | None = None
    boot_number: int = 0
    is_booted: bool = False
    boot_began_at: datetime | None = None
    first_running_at: datetime | None = None
    terminated_at: datetime | None = None
    notice: Notice | None = None
    rebalance_at: datetime | None = None
    maintenance: list[Maintenance] = field(default_factory=list)
    impaired_since: datetime | None = None
    is_request_cancelled: bool = False
    metadata_fault: MetadataFault = MetadataFault.NONE
    public_ip: str | None = None
    assigned_ips: list[str] = field(default_factory=list)
    """Secondary private addresses in EC2's book."""
    secondary_ips: list[str] = field(default_factory=list)
    """Those whose traffic comes here now, as the metadata service shows them."""
    services: dict[str, ServiceRun] = field(default_factory=dict)
    serving: list[Serving] = field(default_factory=list)
    running: list[Interval] = field(default_factory=list)

    @property
    def spot_request_id(self) -> str:
        """The id of the spot request behind a spot instance."""
        return f"sir-{self.instance_id.removeprefix('i-')[:8]}"
