"""What a run is drawn from: its seed. Three scenes that are built around a cell of the coverage each, and a few moves at large."""

from __future__ import annotations

import random

from spot_server.words import Carry, StepName
from spot_simulator.virtual.cells import aimed_cells
from spot_simulator.virtual.disturbances import draw_facts, happens
from spot_simulator.virtual.scenes import build_scene
from spot_simulator.virtual.schedule import (
    AT_STEP,
    BLOWS,
    CALM_SECONDS,
    CARRY_BY_VOLUME,
    EVENTFUL_SECONDS,
    FAULTS,
    MOVES,
    AgentPlan,
    Event,
    Facts,
    Kind,
    Schedule,
)
from spot_simulator.virtual.volume_drawing import about_volume, give_volumes

MOST_AGENTS = 20
SCENES = 3
"""In each run, as many as its smallest fleet has agents: so the walk over the cells leaves none out (cells.py)."""
MOST_AT_LARGE = 5
"""Moves of any agent, with faults at any time around them. Scenes alone would never show two troubles that nobody thought of together."""


def draw_schedule(seed: int, *, is_fair: bool = False) -> Schedule:
    """Draw a fleet of 3 to 20 agents, and what happens to it: 3 to 8 moves, with their disturbances.

    `is_fair` leaves the disturbances out; the rest is the same.
    """
    dice = random.Random(f"schedule-{seed}")
    scenes = [build_scene(dice, cell, number) for number, cell in enumerate(aimed_cells(seed, SCENES))]
    of_volumes = random.Random(f"volumes-{seed}")
    others = give_volumes(of_volumes, [_draw_agent(dice) for _ in range(_draw_others(dice))])
    agents = (*(scene.plan for scene in scenes), *others)
    events = [event for scene in scenes for event in scene.events]
    for _ in range(dice.randint(0, MOST_AT_LARGE)):
        at_seconds = CALM_SECONDS + dice.uniform(0, EVENTFUL_SECONDS)
        who = _draw_who(dice, len(agents))
        move = _draw_move(dice, at_seconds, who)
        has_volume = agents[who].carry == CARRY_BY_VOLUME
        events += [*(about_volume(of_volumes, move) if has_volume else [move]), *_draw_wish_blow(dice, move, agents[who])]
        events += [_draw_disturbance(dice, move, len(agents)) for _ in range(_draw_count(dice))]
    has_control_role = any(scene.needs_control_role for scene in scenes) or happens(dice, 0.5)
    if is_fair:
        events = [event for event in events if event.kind in MOVES]
    return Schedule(seed, has_control_role, agents, tuple(sorted(events, key=lambda event: event.at_seconds)))


def _draw_others(dice: random.Random) -> int:
    """Mostly one, for the moves at large. One fleet in twenty is large: what agents do to each other takes many."""
    return dice.randint(4, MOST_AGENTS - SCENES) if happens(dice, 0.05) else dice.choices((0, 1, 2, 3), (1, 6, 2, 1))[0]


def _draw_who(dice: random.Random, agents: int) -> int:
    """Draw an agent that is in no scene, if there is one."""
    return dice.randrange(SCENES, agents) if agents > SCENES else dice.randrange(agents)


def _draw_agent(dice: random.Random) -> AgentPlan:
    return AgentPlan(
        carry=dice.choice(("stateless", "stateless", "image_after_quiesce")),
        is_on_spot=happens(dice, 0.85),
        is_auto_terminated=happens(dice, 0.9),
        keeps_standby=happens(dice, 0.2),
    )


def _draw_count(dice: random.Random) -> int:
    """Most moves are disturbed once or twice; one in six is not, and some are disturbed a lot."""
    return min(6, int(dice.expovariate(1 / 1.6) + 0.3))


def _draw_move(dice: random.Random, at_seconds: float, agent: int) -> Event:
    kinds = (
        (Kind.SWITCH, 4),
        (Kind.SWITCH_AND_CANCEL, 2),
        (Kind.SWITCH_AND_ROLL_BACK, 2),
        (Kind.STANDBY_AND_PROMOTE, 2),
        (Kind.KEEP_STANDBY, 1),
        (Kind.NOTICE, 5),
        (Kind.REBALANCE, 2),
        (Kind.REBALANCE_THEN_NOTICE, 3),
        (Kind.LOSS, 3),
        (Kind.POOL_LOSS, 1),
    )
    kind = dice.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
    return Event(at_seconds, kind, agent, _facts_of_move(dice, kind))


def _facts_of_move(dice: random.Random, kind: Kind) -> Facts:
    match kind:
        case Kind.SWITCH | Kind.SWITCH_AND_ROLL_BACK:
            return {"on_demand": happens(dice, 0.2)}
        case Kind.SWITCH_AND_CANCEL:
            return {"on_demand": happens(dice, 0.2), "cancel_after_seconds": dice.choice((5.0, 60.0, 300.0)) * dice.uniform(0.2, 2)}
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
    return 120.0 if happens(dice, 0.8) else dice.uniform(5, 119)


_WISHES = frozenset({Kind.SWITCH, Kind.SWITCH_AND_CANCEL, Kind.SWITCH_AND_ROLL_BACK, Kind.STANDBY_AND_PROMOTE})


def _draw_wish_blow(dice: random.Random, move: Event, plan: AgentPlan) -> list[Event]:
    """Draw whether a blow falls on the transaction in which a person's wish is answered: the one that begins the first step of the move."""
    if move.kind not in _WISHES or not happens(dice, 0.25):
        return []
    if move.kind is Kind.STANDBY_AND_PROMOTE:
        first = StepName.PREPARE
    else:
        first = StepName.QUIESCE if plan.carry == Carry.IMAGE_AFTER_QUIESCE else StepName.IMAGE
    facts: Facts = {"blow": dice.choice(BLOWS), "process": "", "skip": 0, AT_STEP: first.value}
    return [Event(move.at_seconds, Kind.TRANSACTION_BLOW, move.agent, facts)]


def _draw_disturbance(dice: random.Random, move: Event, agents: int) -> Event:
    """Around the move: capacity is short before it is asked for; all else falls somewhere into the minutes that it takes."""
    kind = dice.choice(FAULTS)
    agent = move.agent if happens(dice, 0.8) else dice.randrange(agents)
    offset_seconds = dice.uniform(-60, 30) if kind is Kind.NO_CAPACITY else dice.triangular(-30, 900, 60)
    return Event(max(CALM_SECONDS, move.at_seconds + offset_seconds), kind, agent, draw_facts(dice, kind))
