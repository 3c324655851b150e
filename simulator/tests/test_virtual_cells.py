"""What is aimed at, and what the table of coverage says of it; no run is played here."""

from __future__ import annotations

import random
from collections import Counter
from math import inf

import pytest

from spot_server.features.autonomy.service import ADOPTION
from spot_server.features.switches.plans import plan_promotion, plan_rescue, plan_switch
from spot_server.words import Carry, StepName, SwitchTrigger
from spot_simulator.virtual.agent_drawing import CONFIRMED
from spot_simulator.virtual.aiming import place_of
from spot_simulator.virtual.cells import TRIGGERS, Cell, Row, aimed_cells, carries_with, cells, rows, steps_of, stops, why_never_met
from spot_simulator.virtual.coverage_table import coverage_lines
from spot_simulator.virtual.drawing import SCENES, draw_schedule
from spot_simulator.virtual.handles import HandleKind
from spot_simulator.virtual.lone_drawing import draw_lone_agent, draw_lone_story
from spot_simulator.virtual.scenes import NEW_INSTANCE_STEPS, build_scene
from spot_simulator.virtual.schedule import AT_STEP, BESIDE, FAULTS, IS_ELSEWHERE, IS_UNDO, LASTING, MOVES, Event, Kind

RSYNC = (StepName.KEY, StepName.RECEIVER)
VOLUME = (StepName.SNAPSHOT, StepName.UNMOUNT, StepName.COPY_VOLUMES, StepName.DETACH, StepName.ATTACH, StepName.MOUNT)
ABSENT = frozenset({Kind.SERVER_AWAY, Kind.CUT_FROM_SERVER})
NOTICE_TRAFFIC = Row(SwitchTrigger.NOTICE, StepName.TRAFFIC, is_undo=False)
UNDO_START = Row(SwitchTrigger.PROMOTION, StepName.START, is_undo=True)


@pytest.mark.parametrize("first_seed", [1, 20001])
def test_runs_in_a_row_aim_at_every_cell_equally_often_and_twice_as_often_where_the_fault_does_not_last(first_seed: int) -> None:
    runs = 2 * len(stops())

    aims = Counter(cell for seed in range(first_seed, first_seed + runs) for cell in aimed_cells(seed, SCENES))

    assert set(aims) == set(cells())
    assert {count for cell, count in aims.items() if cell.kind in LASTING} == {2 * SCENES}
    assert {count for cell, count in aims.items() if cell.kind not in LASTING} == {4 * SCENES}


def test_a_few_runs_aim_at_steps_of_every_kind_of_move() -> None:
    triggers = Counter(cell.row.trigger for seed in range(1, 41) for cell in aimed_cells(seed, SCENES))

    whole = Counter(cell.row.trigger for cell in stops())
    assert triggers == {trigger: pytest.approx(120 * share / len(stops()), abs=6) for trigger, share in whole.items()}


def test_every_step_of_every_plan_of_the_product_is_a_row() -> None:
    """Whatever the carry is; the replica of a rescue may be ready or still to be launched, and a claim may be adopted."""
    of_plans = {
        SwitchTrigger.MANUAL: {step for carry in Carry for step in plan_switch(carry, takes_image=True)},
        SwitchTrigger.PROMOTION: {step for carry in Carry for step in plan_promotion(carry)},
        SwitchTrigger.ROLLBACK: {step for carry in Carry for step in plan_promotion(carry)},
        SwitchTrigger.NOTICE: {step for carry in Carry for step in plan_rescue(carry)},
        SwitchTrigger.FAILOVER: {step for carry in Carry for step in plan_rescue(carry)} | set(ADOPTION),
    }

    there = {trigger: {row.step for row in rows() if row.trigger is trigger and not row.is_undo} for trigger in TRIGGERS}

    assert there == of_plans


def test_a_step_that_only_one_carry_has_is_played_with_that_carry() -> None:
    dice = random.Random(2)
    scenes = {step: build_scene(dice, Cell(Row(SwitchTrigger.MANUAL, step, is_undo=False), Kind.KILL_WEB), 0) for step in (*RSYNC, *VOLUME)}

    assert {scenes[step].plan.carry for step in RSYNC} == {Carry.RSYNC}
    assert {scenes[step].plan.carry for step in VOLUME} == {Carry.VOLUME}
    assert carries_with(SwitchTrigger.MANUAL, StepName.SYNC) == (Carry.RSYNC, Carry.HOOK)
    assert set(carries_with(SwitchTrigger.NOTICE, StepName.TRAFFIC)) == set(Carry)


def test_what_is_taken_back_without_an_act_is_no_row() -> None:
    taken_back = {row.step for row in rows() if row.is_undo and row.trigger is SwitchTrigger.MANUAL}

    assert not taken_back & {StepName.IMAGE, StepName.BOOT, StepName.PREPARE, StepName.KEY, StepName.COPY, StepName.SYNC, StepName.SNAPSHOT}
    assert taken_back >= {StepName.LAUNCH, StepName.QUIESCE, StepName.DETACH, StepName.MOUNT, StepName.TRAFFIC, StepName.PROMOTE}


def test_a_step_about_a_handle_is_played_with_a_handle_that_has_it() -> None:
    dice = random.Random(3)
    confirm = Cell(Row(SwitchTrigger.ROLLBACK, StepName.CONFIRM, is_undo=False), Kind.LOST_ANSWER)
    handles = [build_scene(dice, confirm, 0).plan.handles for _ in range(200)]

    assert all(set(drawn) & set(CONFIRMED) for drawn in handles)
    assert {kind for drawn in handles for kind in drawn} == set(HandleKind)


def test_only_what_can_follow_leaves_its_zone() -> None:
    schedules = [draw_schedule(seed) for seed in range(300)]
    leaving = [schedule.agents[event.agent or 0] for schedule in schedules for event in schedule.events if event.facts.get(IS_ELSEWHERE)]

    assert leaving
    assert {plan.carry for plan in leaving} == {Carry.VOLUME}
    assert not any(HandleKind.SECONDARY_PRIVATE_IP in plan.handles for plan in leaving)


def test_drawn_agents_have_every_carry_and_every_handle() -> None:
    plans = [plan for seed in range(100) for plan in draw_schedule(seed).agents]
    by_an_elastic_ip = sum(plan.handles == (HandleKind.ELASTIC_IP,) for plan in plans)

    assert {plan.carry for plan in plans} == set(Carry)
    assert {kind for plan in plans for kind in plan.handles} == set(HandleKind)
    assert any(len(plan.handles) > 1 for plan in plans)
    assert by_an_elastic_ip / len(plans) == pytest.approx(0.6, abs=0.1)


def test_an_agent_that_is_left_alone_may_be_taken_over_by_a_plan_and_loses_its_server_before_its_primary() -> None:
    stories = [sorted(draw_lone_story(random.Random(number), 0), key=lambda event: event.at_seconds) for number in range(200)]
    taken = {Kind.NOTICE, Kind.LOSS}

    plan = draw_lone_agent()
    assert (plan.carry, plan.handles, plan.keeps_standby) == (Carry.STATELESS, (HandleKind.ELASTIC_IP,), True)
    for events in stories:
        kinds = [event.kind for event in events]
        assert sum(kind in taken for kind in kinds) == 1
        assert min(kinds.index(kind) for kind in kinds if kind in ABSENT) < next(at for at, kind in enumerate(kinds) if kind in taken)
    assert {event.kind for events in stories for event in events} >= {
        *taken,
        *ABSENT,
        Kind.START_AGAIN,
        Kind.CUT_FROM_EC2,
        Kind.KILL_DAEMON,
    }


def test_a_cell_that_cannot_be_is_not_aimed_at() -> None:
    on_its_way_back = Cell(Row(SwitchTrigger.NOTICE, StepName.TRAFFIC, is_undo=True), Kind.KILL_WEB)

    assert why_never_met(on_its_way_back) == "a rescue is not taken back: its old instance is lost, or being taken away"
    assert on_its_way_back not in cells()


def test_an_aimed_fault_of_a_run_waits_for_a_step_that_its_move_has() -> None:
    # In a fleet of no more than its scenes, moves at large share the agents.
    larger = [(seed, schedule) for seed in range(200) if len((schedule := draw_schedule(seed)).agents) > SCENES]
    assert len(larger) > 100

    for seed, schedule in larger:
        for number, cell in enumerate(aimed_cells(seed, SCENES)):
            own = [event for event in schedule.events if event.agent == number and event.kind not in BESIDE]
            begun = min(event.at_seconds for event in own if AT_STEP in event.facts)
            # A move at large that only this agent can make comes after its scene.
            later = min((event.at_seconds for event in own if event.kind is Kind.SWITCH and event.at_seconds > begun), default=inf)
            aimed = [event for event in own if AT_STEP in event.facts and event.at_seconds < later]
            assert {StepName(str(event.facts[AT_STEP])) for event in aimed} <= steps_of(cell.row.trigger)
            assert any(
                (event.kind, event.facts[AT_STEP], event.facts.get(IS_UNDO, False)) == (cell.kind, cell.row.step, cell.row.is_undo)
                for event in aimed
            )


def test_a_move_to_a_standby_that_is_kept_is_not_waited_for_at_the_launch_of_another() -> None:
    dice = random.Random(1)
    scenes = [build_scene(dice, Cell(NOTICE_TRAFFIC, Kind.KILL_WEB), 0) for _ in range(300)]

    waited_for = {event.facts.get(AT_STEP) for scene in scenes if scene.plan.keeps_standby for event in scene.events}

    assert not waited_for & NEW_INSTANCE_STEPS
    assert StepName.TRAFFIC in waited_for


@pytest.mark.parametrize("row", [row for row in rows() if row.is_undo and why_never_met(Cell(row, Kind.KILL_WEB)) is None])
def test_what_waits_for_a_step_to_be_taken_back_is_drawn_with_what_makes_it_so(row: Row) -> None:
    dice = random.Random(row.text)

    for _ in range(20):
        kinds = {event.kind for event in build_scene(dice, Cell(row, Kind.KILL_WEB), 0).events}
        assert kinds & {Kind.CANCEL, Kind.START_FAILS, Kind.CUT_FROM_SERVER}


def test_a_fault_of_the_control_role_is_aimed_only_where_the_client_has_one() -> None:
    schedules = [draw_schedule(seed) for seed in range(300)]

    aimed = [schedule for schedule in schedules if any(_is_aimed_at_role(event) for event in schedule.events)]

    assert aimed
    assert all(schedule.has_control_role for schedule in aimed)
    assert not all(schedule.has_control_role for schedule in schedules)


def _is_aimed_at_role(event: Event) -> bool:
    return event.kind is Kind.ROLE_CUT_FROM_EC2 and AT_STEP in event.facts


def test_a_fault_that_waits_is_named_by_its_place() -> None:
    assert place_of(Event(1.0, Kind.KILL_WEB, 0, {AT_STEP: "start", IS_UNDO: True})) == "undo start"


def test_the_table_counts_cells_that_were_met_often_less_often_and_never() -> None:
    met = {("notice", "traffic", "kill_web"): 20, ("promotion", "undo start", "kill_jobs"): 19}

    lines = coverage_lines(met)

    assert f"of {len(cells())} cells 1 were met 20 times or more, 1 less often, {len(cells()) - 2} never" in lines
    (row,) = [line for line in lines if line.startswith("notice traffic")]
    assert row.split()[2:] == ["20" if kind is Kind.KILL_WEB else "0" for kind in FAULTS]


def test_the_table_says_of_each_cell_that_cannot_be_why() -> None:
    lines = coverage_lines({})

    alone = "6 cells cannot be: an agent that has lost its only instance has none that the fault could strike before another is launched"
    assert any(line.startswith(alone) for line in lines)
    excluded = sum(int(line.split()[0]) for line in lines if " cells cannot be: " in line)
    assert excluded + len(cells()) == len(list(rows())) * len(FAULTS)


def test_a_cell_that_was_met_although_it_cannot_be_is_told() -> None:
    lines = coverage_lines({("notice", "undo traffic", "kill_web"): 2, ("automatic", "launch", "reboot"): 1})

    assert lines[-1] == (
        "2 cells were met that were thought not to be: automatic launch x reboot 1, notice undo traffic x kill_web 2"
    )  # fmt: skip


def test_what_people_wish_for_is_no_fault() -> None:
    assert Kind.CANCEL in MOVES
    assert Kind.SWITCH_AND_ROLL_BACK in MOVES
    assert not MOVES & set(FAULTS)
