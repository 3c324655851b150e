"""The closed sets of the design: the same words in code, on the wire and in the database."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What an instance is to its agent. Our book; whether it serves is the world."""

    PRIMARY = "PRIMARY"
    REPLICA = "REPLICA"
    ZOMBIE = "ZOMBIE"
    TERMINATED = "TERMINATED"


class InstanceStatus(StrEnum):
    """A role as the wire spells it."""

    RUNNING_PRIMARY = "running_primary"
    RUNNING_REPLICA = "running_replica"
    ZOMBIE = "zombie"
    TERMINATED = "terminated"


STATUS_OF_ROLE = {
    Role.PRIMARY: InstanceStatus.RUNNING_PRIMARY,
    Role.REPLICA: InstanceStatus.RUNNING_REPLICA,
    Role.ZOMBIE: InstanceStatus.ZOMBIE,
    Role.TERMINATED: InstanceStatus.TERMINATED,
}


class Mode(StrEnum):
    """How an instance is paid for; unknown while metadata and API disagree: no move is made then."""

    SPOT = "spot"
    ON_DEMAND = "on_demand"
    UNKNOWN = "unknown"


class Carry(StrEnum):
    """How an agent's state comes along. Chosen by a person when the agent is set up, never assumed."""

    STATELESS = "stateless"
    IMAGE_AFTER_QUIESCE = "image_after_quiesce"
    RSYNC = "rsync"
    HOOK = "hook"
    VOLUME = "volume"


class ImageConsistency(StrEnum):
    """What the files in an image, made while the workload ran, are like."""

    CRASH = "crash"
    """As after a loss of power: what was written and not yet on the disk is missing."""

    FROZEN = "frozen"
    """The client's own freeze hook held the workload still at the moment whose state it holds."""


class TokenKind(StrEnum):
    """Who a bearer token speaks for."""

    ADMIN = "admin"
    CLIENT = "client"
    ENROLMENT = "enrolment"
    AGENT = "agent"


class ReplicaKind(StrEnum):
    """Why a replica exists: kept running, made on a notice or recommendation, or made to move."""

    MANUAL = "manual"
    EMERGENCY = "emergency"
    SWITCH = "switch"


class ReplicaStatus(StrEnum):
    """The life of a replica."""

    LAUNCHING = "launching"
    SYNCING = "syncing"
    READY = "ready"
    PROMOTED = "promoted"
    TERMINATED = "terminated"
    FAILED = "failed"


LIVE_REPLICA_STATUSES = frozenset({ReplicaStatus.LAUNCHING, ReplicaStatus.SYNCING, ReplicaStatus.READY})


class CommandStatus(StrEnum):
    """The life of a command."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN_COMMAND_STATUSES = frozenset({CommandStatus.QUEUED, CommandStatus.DELIVERED})


class ClosedBecause(StrEnum):
    """Why the server closed a command itself, where that says more than its status: nobody will answer it, or nobody waits for that."""

    INSTANCE_TERMINATED = "instance_terminated"
    AGENT_DELETED = "agent_deleted"
    NOBODY_WAITS = "nobody_waits"
    DEADLINE_PASSED = "deadline_passed"


class CommandKind(StrEnum):
    """What a daemon (or the control role) can be told to do; see docs/agent-protocol.md."""

    CREATE_IMAGE = "create_image"
    LAUNCH_INSTANCE = "launch_instance"
    STANDBY_CHECK = "standby_check"
    QUIESCE = "quiesce"
    DEMOTE = "demote"
    MOVE_ADDRESS = "move_address"
    MAKE_SYNC_KEY = "make_sync_key"
    OPEN_RECEIVER = "open_receiver"
    SEND_STATE = "send_state"
    CLOSE_SYNC = "close_sync"
    UNMOUNT_VOLUMES = "unmount_volumes"
    DETACH_VOLUMES = "detach_volumes"
    ATTACH_VOLUMES = "attach_volumes"
    MOUNT_VOLUMES = "mount_volumes"
    COPY_VOLUMES = "copy_volumes"
    DISCARD_VOLUMES = "discard_volumes"
    MOVE_PRIVATE_IP = "move_private_ip"
    MOVE_TARGET = "move_target"
    CONFIRM_TARGET = "confirm_target"
    MOVE_RECORD = "move_record"
    CONFIRM_RECORD = "confirm_record"
    TRAFFIC_HOOK = "traffic_hook"
    START_SERVING = "start_serving"
    DESCRIBE_INSTANCE = "describe_instance"
    TERMINATE_INSTANCE = "terminate_instance"
    STOP_INSTANCE = "stop_instance"
    WAIT_TERMINATED = "wait_terminated"
    SALVAGE_VOLUMES = "salvage_volumes"
    RELEASE = "release"


class HandleKind(StrEnum):
    """What clients reach a workload by; see docs/handles.md."""

    ELASTIC_IP = "elastic_ip"
    SECONDARY_PRIVATE_IP = "secondary_private_ip"
    TARGET_GROUP = "target_group"
    ROUTE53_RECORD = "route53_record"
    HOOK = "hook"


class TerminationRefusal(StrEnum):
    """Codes with which whoever should terminate an instance refuses, by EC2's word of that moment (error class `refused`)."""

    NOT_OURS = "not_ours"
    HOLDS_HANDLE = "holds_handle"


class Verdict(StrEnum):
    """What a person decided about an unexpected instance."""

    APPROVED = "approved"
    REFUSED = "refused"


class Actor(StrEnum):
    """Who carries out an act."""

    DAEMON = "daemon"
    CONTROL_ROLE = "control_role"


PRIORITY_EMERGENCY = 100
PRIORITY_PERSON = 75
PRIORITY_DECISION = 50
PRIORITY_HOUSEKEEPING = 25


class SwitchTrigger(StrEnum):
    """Why a move was begun."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    NOTICE = "notice"
    FAILOVER = "failover"


RESCUE_TRIGGERS = frozenset({SwitchTrigger.NOTICE, SwitchTrigger.FAILOVER})
"""What moves an agent whether anybody asked for it or not."""


class WayBack(StrEnum):
    """Where a completed move is rolled back to: the instance that it left, or a new one from the newest image made before it."""

    OLD_INSTANCE = "old_instance"
    LAST_GOOD_IMAGE = "last_good_image"


class SwitchStatus(StrEnum):
    """The life of a switch (a saga)."""

    RUNNING = "running"
    ROLLING_BACK = "rolling_back"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE_SWITCH_STATUSES = frozenset({SwitchStatus.RUNNING, SwitchStatus.ROLLING_BACK})


class StepName(StrEnum):
    """The recorded steps of a switch, in the order in which a plan may hold them."""

    KEY = "key"
    IMAGE = "image"
    LAUNCH = "launch"
    BOOT = "boot"
    RECEIVER = "receiver"
    COPY = "copy"
    SNAPSHOT = "snapshot"
    PREPARE = "prepare"
    QUIESCE = "quiesce"
    SYNC = "sync"
    UNMOUNT = "unmount"
    FENCE = "fence"
    COPY_VOLUMES = "copy_volumes"
    DETACH = "detach"
    ATTACH = "attach"
    MOUNT = "mount"
    TRAFFIC = "traffic"
    PROMOTE = "promote"
    START = "start"
    CONFIRM = "confirm"
    RETIRE = "retire"


class StepStatus(StrEnum):
    """The life of one step."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class InterruptionKind(StrEnum):
    """What EC2 told us, or did without telling; and `silence`, on which a workload was moved though EC2 said that its instance runs."""

    TERMINATE = "terminate"
    STOP = "stop"
    HIBERNATE = "hibernate"
    REBALANCE = "rebalance"
    SCHEDULED = "scheduled"
    LOSS = "loss"
    SILENCE = "silence"
    POOL_WARNING = "pool_warning"
    """Another instance was taken in the same pool: a probability, like a recommendation, of our own making."""


class GameDayKind(StrEnum):
    """What a game day plays against an agent, for real."""

    NOTICE = "notice"
    RECOMMENDATION = "recommendation"
    LOSS = "loss"
    CAPACITY_SHORTAGE = "capacity_shortage"


class GameDayStatus(StrEnum):
    """The life of a game day."""

    REQUESTED = "requested"
    INJECTING = "injecting"
    PLAYING = "playing"
    CLOSING = "closing"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"


ACTIVE_GAME_DAY_STATUSES = frozenset({GameDayStatus.REQUESTED, GameDayStatus.INJECTING, GameDayStatus.PLAYING, GameDayStatus.CLOSING})


class PlayedBy(StrEnum):
    """Who makes a game day's event happen."""

    FIS = "fis"
    SIMULATED_REGION = "simulated_region"


class DowntimeBasis(StrEnum):
    """What a move's or a game day's downtime is counted from; its end is the serving check of the side that serves after it."""

    QUIESCED = "quiesced"
    """The old side's own confirmation that it serves no more."""
    INSTANCE_END = "instance_end"
    """The end of the old instance, as its notice named it or as it was learned: it could not confirm."""
    LAST_SEEN = "last_seen"
    """Nobody knows the end of the old instance: its last heartbeat, or EC2's last word that it ran. The most that it can be."""


class NoticeChannel(StrEnum):
    """By which way the server hears of an interruption."""

    DAEMON = "daemon"
    """The instance's own daemon, from its metadata."""
    CONTROL_ROLE = "control_role"
    """The server's own look at EC2 with the client's control role."""
    EVENTBRIDGE = "eventbridge"
    """What EventBridge sends to the client's SQS queue."""
    SERVER = "server"
    """The server's own books: what befell other instances in the same pool."""


class PriceSource(StrEnum):
    """Who reported a price; PRIMARY reports take precedence when prices are consolidated.

    Stored by its place in this list: a new one comes last.
    """

    PRIMARY = "primary"
    REPLICA = "replica"
    SERVER = "server"


class OnDemandSource(StrEnum):
    """Where an on-demand price is from."""

    PRICE_LIST = "price_list"
    """AWS's Price List API."""
    CATALOGUE = "catalogue"
    """A file that a person gave."""


class ConsolidationStatus(StrEnum):
    """The life of a consolidation of prices."""

    RUNNING = "running"
    DONE = "done"


class Severity(StrEnum):
    """How loud a notification is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Action(StrEnum):
    """What a decision says of an agent."""

    STAY = "STAY"
    """Where it is is best, or nothing better is worth a move now."""
    SWITCH = "SWITCH"
    """Move it to the target."""
    CREATE_REPLICA = "CREATE_REPLICA"
    """Have a replica ready in the target: a loss is likely."""
    NO_ACTION = "NO_ACTION"
    """Nothing is to be decided: it is disabled, being moved, or not known well enough."""


class AnswerKind(StrEnum):
    """What came of asking a decision model; all but an answer count as STAY."""

    ANSWERED = "answered"
    FAILED = "failed"
    SLOW = "slow"
    OFF_SCHEMA = "off_schema"
