"""Which agents at large have a data volume, and what happens to them because of it.

Drawn from dice of its own: all else of a seed is what it was before there were volumes. The agents of scenes have none, for a scene is
built around steps that a move without volumes has.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from spot_server.words import Carry, StepName
from spot_simulator.virtual.disturbances import draw_facts, happens
from spot_simulator.virtual.schedule import AT_STEP, CARRY_BY_VOLUME, FAULTS, AgentPlan, Event, Kind

VOLUME_STEPS = (StepName.UNMOUNT, StepName.SNAPSHOT, StepName.COPY_VOLUMES, StepName.DETACH, StepName.ATTACH, StepName.MOUNT)
VOLUME_ACTIONS = ("AttachVolume", "DetachVolume", "CreateVolume", "CreateSnapshot", "DescribeVolumes")
_AIMED = tuple(kind for kind in FAULTS if kind not in {Kind.NO_CAPACITY, Kind.ROLE_CUT_FROM_EC2})
"""Capacity is asked for in other steps, and not every client has a control role."""
_SWITCHES = frozenset({Kind.SWITCH, Kind.SWITCH_AND_CANCEL, Kind.SWITCH_AND_ROLL_BACK})


def give_volumes(dice: random.Random, agents: Sequence[AgentPlan]) -> list[AgentPlan]:
    """Give half of the stateless agents a data volume."""
    return [replace(one, carry=CARRY_BY_VOLUME) if happens(dice, 0.5) and one.carry == Carry.STATELESS else one for one in agents]


def about_volume(dice: random.Random, move: Event) -> list[Event]:
    """Return a move of an agent with a data volume, with mostly a fault at a step about it; a third of the switches leave the zone."""
    is_elsewhere = happens(dice, 1 / 3) and move.kind in _SWITCHES
    moved = replace(move, facts={**move.facts, "is_elsewhere": True}) if is_elsewhere else move
    if happens(dice, 0.25):
        return [moved]
    kind = dice.choice(_AIMED)
    facts = {**draw_facts(dice, kind), AT_STEP: dice.choice(VOLUME_STEPS).value}
    if "action" in facts:
        facts["action"] = dice.choice(VOLUME_ACTIONS)
    return [moved, Event(move.at_seconds, kind, move.agent, facts)]
