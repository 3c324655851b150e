"""A scene: what makes one agent's move come to a certain step, there or back, and the faults that wait for it. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from spot_server.features.switches.carry_rules import SYNC_STEPS
from spot_server.words import RESCUE_TRIGGERS, StepName, SwitchTrigger
from spot_simulator.machine import NoticeAction
from spot_simulator.virtual.agent_drawing import CARRIES_IN_IMAGE, draw_carry, draw_handles, may_leave_zone
from spot_simulator.virtual.cells import COPIES_OF_VOLUMES, Cell, Row, carries_with, why_never_met
from spot_simulator.virtual.disturbances import CHANGING_STEPS, draw_aimed, draw_facts, draw_unheard, happens
from spot_simulator.virtual.leading import BEFORE_THE_END, Way, draw_cause, draw_lead
from spot_simulator.virtual.schedule import AT_MOVE, CALM_SECONDS, FAULTS, AgentPlan, Event, Kind

EARLY_SECONDS = 900.0
"""A move whose old instance is to be retired begins within this: that waits for half an hour. So does one that copies volumes."""
LATEST_SECONDS = 2700.0
"""Any other begins within this, so that it is over before everything is mended."""
FIRST_IMAGE_SECONDS = 500.0
"""How long after the calm an agent that comes up from its own images alone mostly has one, and a standby of it."""
ELSEWHERE_PROBABILITY = 0.2
"""Of a planned move with data volumes, where its step is the same within their zone and without."""
SECOND_FAULT_PROBABILITY = 0.5
UNHEARD_PROBABILITY = 0.5
"""Of a second fault: that it keeps an answer from whoever waits for it. What was done and is not known is what goes wrong worst."""
NEW_INSTANCE_STEPS = frozenset({StepName.IMAGE, StepName.LAUNCH, StepName.BOOT})
"""What a move has only where no replica is ready."""
_ASKED_OF_NO_STANDBY = {SwitchTrigger.FAILOVER: frozenset({StepName.PREPARE, StepName.FENCE})}
"""A standby that is ready when its primary is lost has usually taken over before the server acts: with these steps behind it."""
_WITHIN_ZONE = frozenset({StepName.DETACH})
"""What a move does not have that leaves the zone of the volumes."""
_TAKEN_BACK_WITHIN_ZONE = _WITHIN_ZONE | {StepName.ATTACH}
"""What there is to take back only if the volumes themselves moved: copies are deleted."""


@dataclass(frozen=True, slots=True)
class Scene:
    """How the agent is set up, and what happens to it. `needs_control_role`: nobody else could act."""

    plan: AgentPlan
    events: tuple[Event, ...]
    needs_control_role: bool


def build_scene(dice: random.Random, cell: Cell, agent: int) -> Scene:
    """Build what leads the agent to the cell: the event that causes the move, what makes it come to this step, and the fault."""
    way = _draw_way(dice, cell, agent)
    faults = [draw_aimed(dice, cell.kind, cell.row, way.at_seconds, agent, way.plan)]
    if happens(dice, SECOND_FAULT_PROBABILITY):
        faults.append(_draw_second(dice, way))
    leading = draw_lead(dice, way)
    if way.trigger is SwitchTrigger.ROLLBACK:
        # The move before it has the same steps.
        faults = [_of_move(fault, way.trigger) for fault in faults]
    cause = draw_cause(dice, way)
    is_sudden = way.trigger is SwitchTrigger.FAILOVER or cause.facts.get("action") == NoticeAction.HIBERNATE
    needs_control_role = (is_sudden and not way.plan.keeps_standby) or cell.kind is Kind.ROLE_CUT_FROM_EC2
    return Scene(way.plan, (cause, *leading, *faults), needs_control_role)


def _draw_way(dice: random.Random, cell: Cell, agent: int) -> Way:
    plan = _draw_plan(dice, cell.row)
    is_elsewhere = _draw_elsewhere(dice, cell.row, plan)
    if is_elsewhere and cell.row.trigger in RESCUE_TRIGGERS:
        plan = replace(plan, keeps_standby=False)
    is_long = cell.row.step is StepName.RETIRE or is_elsewhere
    needs_image = plan.carry in CARRIES_IN_IMAGE and (cell.row.trigger in RESCUE_TRIGGERS or plan.keeps_standby)
    first_seconds = FIRST_IMAGE_SECONDS if needs_image else 0.0
    begins_seconds = CALM_SECONDS + dice.uniform(first_seconds, EARLY_SECONDS if is_long else LATEST_SECONDS)
    return Way(cell, plan, is_elsewhere, begins_seconds, agent)


def _draw_plan(dice: random.Random, row: Row) -> AgentPlan:
    is_rescue = row.trigger in RESCUE_TRIGGERS
    is_new = row.step in NEW_INSTANCE_STEPS | _ASKED_OF_NO_STANDBY.get(row.trigger, frozenset())
    carry = draw_carry(dice, carries_with(row.trigger, row.step))
    return AgentPlan(
        carry=carry,
        is_on_spot=row.trigger is SwitchTrigger.NOTICE or (not is_rescue and happens(dice, 0.85)),
        is_auto_terminated=row.step is StepName.RETIRE or happens(dice, 0.9),
        keeps_standby=is_rescue and not is_new and happens(dice, _standby_probability(row)),
        handles=draw_handles(dice, is_confirmed=row.step is StepName.CONFIRM, stays_in_zone=row.step not in COPIES_OF_VOLUMES),
    )


def _standby_probability(row: Row) -> float:
    """Before a new instance is ready, there is mostly no time left for what the old one is asked for, and none for a copy of its state."""
    if row.step in SYNC_STEPS:
        return 1.0
    return 0.9 if row.trigger is SwitchTrigger.NOTICE and row.step in BEFORE_THE_END else 0.5


def _draw_elsewhere(dice: random.Random, row: Row, plan: AgentPlan) -> bool:
    """Draw whether the move leaves the zone of the data volumes: a planned one by a person's wish, a rescue for want of another place."""
    if row.step in COPIES_OF_VOLUMES:
        return True
    is_asked_for = row.trigger in {SwitchTrigger.MANUAL, SwitchTrigger.ROLLBACK} and may_leave_zone(plan)
    within = _TAKEN_BACK_WITHIN_ZONE if row.is_undo else _WITHIN_ZONE
    return is_asked_for and row.step not in within and happens(dice, ELSEWHERE_PROBABILITY)


def _draw_second(dice: random.Random, way: Way) -> Event:
    """Draw another fault, at any step that the move has on its way there."""
    steps = [step for step in way.steps() if step not in {StepName.CONFIRM, StepName.RETIRE}]
    if happens(dice, UNHEARD_PROBABILITY):
        step = dice.choice([step for step in steps if step in CHANGING_STEPS])
        if way.trigger is not SwitchTrigger.FAILOVER or step is not StepName.LAUNCH:
            return draw_unheard(dice, step, way.at_seconds, way.agent)
    second = Cell(Row(way.trigger, dice.choice(steps), is_undo=False), dice.choice(FAULTS))
    if why_never_met(second) is not None or second.kind is Kind.ROLE_CUT_FROM_EC2:
        return Event(way.at_seconds, Kind.KILL_JOBS, way.agent, draw_facts(dice, Kind.KILL_JOBS))
    return draw_aimed(dice, second.kind, second.row, way.at_seconds, way.agent, way.plan)


def _of_move(event: Event, trigger: SwitchTrigger) -> Event:
    return Event(event.at_seconds, event.kind, event.agent, {**event.facts, AT_MOVE: trigger.value})
