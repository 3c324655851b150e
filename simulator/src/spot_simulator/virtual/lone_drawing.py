"""What happens to an agent whose daemons are left to themselves: the server is away, or out of reach, when its primary is taken. Pure.

No cell of the coverage is aimed at here: with the server away no move comes to a step of its own. What is drawn is who cannot reach whom,
what is taken away, and faults of those who act by their plan.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from spot_server.words import Carry
from spot_simulator.virtual.agent_drawing import FIRST_STANDBY_SECONDS
from spot_simulator.virtual.disturbances import draw_facts, happens
from spot_simulator.virtual.schedule import CALM_SECONDS, EVENTFUL_SECONDS, AgentPlan, Event, Facts, Kind

LONE_PROBABILITY = 0.3
"""Of a run to have such an agent."""
LEAD_SECONDS = 120.0
BEFORE_SECONDS = (0.0, 60.0)
"""How long before the primary is taken the server was lost."""
AWAY_SECONDS = (60.0, 700.0)
"""How long the server is lost: from less than the notice leaves, to longer than a successor has for its claim."""
BACK_AFTER_SECONDS = (60.0, 900.0)
"""When EC2 starts an old primary again that it had stopped."""
_FAULTS = (
    Kind.KILL_DAEMON,
    Kind.JOURNAL_BLOW,
    Kind.CUT_FROM_EC2,
    Kind.REBOOT,
    Kind.METADATA_FAULT,
    Kind.CLOCK_SKEW,
    Kind.LOST_ANSWER,
    Kind.THROTTLE,
)
_ACTIONS = ("CreateTags", "DisassociateAddress", "AssociateAddress", "DescribeInstances", "DescribeAddresses")
"""What predecessor and successor ask of EC2."""


def draw_lone_agent() -> AgentPlan:
    """Return an agent that may be taken over without the server: ADR 0022 says what that takes."""
    return AgentPlan(Carry.STATELESS, is_on_spot=True, is_auto_terminated=True, keeps_standby=True)


def draw_lone_story(dice: random.Random, agent: int) -> list[Event]:
    """Draw the server's absence for this agent, what is taken from it meanwhile, and up to three faults."""
    at_seconds = CALM_SECONDS + FIRST_STANDBY_SECONDS + dice.uniform(0, EVENTFUL_SECONDS - 2 * FIRST_STANDBY_SECONDS)
    events = dice.choice(_ABSENCES)(dice, agent, at_seconds - dice.uniform(*BEFORE_SECONDS), round(dice.uniform(*AWAY_SECONDS), 1))
    if happens(dice, 0.25):
        events.append(Event(at_seconds, Kind.LOSS, agent))
    else:
        is_stop = happens(dice, 0.25)
        lead_seconds = LEAD_SECONDS if happens(dice, 0.8) else round(dice.uniform(15, 119), 1)
        events.append(Event(at_seconds, Kind.NOTICE, agent, {"lead_seconds": lead_seconds, "action": "stop" if is_stop else "terminate"}))
        if is_stop:
            back_seconds = at_seconds + lead_seconds + dice.uniform(*BACK_AFTER_SECONDS)
            events.append(Event(back_seconds, Kind.START_AGAIN, agent))
    return events + [_draw_fault(dice, agent, at_seconds) for _ in range(dice.choice((0, 0, 1, 1, 2, 3)))]


def _draw_fault(dice: random.Random, agent: int, at_seconds: float) -> Event:
    kind = dice.choice(_FAULTS)
    facts: dict[str, float | int | str | bool] = dict(draw_facts(dice, kind))
    if "action" in facts:
        facts["action"] = dice.choice(_ACTIONS)
    return Event(at_seconds + dice.triangular(-10, 180, 10), kind, agent, facts)


def _draw_away(dice: random.Random, agent: int, at_seconds: float, for_seconds: float) -> list[Event]:
    """The whole server: its processes are dead, or nobody reaches them; those go on with EC2 where there is a control role."""
    return [Event(at_seconds, Kind.SERVER_AWAY, agent, {"for_seconds": for_seconds, "is_dead": happens(dice, 0.5)})]


def _draw_cut_of_primary(_dice: random.Random, agent: int, at_seconds: float, for_seconds: float) -> list[Event]:
    """A network that cuts only the primary off."""
    return [_cut(agent, at_seconds, for_seconds, is_new_side=False)]


def _draw_cut_of_both(dice: random.Random, agent: int, at_seconds: float, for_seconds: float) -> list[Event]:
    """Primary and standby, one a little before the other."""
    both = [_cut(agent, at_seconds, for_seconds, is_new_side=False)]
    return [*both, _cut(agent, at_seconds + dice.uniform(-5, 5), for_seconds * dice.uniform(0.5, 1.5), is_new_side=True)]


def _cut(agent: int, at_seconds: float, for_seconds: float, *, is_new_side: bool) -> Event:
    facts: Facts = {"for_seconds": for_seconds, "is_new_side": is_new_side}
    return Event(at_seconds, Kind.CUT_FROM_SERVER, agent, facts)


_ABSENCES: tuple[Callable[[random.Random, int, float, float], list[Event]], ...] = (
    _draw_away,
    _draw_away,
    _draw_cut_of_primary,
    _draw_cut_of_both,
)
