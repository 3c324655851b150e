"""What leads a move to a step: its cause, what must happen beside that, and why it is taken back. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from spot_server.features.switches.carry_rules import SYNC_STEPS
from spot_server.words import RESCUE_TRIGGERS, Carry, StepName, SwitchTrigger
from spot_simulator.virtual.cells import COPIES_OF_VOLUMES, Cell, plans_of
from spot_simulator.virtual.disturbances import draw_total_shortage, happens
from spot_simulator.virtual.schedule import AT_MOVE, AT_STEP, IS_ELSEWHERE, OF_ZONE, AgentPlan, Event, Facts, Kind

ENDS_OF_STARTS = 6
"""Failed starts of a new side: so many that none of its attempts succeeds."""
_LONG_ENOUGH_TO_CANCEL = frozenset(
    {StepName.IMAGE, StepName.LAUNCH, StepName.BOOT, StepName.COPY, StepName.SNAPSHOT, StepName.PREPARE, StepName.COPY_VOLUMES}
)
"""A person's word takes a moment: in the other steps it mostly comes too late."""
BEFORE_THE_END = SYNC_STEPS | {StepName.PREPARE, StepName.QUIESCE, StepName.UNMOUNT}
"""What a rescue asks of the old side, or leaves out when that is gone: a replica is ready for it, and it is no hibernation."""
ZONE_SHORTAGE_SECONDS = 900.0
"""How long a zone has no capacity: until a rescue that leaves it is over."""


@dataclass(frozen=True, slots=True)
class Way:
    """What is known of a scene's move when its faults are drawn. `is_elsewhere`: whether it leaves the zone of the data volumes."""

    cell: Cell
    plan: AgentPlan
    is_elsewhere: bool
    at_seconds: float
    agent: int

    @property
    def trigger(self) -> SwitchTrigger:
        """Why the move begins."""
        return self.cell.row.trigger

    def steps(self) -> tuple[StepName, ...]:
        """Return the steps that the move takes on its way there, in order, without those that only a trouble brings."""
        every = plans_of(self.trigger, Carry(self.plan.carry))
        has_replica = self.plan.keeps_standby and self.trigger in RESCUE_TRIGGERS
        order = every[1] if has_replica else every[0]
        return tuple(step for step in order if self._is_taken(step))

    def _is_taken(self, step: StepName) -> bool:
        if step in COPIES_OF_VOLUMES:
            return self.is_elsewhere and (step is StepName.COPY_VOLUMES or self.trigger not in RESCUE_TRIGGERS)
        if step is StepName.DETACH:
            return not self.is_elsewhere
        return step is not StepName.FENCE


def draw_cause(dice: random.Random, way: Way) -> Event:
    """Draw what begins the move."""
    at_seconds, agent = way.at_seconds, way.agent
    match way.trigger:
        case SwitchTrigger.PROMOTION:
            facts: Facts = {"promote_after_seconds": round(dice.uniform(240, 420), 1), "when_ready": True}
            return Event(at_seconds, Kind.STANDBY_AND_PROMOTE, agent, facts)
        case SwitchTrigger.NOTICE:
            actions = ("terminate",) * 8 + ("stop", "stop" if way.cell.row.step in BEFORE_THE_END else "hibernate")
            action = dice.choice(actions)
            lead_seconds = 120.0 if happens(dice, 0.9) else round(dice.uniform(30, 119), 1)
            return Event(at_seconds, Kind.NOTICE, agent, {"lead_seconds": lead_seconds, "action": action})
        case SwitchTrigger.FAILOVER:
            return Event(at_seconds, Kind.LOSS, agent)
        case trigger:
            kind = Kind.SWITCH_AND_ROLL_BACK if trigger is SwitchTrigger.ROLLBACK else Kind.SWITCH
            target: Facts = {"on_demand": happens(dice, 0.2)}
            return Event(at_seconds, kind, agent, {**target, IS_ELSEWHERE: True} if way.is_elsewhere else target)


def draw_lead(dice: random.Random, way: Way) -> list[Event]:
    """Return what must happen beside the cause for the move to come to its step."""
    row = way.cell.row
    if row.is_undo:
        return [_draw_end(dice, way)]
    if row.step is StepName.FENCE and row.trigger is SwitchTrigger.NOTICE:
        return [_draw_silence(dice, way)]
    if way.is_elsewhere and row.trigger in RESCUE_TRIGGERS:
        facts: Facts = {OF_ZONE: True, "pools": 0, "on_demand": True, "for_seconds": ZONE_SHORTAGE_SECONDS}
        # Whoever is lost is in no zone any more: it comes before the loss.
        return [Event(way.at_seconds - 1.0, Kind.NO_CAPACITY, way.agent, facts)]
    if row.step is StepName.LAUNCH and way.cell.kind is Kind.NO_CAPACITY and happens(dice, 0.5):
        return [Event(way.at_seconds, Kind.NO_CAPACITY, way.agent, draw_total_shortage(dice))]
    return []


def _draw_end(dice: random.Random, way: Way) -> Event:
    """Draw why a planned move is taken back once it has come to the step: a person cancels it, or the new side does not start."""
    row, steps = way.cell.row, way.steps()
    until_promotion = steps[steps.index(row.step) : steps.index(StepName.PROMOTE)]
    in_time = [step for step in until_promotion if step in _LONG_ENOUGH_TO_CANCEL]
    if in_time and happens(dice, 0.5):
        return Event(way.at_seconds, Kind.CANCEL, way.agent, {AT_STEP: dice.choice(in_time).value, AT_MOVE: row.trigger.value})
    if row.trigger is SwitchTrigger.ROLLBACK:
        # Where it goes back to it has served: no start fails there, but its daemon can be out of reach.
        facts: Facts = {"for_seconds": 400.0, "is_new_side": False, AT_STEP: StepName.START.value, AT_MOVE: row.trigger.value}
        return Event(way.at_seconds, Kind.CUT_FROM_SERVER, way.agent, facts)
    return Event(way.at_seconds, Kind.START_FAILS, way.agent, {"count": ENDS_OF_STARTS})


def _draw_silence(dice: random.Random, way: Way) -> Event:
    """Draw why the old side does not confirm under a notice that it serves no more: it is gone early, or cannot be reached."""
    at_prepare = {AT_STEP: StepName.PREPARE.value}
    if happens(dice, 0.6):
        return Event(way.at_seconds, Kind.CUT_FROM_SERVER, way.agent, {"for_seconds": 400.0, "is_new_side": False, **at_prepare})
    return Event(way.at_seconds, Kind.LOSS, way.agent, at_prepare)
