"""The words of the domain as types: roles, modes, the facts of this instance, commands, the server's configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

JsonObject = dict[str, Any]


class Role(str, Enum):
    """What this instance is to its agent. The server decides; the journal remembers."""

    PRIMARY = "PRIMARY"
    REPLICA = "REPLICA"
    ZOMBIE = "ZOMBIE"
    TERMINATED = "TERMINATED"


class Mode(str, Enum):
    """How the instance is paid for; UNKNOWN while metadata and API disagree or one is not available."""

    SPOT = "spot"
    ON_DEMAND = "on_demand"
    UNKNOWN = "unknown"


class Lane(str, Enum):
    """FAST is the commands thread itself, SLOW is the replica manager's thread."""

    FAST = "fast"
    SLOW = "slow"


ROLE_OF_STATUS = {
    "running_primary": Role.PRIMARY,
    "running_replica": Role.REPLICA,
    "zombie": Role.ZOMBIE,
    "terminated": Role.TERMINATED,
}

TAG_MANAGED = "spot-optimizer:managed"
TAG_LOGICAL_AGENT_ID = "spot-optimizer:logical-agent-id"
TAG_CLIENT_ID = "spot-optimizer:client-id"
TAG_AGENT_ID = "spot-optimizer:agent-id"
TAG_REPLICA_ID = "spot-optimizer:replica-id"
TAG_EPOCH = "spot-optimizer:epoch"
TAG_LAUNCH_TOKEN = "spot-optimizer:launch-token"  # noqa: S105 - the name of a tag
TAG_HANDED_OVER = "spot-optimizer:handed-over"
TAG_SALVAGED_FROM = "spot-optimizer:salvaged-from"
TAG_COPY_OF = "spot-optimizer:copy-of"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this instance is, as the metadata service says. `az_id` is "" when only the API can tell it."""

    instance_id: str
    instance_type: str
    region: str
    az_name: str
    az_id: str
    image_id: str
    architecture: str
    account_id: str
    private_ip: str
    launched_at: datetime | None = None
    """None where the metadata does not say."""


@dataclass(frozen=True, slots=True)
class ServerView:
    """What the server says this instance is. `role` is None when the daemon does not know the status word."""

    role: Role | None
    is_primary: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class Command:
    """One instruction from the server to this daemon. `deadline_at` is on the server's clock."""

    command_id: str
    request_id: str
    kind: str
    priority: int
    epoch: int
    payload: JsonObject
    deadline_at: datetime | None


@dataclass(frozen=True, slots=True)
class Config:
    """The server's configuration. None means that the server did not say, so the environment's value holds."""

    config_version: int
    view: ServerView
    enabled: bool = True
    carry: str | None = None
    allowed_instance_types: tuple[str, ...] = ()
    cleanup_snapshots_older_than_days: int | None = None
    cleanup_images_older_than_days: int | None = None
    heartbeat_interval_seconds: float | None = None
    pending_commands_check_interval_seconds: float | None = None
    command_wait_seconds: float | None = None
    pricing_report_interval_seconds: float | None = None
    raw: JsonObject = field(default_factory=dict)
