"""What happens to a fleet in one run: people's wishes, EC2's doings and faults, drawn from a seed. Pure."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from spot_simulator.virtual.handles import HandleKind

HOUR_SECONDS = 3600.0
CALM_SECONDS = 600.0
"""Before the first event: every agent has registered and reported prices."""
SETTLED_IN_SECONDS = 240.0
"""By then all have registered; standbys that are to be kept are asked for, and are ready when the events begin."""
EVENTFUL_SECONDS = HOUR_SECONDS
SETTLE_SECONDS = 2 * HOUR_SECONDS
"""After the last event, with everything mended: by then each workload must serve, from one instance, and nothing be left over."""


class Kind(StrEnum):
    """What can happen."""

    # wishes of people
    SWITCH = "switch"
    SWITCH_AND_CANCEL = "switch_and_cancel"
    STANDBY_AND_PROMOTE = "standby_and_promote"
    KEEP_STANDBY = "keep_standby"
    # EC2's doings
    NOTICE = "notice"
    REBALANCE = "rebalance"
    REBALANCE_THEN_NOTICE = "rebalance_then_notice"
    LOSS = "loss"
    POOL_LOSS = "pool_loss"
    REBOOT = "reboot"
    # EC2's API
    NO_CAPACITY = "no_capacity"
    THROTTLE = "throttle"
    LOST_ANSWER = "lost_answer"
    SLOW_TO_SEE = "slow_to_see"
    # processes
    KILL_DAEMON = "kill_daemon"
    KILL_WEB = "kill_web"
    KILL_JOBS = "kill_jobs"
    JOURNAL_BLOW = "journal_blow"
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
        Kind.STANDBY_AND_PROMOTE,
        Kind.KEEP_STANDBY,
        Kind.NOTICE,
        Kind.REBALANCE,
        Kind.REBALANCE_THEN_NOTICE,
        Kind.LOSS,
        Kind.POOL_LOSS,
    }
)
"""What makes the product move a workload. All other kinds are there to disturb it."""

AT_STEP = "at_step"
"""The fact of a fault that names a step: it strikes when that step of a move of its agent begins, from its own time on."""
STEPS = ("image", "launch", "boot", "prepare", "quiesce", "fence", "traffic", "promote", "start", "retire")
LOSABLE_ACTIONS = ("RunInstances", "CreateImage", "AssociateAddress", "TerminateInstances", "CreateSnapshots")
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
    """Drawn schedules have the Elastic IP alone."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that is drawn for one run."""

    seed: int
    has_control_role: bool
    agents: tuple[AgentPlan, ...]
    events: tuple[Event, ...]
    eventful_seconds: float = EVENTFUL_SECONDS
    """How long after the calm beginning everything is mended."""

    def lines(self) -> list[str]:
        """Say it in lines."""
        role = "with a control role" if self.has_control_role else "daemons act in EC2"
        head = [f"seed {self.seed}: {len(self.agents)} agents, {role}"]
        head += [
            f"  agent-{number}: {plan.carry}, {'spot' if plan.is_on_spot else 'on demand'}"
            f"{'' if plan.is_auto_terminated else ', auto-terminate off'}{', keeps a standby' if plan.keeps_standby else ''}"
            for number, plan in enumerate(self.agents)
        ]
        return head + [f"  {event.line()}" for event in self.events]


def draw_schedule(seed: int, *, is_fair: bool = False) -> Schedule:
    """Draw a fleet of 3 to 20 agents, and what happens to it: 2 to 8 moves, each with its disturbances around it.

    `is_fair` leaves the disturbances out; the rest is the same.
    """
    dice = random.Random(f"schedule-{seed}")
    agents = tuple(_draw_agent(dice) for _ in range(min(20, 3 + int(dice.expovariate(1 / 3)))))
    events: list[Event] = []
    for _ in range(dice.randint(2, 8)):
        at_seconds = CALM_SECONDS + dice.uniform(0, EVENTFUL_SECONDS)
        move = _draw_move(dice, at_seconds, len(agents))
        events.append(move)
        events += [_draw_disturbance(dice, move, len(agents)) for _ in range(_draw_count(dice))]
    has_control_role = _happens(dice, 0.5)
    if is_fair:
        events = [event for event in events if event.kind in MOVES]
    return Schedule(seed, has_control_role, agents, tuple(sorted(events, key=lambda event: event.at_seconds)))


def _happens(dice: random.Random, probability: float) -> bool:
    return dice.random() < probability


def _draw_agent(dice: random.Random) -> AgentPlan:
    return AgentPlan(
        carry=dice.choice(("stateless", "stateless", "image_after_quiesce")),
        is_on_spot=_happens(dice, 0.85),
        is_auto_terminated=_happens(dice, 0.9),
        keeps_standby=_happens(dice, 0.2),
    )


def _draw_count(dice: random.Random) -> int:
    """Most moves are disturbed once or twice; one in six is not, and some are disturbed a lot."""
    return min(6, int(dice.expovariate(1 / 1.6) + 0.3))


def _draw_move(dice: random.Random, at_seconds: float, agents: int) -> Event:
    kinds = (
        (Kind.SWITCH, 4),
        (Kind.SWITCH_AND_CANCEL, 2),
        (Kind.STANDBY_AND_PROMOTE, 2),
        (Kind.KEEP_STANDBY, 1),
        (Kind.NOTICE, 5),
        (Kind.REBALANCE, 2),
        (Kind.REBALANCE_THEN_NOTICE, 3),
        (Kind.LOSS, 3),
        (Kind.POOL_LOSS, 1),
    )
    kind = dice.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
    return Event(at_seconds, kind, dice.randrange(agents), _facts_of_move(dice, kind))


def _facts_of_move(dice: random.Random, kind: Kind) -> Facts:
    match kind:
        case Kind.SWITCH:
            return {"on_demand": _happens(dice, 0.2)}
        case Kind.SWITCH_AND_CANCEL:
            return {"on_demand": _happens(dice, 0.2), "cancel_after_seconds": dice.choice((5.0, 60.0, 300.0)) * dice.uniform(0.2, 2)}
        case Kind.STANDBY_AND_PROMOTE:
            return {"promote_after_seconds": dice.uniform(200, 900)}
        case Kind.NOTICE:
            return {"lead_seconds": _draw_lead(dice), "action": dice.choice(("terminate",) * 8 + ("stop", "hibernate"))}
        case Kind.REBALANCE_THEN_NOTICE:
            return {"lead_seconds": _draw_lead(dice), "notice_after_seconds": dice.uniform(0, 1500)}
        case _:
            return {}


def _draw_lead(dice: random.Random) -> float:
    """Two minutes as promised; sometimes less, as happens."""
    return 120.0 if _happens(dice, 0.8) else dice.uniform(5, 119)


def _draw_disturbance(dice: random.Random, move: Event, agents: int) -> Event:
    kind = dice.choice(sorted(set(Kind) - MOVES))
    is_near = _happens(dice, 0.8)
    agent = move.agent if is_near else dice.randrange(agents)
    if is_near and kind is not Kind.NO_CAPACITY and _happens(dice, 0.6):
        return Event(move.at_seconds, kind, agent, {**_facts_of_disturbance(dice, kind), AT_STEP: dice.choice(STEPS)})
    # Around the move: capacity is short before it is asked for; all else falls somewhere into the minutes that it takes.
    offset_seconds = dice.uniform(-60, 30) if kind is Kind.NO_CAPACITY else dice.triangular(-30, 900, 60)
    return Event(max(CALM_SECONDS, move.at_seconds + offset_seconds), kind, agent, _facts_of_disturbance(dice, kind))


def _facts_of_disturbance(dice: random.Random, kind: Kind) -> Facts:
    draw = _DISTURBANCES.get(kind)
    return {} if draw is None else draw(dice)


def _for_seconds(dice: random.Random) -> float:
    """How long a disturbance lasts: mostly a minute or two, now and then half an hour."""
    return round(min(1800.0, dice.expovariate(1 / 90)), 1)


_DISTURBANCES: dict[Kind, Callable[[random.Random], Facts]] = {
    Kind.NO_CAPACITY: lambda dice: {"pools": dice.randint(1, 12), "on_demand": _happens(dice, 0.3), "for_seconds": 3 * _for_seconds(dice)},
    Kind.THROTTLE: lambda dice: {"action": dice.choice((*LOSABLE_ACTIONS, "DescribeInstances")), "count": dice.randint(1, 12)},
    Kind.LOST_ANSWER: lambda dice: {"action": dice.choice(LOSABLE_ACTIONS), "count": dice.randint(1, 3)},
    Kind.SLOW_TO_SEE: lambda dice: {"visible_after_seconds": dice.uniform(1, 30), "for_seconds": _for_seconds(dice)},
    Kind.KILL_DAEMON: lambda dice: {"is_new_side": _happens(dice, 0.5)},
    Kind.JOURNAL_BLOW: lambda dice: {"blow": dice.choice(("die_before", "die_after", "refuse")), "skip": dice.randint(0, 8)},
    Kind.DATABASE_AWAY: lambda dice: {"for_seconds": _for_seconds(dice)},
    Kind.CUT_FROM_SERVER: lambda dice: {"for_seconds": _for_seconds(dice), "is_new_side": _happens(dice, 0.3)},
    Kind.CUT_FROM_EC2: lambda dice: {"for_seconds": _for_seconds(dice), "is_new_side": _happens(dice, 0.3)},
    Kind.ROLE_CUT_FROM_EC2: lambda dice: {"for_seconds": _for_seconds(dice)},
    Kind.TRANSACTION_BLOW: lambda dice: {
        "blow": dice.choice(BLOWS),
        "process": dice.choice(("web", "jobs")),
        "skip": dice.randint(0, 30),
    },
    Kind.BAD_NETWORK: lambda dice: {
        "loss": dice.uniform(0, 0.2),
        "double": dice.uniform(0, 0.2),
        "most_seconds": dice.uniform(0.02, 3),
        "for_seconds": _for_seconds(dice),
    },
    Kind.CLOCK_SKEW: lambda dice: {
        "skew_seconds": dice.choice((-1, 1)) * dice.choice((2.0, 45.0, 400.0)),
        "is_server": _happens(dice, 0.3),
    },
    Kind.METADATA_FAULT: lambda dice: {"mode": dice.choice(METADATA_MODES), "for_seconds": _for_seconds(dice)},
    Kind.START_FAILS: lambda dice: {"count": dice.randint(1, 3)},
}
