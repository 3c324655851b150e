"""A scene: what makes one agent's move come to a certain step, there or back, and the faults that wait for it. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from spot_server.words import RESCUE_TRIGGERS, Carry, StepName, SwitchTrigger
from spot_simulator.virtual.cells import Cell, Row, steps_of, why_never_met
from spot_simulator.virtual.disturbances import ACTS, draw_aimed, draw_facts, draw_total_shortage, draw_unheard, happens
from spot_simulator.virtual.schedule import AT_MOVE, AT_STEP, CALM_SECONDS, FAULTS, AgentPlan, Event, Facts, Kind

EARLY_SECONDS = 900.0
"""A move whose old instance is to be retired begins within this: that waits for half an hour."""
LATEST_SECONDS = 2700.0
"""Any other begins within this, so that it is over before everything is mended."""
SECOND_FAULT_PROBABILITY = 0.5
UNHEARD_PROBABILITY = 0.5
"""Of a second fault: that it keeps an answer from whoever waits for it. What was done and is not known is what goes wrong worst."""
ENDS_OF_STARTS = 6
"""Failed starts of a new side: so many that none of its attempts succeeds."""
_BEFORE_PROMOTION = (StepName.IMAGE, StepName.LAUNCH, StepName.BOOT, StepName.PREPARE, StepName.QUIESCE, StepName.TRAFFIC)
_LONG_ENOUGH_TO_CANCEL = frozenset({StepName.IMAGE, StepName.LAUNCH, StepName.BOOT, StepName.PREPARE})
"""A person's word takes a moment: in the steps after them it mostly comes too late."""
NEW_INSTANCE_STEPS = frozenset({StepName.IMAGE, StepName.LAUNCH, StepName.BOOT})
"""What a move has only where no replica is ready."""
_ASKED_OF_NO_STANDBY = {SwitchTrigger.FAILOVER: frozenset({StepName.PREPARE, StepName.FENCE})}
"""A standby that is ready when its primary is lost has usually taken over before the server acts: with these steps behind it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """How the agent is set up, and what happens to it. `needs_control_role`: nobody else could act."""

    plan: AgentPlan
    events: tuple[Event, ...]
    needs_control_role: bool


def build_scene(dice: random.Random, cell: Cell, agent: int) -> Scene:
    """Build what leads the agent to the cell: the event that causes the move, what makes it come to this step, and the fault."""
    row = cell.row
    begins_seconds = CALM_SECONDS + dice.uniform(0, EARLY_SECONDS if row.step is StepName.RETIRE else LATEST_SECONDS)
    plan = _draw_plan(dice, row)
    faults = [draw_aimed(dice, cell.kind, row, begins_seconds, agent)]
    if happens(dice, SECOND_FAULT_PROBABILITY):
        faults.append(_draw_second(dice, row, plan, begins_seconds, agent))
    leading = _lead(dice, cell, begins_seconds, agent)
    if row.trigger is SwitchTrigger.ROLLBACK:
        # The move before it has the same steps.
        faults = [_of_move(fault, row.trigger) for fault in faults]
    cause = _draw_cause(dice, row, begins_seconds, agent)
    is_alone = row.trigger is SwitchTrigger.FAILOVER and not plan.keeps_standby
    return Scene(plan, (cause, *leading, *faults), needs_control_role=is_alone or cell.kind is Kind.ROLE_CUT_FROM_EC2)


def _draw_plan(dice: random.Random, row: Row) -> AgentPlan:
    is_rescue = row.trigger in RESCUE_TRIGGERS
    is_new = row.step in NEW_INSTANCE_STEPS | _ASKED_OF_NO_STANDBY.get(row.trigger, frozenset()) or happens(dice, 0.5)
    return AgentPlan(
        # The state of an agent that is carried by an image made for the move cannot be rescued before there was one.
        carry=Carry.STATELESS if is_rescue or happens(dice, 0.7) else Carry.IMAGE_AFTER_QUIESCE,
        is_on_spot=row.trigger is SwitchTrigger.NOTICE or (not is_rescue and happens(dice, 0.85)),
        is_auto_terminated=row.step is StepName.RETIRE or happens(dice, 0.9),
        keeps_standby=is_rescue and not is_new,
    )


def _draw_cause(dice: random.Random, row: Row, at_seconds: float, agent: int) -> Event:
    match row.trigger:
        case SwitchTrigger.PROMOTION:
            return Event(at_seconds, Kind.STANDBY_AND_PROMOTE, agent, {"promote_after_seconds": round(dice.uniform(240, 420), 1)})
        case SwitchTrigger.ROLLBACK:
            return Event(at_seconds, Kind.SWITCH_AND_ROLL_BACK, agent, {"on_demand": happens(dice, 0.2)})
        case SwitchTrigger.NOTICE:
            action = dice.choice(("terminate",) * 8 + ("stop", "hibernate"))
            lead_seconds = 120.0 if happens(dice, 0.9) else round(dice.uniform(30, 119), 1)
            return Event(at_seconds, Kind.NOTICE, agent, {"lead_seconds": lead_seconds, "action": action})
        case SwitchTrigger.FAILOVER:
            return Event(at_seconds, Kind.LOSS, agent)
        case _:
            return Event(at_seconds, Kind.SWITCH, agent, {"on_demand": happens(dice, 0.2)})


def _lead(dice: random.Random, cell: Cell, at_seconds: float, agent: int) -> list[Event]:
    """Return what must happen beside the cause for the move to come to this step."""
    row = cell.row
    if row.is_undo:
        return [_draw_end(dice, row, at_seconds, agent)]
    if row.step is StepName.FENCE and row.trigger is SwitchTrigger.NOTICE:
        return [_draw_silence(dice, at_seconds, agent)]
    if row.step is StepName.LAUNCH and cell.kind is Kind.NO_CAPACITY and happens(dice, 0.5):
        return [Event(at_seconds, Kind.NO_CAPACITY, agent, draw_total_shortage(dice))]
    return []


def _draw_end(dice: random.Random, row: Row, at_seconds: float, agent: int) -> Event:
    """Draw why a planned move is taken back once it has come to the step: a person cancels it, or the new side does not start."""
    after = _BEFORE_PROMOTION[_BEFORE_PROMOTION.index(row.step) :] if row.step in _BEFORE_PROMOTION else ()
    in_time = [step for step in after if step in _LONG_ENOUGH_TO_CANCEL & steps_of(row.trigger)]
    if in_time and happens(dice, 0.5):
        return Event(at_seconds, Kind.CANCEL, agent, {AT_STEP: dice.choice(in_time).value, AT_MOVE: row.trigger.value})
    if row.trigger is SwitchTrigger.ROLLBACK:
        # Where it goes back to it has served: no start fails there, but its daemon can be out of reach.
        facts: Facts = {"for_seconds": 400.0, "is_new_side": False, AT_STEP: StepName.START.value, AT_MOVE: row.trigger.value}
        return Event(at_seconds, Kind.CUT_FROM_SERVER, agent, facts)
    return Event(at_seconds, Kind.START_FAILS, agent, {"count": ENDS_OF_STARTS})


def _draw_silence(dice: random.Random, at_seconds: float, agent: int) -> Event:
    """Draw why the old side does not confirm under a notice that it serves no more: it is gone early, or cannot be reached."""
    if happens(dice, 0.6):
        return Event(at_seconds, Kind.CUT_FROM_SERVER, agent, {"for_seconds": 400.0, "is_new_side": False, AT_STEP: StepName.PREPARE.value})
    return Event(at_seconds, Kind.LOSS, agent, {AT_STEP: StepName.PREPARE.value})


def _draw_second(dice: random.Random, row: Row, plan: AgentPlan, at_seconds: float, agent: int) -> Event:
    """Draw another fault, at any step that the move has on its way there."""
    has_replica = plan.keeps_standby or row.trigger in {SwitchTrigger.PROMOTION, SwitchTrigger.ROLLBACK}
    without = {StepName.FENCE, StepName.RETIRE} | (NEW_INSTANCE_STEPS if has_replica else set())
    steps = [step for step in StepName if step in steps_of(row.trigger) - without]
    if happens(dice, UNHEARD_PROBABILITY):
        step = dice.choice([step for step in steps if step in ACTS])
        if row.trigger is not SwitchTrigger.FAILOVER or step is not StepName.LAUNCH:
            return draw_unheard(dice, step, at_seconds, agent)
    second = Cell(Row(row.trigger, dice.choice(steps), is_undo=False), dice.choice(FAULTS))
    if why_never_met(second) is not None or second.kind is Kind.ROLE_CUT_FROM_EC2:
        return Event(at_seconds, Kind.KILL_JOBS, agent, draw_facts(dice, Kind.KILL_JOBS))
    return draw_aimed(dice, second.kind, second.row, at_seconds, agent)


def _of_move(event: Event, trigger: SwitchTrigger) -> Event:
    return Event(event.at_seconds, event.kind, event.agent, {**event.facts, AT_MOVE: trigger.value})
