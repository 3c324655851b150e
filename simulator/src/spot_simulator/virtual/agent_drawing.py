"""How drawn agents are set up: how their state comes along, and by what their clients reach them. Pure."""

from __future__ import annotations

import random
from collections.abc import Collection

from spot_server.features.switches.plans import CONFIRM_SPECS
from spot_server.words import Carry
from spot_simulator.virtual.disturbances import happens
from spot_simulator.virtual.handles import HandleKind
from spot_simulator.virtual.schedule import AgentPlan

_CARRIES = {Carry.STATELESS: 6, Carry.IMAGE_AFTER_QUIESCE: 3, Carry.RSYNC: 3, Carry.HOOK: 2, Carry.VOLUME: 4}
"""How often which is drawn where several will do."""
ELASTIC_IP_ALONE_PROBABILITY = 0.6
SEVERAL_PROBABILITY = 0.25
"""Of an agent that is not reached by an Elastic IP alone."""
OF_ONE_ZONE = HandleKind.SECONDARY_PRIVATE_IP
"""What leads nowhere but into its own zone."""
CONFIRMED = tuple(kind for kind in HandleKind if str(kind) in CONFIRM_SPECS)
"""Of which it is asked after the move whether they lead to the new side."""
CARRIES_IN_IMAGE = frozenset({Carry.IMAGE_AFTER_QUIESCE, Carry.RSYNC, Carry.HOOK})
"""Whose agents come up from their own images alone: before there is one, nobody can rescue them, and no standby is made."""

FIRST_STANDBY_SECONDS = 300.0
"""How long after the calm a standby of an agent without state in its image mostly is ready, and its daemon has its plan."""


def draw_carry(dice: random.Random, allowed: Collection[Carry] = tuple(Carry)) -> Carry:
    """Draw one of these carries."""
    known = [carry for carry in _CARRIES if carry in allowed]
    return dice.choices(known, [_CARRIES[carry] for carry in known])[0]


def draw_handles(dice: random.Random, *, is_confirmed: bool = False, stays_in_zone: bool = True) -> tuple[HandleKind, ...]:
    """Draw an Elastic IP mostly, else another handle, or several.

    `is_confirmed`: one of them at least is asked about after the move. `stays_in_zone`: the agent need never leave its zone.
    """
    kinds = [kind for kind in HandleKind if stays_in_zone or kind is not OF_ONE_ZONE]
    if not is_confirmed and happens(dice, ELASTIC_IP_ALONE_PROBABILITY):
        return (HandleKind.ELASTIC_IP,)
    first = dice.choice(CONFIRMED if is_confirmed else [kind for kind in kinds if kind is not HandleKind.ELASTIC_IP])
    if not happens(dice, SEVERAL_PROBABILITY):
        return (first,)
    others = [kind for kind in kinds if kind is not first]
    drawn = [first, *dice.sample(others, dice.randint(1, len(others)))]
    dice.shuffle(drawn)
    return tuple(drawn)


def draw_agent(dice: random.Random) -> AgentPlan:
    """Draw an agent of which nothing is expected."""
    return AgentPlan(
        carry=draw_carry(dice),
        is_on_spot=happens(dice, 0.85),
        is_auto_terminated=happens(dice, 0.9),
        keeps_standby=happens(dice, 0.2),
        handles=draw_handles(dice),
    )


def may_leave_zone(plan: AgentPlan) -> bool:
    """Tell whether a switch of this agent may name another zone: only data volumes are worth it, and a handle may hold it back."""
    return plan.carry == Carry.VOLUME and OF_ONE_ZONE not in plan.handles
