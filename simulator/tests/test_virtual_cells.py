"""What is aimed at, and what the table of coverage says of it; no run is played here."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from spot_server.words import StepName, SwitchTrigger
from spot_simulator.virtual.aiming import place_of
from spot_simulator.virtual.cells import Cell, Row, aimed_cells, cells, rows, steps_of, why_never_met
from spot_simulator.virtual.coverage_table import coverage_lines
from spot_simulator.virtual.drawing import SCENES, draw_schedule
from spot_simulator.virtual.scenes import NEW_INSTANCE_STEPS, build_scene
from spot_simulator.virtual.schedule import AT_STEP, FAULTS, IS_UNDO, MOVES, Event, Kind

NOTICE_TRAFFIC = Row(SwitchTrigger.NOTICE, StepName.TRAFFIC, is_undo=False)
UNDO_START = Row(SwitchTrigger.PROMOTION, StepName.START, is_undo=True)


@pytest.mark.parametrize("first_seed", [1, 20001])
def test_runs_in_a_row_aim_at_every_cell_equally_often(first_seed: int) -> None:
    runs = 2 * len(cells())

    aims = Counter(cell for seed in range(first_seed, first_seed + runs) for cell in aimed_cells(seed, SCENES))

    assert set(aims) == set(cells())
    assert max(aims.values()) - min(aims.values()) <= 1


def test_a_few_runs_aim_at_steps_of_every_kind_of_move() -> None:
    triggers = Counter(cell.row.trigger for seed in range(1, 41) for cell in aimed_cells(seed, SCENES))

    whole = Counter(cell.row.trigger for cell in cells())
    assert triggers == {trigger: pytest.approx(120 * share / len(cells()), abs=6) for trigger, share in whole.items()}


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
            aimed = [event for event in schedule.events if event.agent == number and AT_STEP in event.facts]
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
