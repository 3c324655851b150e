"""What a run is drawn from: its seed. Three scenes that are built around a cell of the coverage each, and a few moves at large."""

from __future__ import annotations

import random
from dataclasses import replace

from spot_server.words import Carry, StepName, SwitchTrigger
from spot_simulator.virtual.agent_drawing import draw_agent, may_leave_zone
from spot_simulator.virtual.beside_drawing import draw_beside
from spot_simulator.virtual.cells import Row, aimed_cells, plans_of
from spot_simulator.virtual.disturbances import draw_aimed, draw_facts, happens
from spot_simulator.virtual.lone_drawing import LONE_PROBABILITY, draw_lone_agent, draw_lone_story
from spot_simulator.virtual.scenes import build_scene
from spot_simulator.virtual.schedule import (
    AT_STEP,
    BLOWS,
    CALM_SECONDS,
    DEFAULT_WAIT_SECONDS,
    EVENTFUL_SECONDS,
    FAULTS,
    IS_ELSEWHERE,
    MOVES,
    SHORT_WAIT_SECONDS,
    AgentPlan,
    Event,
    Facts,
    Kind,
    Schedule,
)

MOST_AGENTS = 20
SCENES = 3
"""In each run, as many as its smallest fleet has agents: so the walk over the cells leaves none out (cells.py)."""
MOST_AT_LARGE = 5
"""Moves of any agent, with faults at any time around them. Scenes alone would never show two troubles that nobody thought of together."""
DEFAULT_WAIT_PROBABILITY = 0.2
"""That a fleet keeps old instances for half an hour after a move, as by default. The end of a run waits for that, and for little else."""
_AT_CARRY = tuple(kind for kind in FAULTS if kind not in {Kind.NO_CAPACITY, Kind.ROLE_CUT_FROM_EC2})
"""What is aimed at the steps of a carry at large: capacity is asked for in other steps, and not every client has a control role."""


def draw_schedule(seed: int, *, is_fair: bool = False) -> Schedule:
    """Draw a fleet of 3 to 20 agents, and what happens to it: 3 to 8 moves, with their disturbances.

    `is_fair` leaves the disturbances out; the rest is the same.
    """
    dice = random.Random(f"schedule-{seed}")
    scenes = [build_scene(dice, cell, number) for number, cell in enumerate(aimed_cells(seed, SCENES))]
    agents: tuple[AgentPlan, ...] = (*(scene.plan for scene in scenes), *(draw_agent(dice) for _ in range(_draw_others(dice))))
    events = [event for scene in scenes for event in scene.events]
    for _ in range(dice.randint(0, MOST_AT_LARGE)):
        at_seconds = CALM_SECONDS + dice.uniform(0, EVENTFUL_SECONDS)
        who = _draw_who(dice, len(agents))
        move = _draw_move(dice, at_seconds, who, agents[who])
        events += [move, *_draw_wish_blow(dice, move, agents[who]), *_draw_at_carry(dice, move, agents[who])]
        events += [_draw_disturbance(dice, move, len(agents)) for _ in range(_draw_count(dice))]
    if happens(dice, LONE_PROBABILITY):
        events += draw_lone_story(dice, len(agents))
        agents = (*agents, draw_lone_agent())
    has_control_role = any(scene.needs_control_role for scene in scenes) or happens(dice, 0.5)
    if is_fair:
        events = [event for event in events if event.kind in MOVES]
    wait_seconds = DEFAULT_WAIT_SECONDS if happens(dice, DEFAULT_WAIT_PROBABILITY) else SHORT_WAIT_SECONDS
    agents = tuple(replace(plan, terminate_wait_seconds=wait_seconds) for plan in agents)
    schedule = Schedule(seed, has_control_role, agents, tuple(sorted(events, key=lambda event: event.at_seconds)))
    return draw_beside(schedule, is_fair=is_fair)


def _draw_others(dice: random.Random) -> int:
    """Mostly one, for the moves at large. One fleet in twenty is large: what agents do to each other takes many."""
    return dice.randint(4, MOST_AGENTS - SCENES - 1) if happens(dice, 0.05) else dice.choices((0, 1, 2, 3), (1, 6, 2, 1))[0]


def _draw_who(dice: random.Random, agents: int) -> int:
    """Draw an agent that is in no scene, if there is one."""
    return dice.randrange(SCENES, agents) if agents > SCENES else dice.randrange(agents)


def _draw_count(dice: random.Random) -> int:
    """Most moves are disturbed once or twice; one in six is not, and some are disturbed a lot."""
    return min(6, int(dice.expovariate(1 / 1.6) + 0.3))


def _draw_move(dice: random.Random, at_seconds: float, agent: int, plan: AgentPlan) -> Event:
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
    return Event(at_seconds, kind, agent, _facts_of_move(dice, kind, plan))


def _facts_of_move(dice: random.Random, kind: Kind, plan: AgentPlan) -> Facts:
    match kind:
        case Kind.SWITCH | Kind.SWITCH_AND_ROLL_BACK:
            return _draw_target(dice, plan)
        case Kind.SWITCH_AND_CANCEL:
            return {**_draw_target(dice, plan), "cancel_after_seconds": dice.choice((5.0, 60.0, 300.0)) * dice.uniform(0.2, 2)}
        case Kind.STANDBY_AND_PROMOTE:
            return {"promote_after_seconds": dice.uniform(200, 900)}
        case Kind.NOTICE:
            return {"lead_seconds": _draw_lead(dice), "action": dice.choice(("terminate",) * 8 + ("stop", "hibernate"))}
        case Kind.REBALANCE_THEN_NOTICE:
            return {"lead_seconds": _draw_lead(dice), "notice_after_seconds": dice.uniform(0, 1500)}
        case _:
            return {}


def _draw_target(dice: random.Random, plan: AgentPlan) -> Facts:
    """One in three switches of an agent with data volumes leaves their zone."""
    target: Facts = {"on_demand": happens(dice, 0.2)}
    return {**target, IS_ELSEWHERE: True} if may_leave_zone(plan) and happens(dice, 1 / 3) else target


def _draw_lead(dice: random.Random) -> float:
    """Two minutes as promised; sometimes less, as happens."""
    return 120.0 if happens(dice, 0.8) else dice.uniform(5, 119)


_WISHES = frozenset({Kind.SWITCH, Kind.SWITCH_AND_CANCEL, Kind.SWITCH_AND_ROLL_BACK, Kind.STANDBY_AND_PROMOTE})


def _draw_wish_blow(dice: random.Random, move: Event, plan: AgentPlan) -> list[Event]:
    """Draw whether a blow falls on the transaction in which a person's wish is answered: the one that begins the first step of the move."""
    if move.kind not in _WISHES or not happens(dice, 0.25):
        return []
    trigger = SwitchTrigger.PROMOTION if move.kind is Kind.STANDBY_AND_PROMOTE else SwitchTrigger.MANUAL
    # With a standby in the volumes' zone there is no snapshot to begin with.
    first = next(step for step in plans_of(trigger, Carry(plan.carry))[0] if step is not StepName.SNAPSHOT)
    facts: Facts = {"blow": dice.choice(BLOWS), "process": "", "skip": 0, AT_STEP: first.value}
    return [Event(move.at_seconds, Kind.TRANSACTION_BLOW, move.agent, facts)]


def _draw_at_carry(dice: random.Random, move: Event, plan: AgentPlan) -> list[Event]:
    """Draw a fault that waits for a step that only the agent's carry has, mostly."""
    own = set(plans_of(SwitchTrigger.MANUAL, Carry(plan.carry))[0]) - set(plans_of(SwitchTrigger.MANUAL, Carry.STATELESS)[0])
    if not own or not happens(dice, 0.75):
        return []
    row = Row(SwitchTrigger.MANUAL, dice.choice(sorted(own)), is_undo=False)
    return [draw_aimed(dice, dice.choice(_AT_CARRY), row, move.at_seconds, move.agent or 0, plan)]


def _draw_disturbance(dice: random.Random, move: Event, agents: int) -> Event:
    """Around the move: capacity is short before it is asked for; all else falls somewhere into the minutes that it takes."""
    kind = dice.choice(FAULTS)
    agent = move.agent if happens(dice, 0.8) else dice.randrange(agents)
    offset_seconds = dice.uniform(-60, 30) if kind is Kind.NO_CAPACITY else dice.triangular(-30, 900, 60)
    return Event(max(CALM_SECONDS, move.at_seconds + offset_seconds), kind, agent, draw_facts(dice, kind))
