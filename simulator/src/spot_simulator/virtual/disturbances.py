"""What faults are drawn like: what each kind needs to be told. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable

from spot_server.words import StepName
from spot_simulator.virtual.cells import Row
from spot_simulator.virtual.handles import HandleKind
from spot_simulator.virtual.schedule import (
    AFTER_SECONDS,
    AT_STEP,
    BLOWS,
    IS_UNDO,
    LOSABLE_ACTIONS,
    METADATA_MODES,
    AgentPlan,
    Event,
    Facts,
    Kind,
)

MOST_POOLS = 12
ALL_POOLS = 1000
"""More than any region has."""
AT_ONCE_PROBABILITY = 0.6
"""Of an aimed fault; the others come a moment after the step began."""
UNHEARD_SECONDS = (0.05, 0.4)
"""After so long a call to EC2 that a step begins with has mostly been carried out, and has mostly not been answered (slow_ec2.py)."""
_NO_NEW_SIDE = frozenset({StepName.KEY, StepName.IMAGE, StepName.LAUNCH})
_ACTS: dict[StepName, tuple[str, ...]] = {
    StepName.IMAGE: ("CreateImage",),
    StepName.LAUNCH: ("RunInstances",),
    StepName.SNAPSHOT: ("CreateSnapshot",),
    StepName.COPY_VOLUMES: ("CreateSnapshot", "CreateVolume"),
    StepName.DETACH: ("DetachVolume",),
    StepName.ATTACH: ("AttachVolume",),
    StepName.RETIRE: ("TerminateInstances",),
}
"""What a step asks of EC2."""
_UNDO_ACTS: dict[StepName, tuple[str, ...]] = {
    StepName.LAUNCH: ("TerminateInstances",),
    StepName.DETACH: ("AttachVolume",),
    StepName.ATTACH: ("DetachVolume",),
}
_MOVES_HANDLE = {
    HandleKind.ELASTIC_IP: "AssociateAddress",
    HandleKind.SECONDARY_PRIVATE_IP: "AssignPrivateIpAddresses",
    HandleKind.TARGET_GROUP: "RegisterTargets",
    HandleKind.ROUTE53_RECORD: "ChangeResourceRecordSets",
}
_CONFIRMS_HANDLE = {HandleKind.TARGET_GROUP: "DescribeTargetHealth", HandleKind.ROUTE53_RECORD: "GetChange"}
"""What a step about a handle asks of AWS; a hook asks nothing of it."""
CHANGING_STEPS = frozenset(_ACTS) | {StepName.TRAFFIC}
"""The steps whose act changes something in AWS."""
ANY_STEPS_ACT = "DescribeInstances"
"""What daemons ask EC2 in every step."""


def happens(dice: random.Random, probability: float) -> bool:
    """Tell whether something of this probability happens."""
    return dice.random() < probability


def draw_facts(dice: random.Random, kind: Kind) -> Facts:
    """Draw what a fault of this kind is told."""
    draw = _DISTURBANCES.get(kind)
    return {} if draw is None else draw(dice)


def draw_aimed(dice: random.Random, kind: Kind, row: Row, at_seconds: float, agent: int, plan: AgentPlan) -> Event:
    """Draw a fault that strikes at this step of a move of the agent, which is set up by `plan`, when that comes after `at_seconds`."""
    facts = {**draw_facts(dice, kind), **_facts_at(dice, kind, row, plan), AT_STEP: row.step.value}
    if row.is_undo:
        facts[IS_UNDO] = True
    after_seconds = _draw_after_seconds(dice, kind, row)
    if after_seconds:
        facts[AFTER_SECONDS] = after_seconds
    return Event(at_seconds, kind, agent, facts)


def _facts_at(dice: random.Random, kind: Kind, row: Row, plan: AgentPlan) -> dict[str, float | int | str | bool]:
    """Say of a fault what makes it strike this step, and not a later one."""
    match kind:
        case Kind.LOST_ANSWER | Kind.THROTTLE:
            return {"action": dice.choice(_acts_of(row, plan) or (ANY_STEPS_ACT,))}
        case Kind.TRANSACTION_BLOW:
            return {"process": "", "skip": 0}
        case Kind.JOURNAL_BLOW:
            return {"skip": dice.randint(0, 2)}
        case Kind.KILL_DAEMON | Kind.CUT_FROM_SERVER | Kind.CUT_FROM_EC2 if row.step in _NO_NEW_SIDE and not row.is_undo:
            return {"is_new_side": False}
        case _:
            return {}


def _acts_of(row: Row, plan: AgentPlan) -> tuple[str, ...]:
    match row.step:
        case StepName.TRAFFIC:
            return tuple(_MOVES_HANDLE[kind] for kind in plan.handles if kind in _MOVES_HANDLE)
        case StepName.CONFIRM:
            return tuple(_CONFIRMS_HANDLE[kind] for kind in plan.handles if kind in _CONFIRMS_HANDLE)
        case _:
            return (_UNDO_ACTS if row.is_undo else _ACTS).get(row.step, ())


def _draw_after_seconds(dice: random.Random, kind: Kind, row: Row) -> float:
    if kind is Kind.TRANSACTION_BLOW or happens(dice, AT_ONCE_PROBABILITY):
        return 0.0
    if row.step is StepName.BOOT and not row.is_undo:
        return round(dice.uniform(1.0, 60.0), 3)
    return round(dice.uniform(*UNHEARD_SECONDS) if happens(dice, 0.7) else dice.uniform(0.4, 2.0), 3)


_UNHEARD: tuple[tuple[Kind, Facts], ...] = (
    (Kind.CUT_FROM_SERVER, {"is_new_side": False}),
    (Kind.DATABASE_AWAY, {}),
    (Kind.KILL_DAEMON, {"is_new_side": False}),
    (Kind.KILL_JOBS, {}),
)


def draw_unheard(dice: random.Random, step: StepName, at_seconds: float, agent: int) -> Event:
    """Draw that an act of EC2 is done and nobody hears of it: for longer than its answer is waited for, or whoever would hear it dies."""
    kind, facts = dice.choice(_UNHEARD)
    lasting = {"for_seconds": round(dice.uniform(180, 400), 1)} if kind in {Kind.CUT_FROM_SERVER, Kind.DATABASE_AWAY} else {}
    when = {AT_STEP: step.value, AFTER_SECONDS: round(dice.uniform(*UNHEARD_SECONDS), 3)}
    return Event(at_seconds, kind, agent, {**facts, **lasting, **when})


def draw_total_shortage(dice: random.Random) -> Facts:
    """Draw that nothing at all is to be had, for longer than rescues are tried one after the other."""
    return {"pools": ALL_POOLS, "on_demand": True, "for_seconds": round(dice.uniform(300, 1500), 1)}


TOTAL_SHORTAGE_PROBABILITY = 0.3


def _draw_shortage(dice: random.Random) -> Facts:
    if happens(dice, TOTAL_SHORTAGE_PROBABILITY):
        return draw_total_shortage(dice)
    return {"pools": dice.randint(1, MOST_POOLS), "on_demand": happens(dice, 0.3), "for_seconds": 3 * _for_seconds(dice)}


def _for_seconds(dice: random.Random) -> float:
    """How long a disturbance lasts: mostly a minute or two, now and then half an hour."""
    return round(min(1800.0, dice.expovariate(1 / 90)), 1)


_DISTURBANCES: dict[Kind, Callable[[random.Random], Facts]] = {
    Kind.NO_CAPACITY: _draw_shortage,
    Kind.THROTTLE: lambda dice: {"action": dice.choice((*LOSABLE_ACTIONS, "DescribeInstances")), "count": dice.randint(1, 12)},
    Kind.LOST_ANSWER: lambda dice: {"action": dice.choice(LOSABLE_ACTIONS), "count": dice.randint(1, 3)},
    Kind.SLOW_TO_SEE: lambda dice: {"visible_after_seconds": dice.uniform(1, 30), "for_seconds": _for_seconds(dice)},
    Kind.KILL_DAEMON: lambda dice: {"is_new_side": happens(dice, 0.5)},
    Kind.JOURNAL_BLOW: lambda dice: {"blow": dice.choice(("die_before", "die_after", "refuse")), "skip": dice.randint(0, 8)},
    Kind.DATABASE_AWAY: lambda dice: {"for_seconds": _for_seconds(dice)},
    Kind.CUT_FROM_SERVER: lambda dice: {"for_seconds": _for_seconds(dice), "is_new_side": happens(dice, 0.3)},
    Kind.CUT_FROM_EC2: lambda dice: {"for_seconds": _for_seconds(dice), "is_new_side": happens(dice, 0.3)},
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
        "is_server": happens(dice, 0.3),
        "for_seconds": 2 * _for_seconds(dice),
    },
    Kind.METADATA_FAULT: lambda dice: {"mode": dice.choice(METADATA_MODES), "for_seconds": _for_seconds(dice)},
    Kind.START_FAILS: lambda dice: {"count": dice.randint(1, 3)},
}
