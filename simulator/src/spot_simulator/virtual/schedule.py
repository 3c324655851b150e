"""What happens to a fleet in one run: people's wishes, EC2's doings and faults. Pure; drawing.py draws it from a seed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from spot_simulator.virtual.handles import HandleKind

HOUR_SECONDS = 3600.0
CALM_SECONDS = 600.0
"""Before the first event: every agent has registered and reported prices."""
SETTLED_IN_SECONDS = 240.0
"""By then all have registered; standbys that are to be kept are asked for, and are ready when the events begin."""
EVENTFUL_SECONDS = HOUR_SECONDS
SETTLE_SECONDS = 2 * HOUR_SECONDS
"""After the last event, with everything mended: by then each workload must serve, from one instance, and nothing be left over."""


DEFAULT_WAIT_SECONDS = 1800
"""How long a daemon's settings keep an old instance after a move, unless they say otherwise (`TERMINATE_WAIT_SECONDS`)."""
SHORT_WAIT_SECONDS = 300


class Kind(StrEnum):
    """What can happen."""

    # wishes of people
    SWITCH = "switch"
    SWITCH_AND_CANCEL = "switch_and_cancel"
    SWITCH_AND_ROLL_BACK = "switch_and_roll_back"
    CANCEL = "cancel"
    STANDBY_AND_PROMOTE = "standby_and_promote"
    KEEP_STANDBY = "keep_standby"
    # EC2's doings
    NOTICE = "notice"
    REBALANCE = "rebalance"
    REBALANCE_THEN_NOTICE = "rebalance_then_notice"
    LOSS = "loss"
    POOL_LOSS = "pool_loss"
    REBOOT = "reboot"
    START_AGAIN = "start_again"
    # EC2's API
    NO_CAPACITY = "no_capacity"
    THROTTLE = "throttle"
    LOST_ANSWER = "lost_answer"
    SLOW_TO_SEE = "slow_to_see"
    IMAGE_GONE = "image_gone"
    # processes
    KILL_DAEMON = "kill_daemon"
    KILL_WEB = "kill_web"
    KILL_JOBS = "kill_jobs"
    JOURNAL_BLOW = "journal_blow"
    SERVER_AWAY = "server_away"
    # the database
    DATABASE_AWAY = "database_away"
    TRANSACTION_BLOW = "transaction_blow"
    # the network and the clocks
    CUT_FROM_SERVER = "cut_from_server"
    CUT_FROM_EC2 = "cut_from_ec2"
    ROLE_CUT_FROM_EC2 = "role_cut_from_ec2"
    BAD_NETWORK = "bad_network"
    CLOCK_SKEW = "clock_skew"
    # the instance
    METADATA_FAULT = "metadata_fault"
    START_FAILS = "start_fails"


MOVES = frozenset(
    {
        Kind.SWITCH,
        Kind.SWITCH_AND_CANCEL,
        Kind.SWITCH_AND_ROLL_BACK,
        Kind.CANCEL,
        Kind.STANDBY_AND_PROMOTE,
        Kind.KEEP_STANDBY,
        Kind.NOTICE,
        Kind.REBALANCE,
        Kind.REBALANCE_THEN_NOTICE,
        Kind.LOSS,
        Kind.POOL_LOSS,
    }
)
"""What makes the product move a workload, or not move it after all. All other kinds are there to disturb it."""
OF_LONE_AGENTS = frozenset({Kind.SERVER_AWAY, Kind.START_AGAIN})
"""What is drawn where daemons are left to themselves (lone_drawing.py). It meets no step: with the server away no move comes to one, and an
old primary that EC2 starts again is in no move."""
BESIDE = frozenset({Kind.IMAGE_GONE})
"""What is drawn beside all else, of a few runs (beside_drawing.py). No cell of the coverage is of it: the walk over them is as it was."""
FAULTS = tuple(sorted(set(Kind) - MOVES - OF_LONE_AGENTS - BESIDE))
"""The kinds of faults that meet steps of moves."""
OF_ONE_INSTANCE = frozenset(
    {
        Kind.REBOOT,
        Kind.KILL_DAEMON,
        Kind.JOURNAL_BLOW,
        Kind.CUT_FROM_SERVER,
        Kind.CUT_FROM_EC2,
        Kind.METADATA_FAULT,
    }
)
"""Faults that strike one instance of their agent, and nothing where that has none."""
OF_ONE_AGENT = OF_ONE_INSTANCE | {Kind.START_FAILS}
"""Faults that other agents do not notice."""
LASTING = frozenset(
    {
        Kind.NO_CAPACITY,
        Kind.SLOW_TO_SEE,
        Kind.DATABASE_AWAY,
        Kind.CUT_FROM_SERVER,
        Kind.CUT_FROM_EC2,
        Kind.ROLE_CUT_FROM_EC2,
        Kind.BAD_NETWORK,
        Kind.CLOCK_SKEW,
        Kind.METADATA_FAULT,
    }
)
"""Faults that say for how long."""

AT_STEP = "at_step"
"""The fact of an event that names a step: it happens when a move of its agent comes to that step, from its own time on (aiming.py)."""
IS_UNDO = "is_undo"
"""Beside AT_STEP: whether the step is being taken back then. Without it: it is not."""
AT_MOVE = "at_move"
"""Beside AT_STEP: why the move was begun. Without it: whatever the reason."""
AFTER_SECONDS = "after_seconds"
"""Beside AT_STEP: so long after the step began."""
IS_ELSEWHERE = "is_elsewhere"
"""The fact of a switch that names another zone than the agent's."""
OF_ZONE = "of_zone"
"""The fact of a shortage that befalls all pools of the agent's zone, and no others."""
LOSABLE_ACTIONS = ("RunInstances", "CreateImage", "AssociateAddress", "TerminateInstances", "CreateSnapshots")
CARRY_BY_VOLUME = "volume"
METADATA_MODES = ("hang", "error", "off", "truncated")
BLOWS = ("die_before", "die_after", "fail_before", "fail_after")


Facts = Mapping[str, float | int | str | bool]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens `at_seconds` after the start of the run. `agent` is an index into the fleet; None: no agent in particular."""

    at_seconds: float
    kind: Kind
    agent: int | None = None
    facts: Facts = field(default_factory=dict)

    def line(self) -> str:
        """Say it in one line."""
        facts = " ".join(f"{key}={value}" for key, value in self.facts.items())
        who = "" if self.agent is None else f" agent-{self.agent}"
        return f"{self.at_seconds:9.2f} s {self.kind}{who} {facts}".rstrip()


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """How one agent of the fleet is set up."""

    carry: str
    is_on_spot: bool
    is_auto_terminated: bool
    keeps_standby: bool
    handles: tuple[HandleKind, ...] = (HandleKind.ELASTIC_IP,)
    """By what its clients reach it, in the order of its settings."""
    terminate_wait_seconds: int = DEFAULT_WAIT_SECONDS
    """How long its old instance is kept after a move."""


@dataclass(frozen=True, slots=True)
class Guards:
    """The spending guards of a run's server, which hold for each of its agents. Bounds and meaning are those of the server's settings."""

    replica_count: int = 5
    launches_per_hour: int = 20
    overlap_hours: float = 24.0

    def settings(self) -> dict[str, Any]:
        """Return them as the server's settings name them."""
        return {f"spending_{name}": value for name, value in asdict(self).items()}


NO_TIGHT_GUARDS = Guards()
"""The server's defaults, which bite in no drawn run."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that is drawn for one run."""

    seed: int
    has_control_role: bool
    agents: tuple[AgentPlan, ...]
    events: tuple[Event, ...]
    eventful_seconds: float = EVENTFUL_SECONDS
    """How long after the calm beginning everything is mended."""
    guards: Guards = NO_TIGHT_GUARDS

    def lines(self) -> list[str]:
        """Say it in lines."""
        role = "with a control role" if self.has_control_role else "daemons act in EC2"
        head = [f"seed {self.seed}: {len(self.agents)} agents, {role}"]
        if self.guards != NO_TIGHT_GUARDS:
            guards = self.guards
            most = f"{guards.replica_count} replicas, {guards.launches_per_hour} launches an hour, {guards.overlap_hours:g} h of overlap"
            head.append(f"  spending guards: {most}")
        head += [
            f"  agent-{number}: {plan.carry}, {'spot' if plan.is_on_spot else 'on demand'}"
            f"{'' if plan.is_auto_terminated else ', auto-terminate off'}{', keeps a standby' if plan.keeps_standby else ''}"
            f", old instances kept for {plan.terminate_wait_seconds} s, by {' '.join(plan.handles)}"
            for number, plan in enumerate(self.agents)
        ]
        return head + [f"  {event.line()}" for event in self.events]
