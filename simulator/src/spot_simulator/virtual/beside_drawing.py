"""What befalls few runs beside all else: an image that somebody deregisters, and spending guards that bite. Pure.

It is drawn from a stream of its own, so that everything else that is drawn from a seed is as it would be without it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from spot_server.words import Carry, StepName
from spot_simulator.virtual.disturbances import happens
from spot_simulator.virtual.schedule import (
    AFTER_SECONDS,
    AT_STEP,
    CALM_SECONDS,
    MOVES,
    AgentPlan,
    Event,
    Facts,
    Guards,
    Kind,
    Schedule,
)

IMAGE_GONE_PROBABILITY = 0.2
GUARDS_PROBABILITY = 0.2
"""Of a run."""
AT_LAUNCH_PROBABILITY = 0.5
"""That the image goes when the move comes to its launch; else it goes at some time around the move."""
_LAUNCHING = frozenset(
    {
        Kind.SWITCH,
        Kind.SWITCH_AND_CANCEL,
        Kind.SWITCH_AND_ROLL_BACK,
        Kind.NOTICE,
        Kind.REBALANCE_THEN_NOTICE,
        Kind.LOSS,
        Kind.POOL_LOSS,
    }
)
"""What mostly begins a move with a launch of its own."""
EVERY_IMAGE = 1000
"""More than any agent has."""
EVERY_IMAGE_PROBABILITY = 0.2


def draw_beside(schedule: Schedule, *, is_fair: bool) -> Schedule:
    """Return the schedule with what is drawn beside it; `is_fair` leaves faults out, and bounds that hold moves up."""
    dice = random.Random(f"beside-{schedule.seed}")
    loses_image, has_guards = happens(dice, IMAGE_GONE_PROBABILITY), happens(dice, GUARDS_PROBABILITY)
    event, guards = _draw_image_gone(dice, schedule.events, schedule.agents), draw_guards(dice)
    if is_fair:
        return schedule
    events = [*schedule.events, event] if loses_image and event is not None else schedule.events
    in_order = tuple(sorted(events, key=lambda one: one.at_seconds))
    return replace(schedule, events=in_order, guards=guards if has_guards else schedule.guards)


def draw_guards(dice: random.Random) -> Guards:
    """Draw bounds so tight that a standby beside a move, or the second move in an hour, or an old side that waits, comes to one."""
    return Guards(replica_count=dice.randint(1, 2), launches_per_hour=dice.randint(1, 4), overlap_hours=round(dice.uniform(0.1, 0.5), 2))


def _draw_image_gone(dice: random.Random, events: Sequence[Event], agents: Sequence[AgentPlan]) -> Event | None:
    """Somebody deregisters the newest images of an agent around one of its moves; rather of one whose state is in them."""
    moves = [event for event in events if event.kind in MOVES and event.agent is not None]
    weights = [1 if agents[event.agent or 0].carry == Carry.STATELESS else 4 for event in moves]
    if not moves:
        return None
    move = dice.choices(moves, weights)[0]
    count = EVERY_IMAGE if happens(dice, EVERY_IMAGE_PROBABILITY) else dice.randint(1, 2)
    at_seconds = max(CALM_SECONDS, move.at_seconds + dice.triangular(-120, 300, 0))
    facts: Facts = {"count": count}
    if move.kind in _LAUNCHING and happens(dice, AT_LAUNCH_PROBABILITY):
        at_seconds = move.at_seconds
        after_seconds = round(dice.uniform(0.05, 20.0), 3) if happens(dice, 0.5) else 0.0
        facts = {**facts, AT_STEP: StepName.LAUNCH.value, **({AFTER_SECONDS: after_seconds} if after_seconds else {})}
    return Event(at_seconds, Kind.IMAGE_GONE, move.agent, facts)
