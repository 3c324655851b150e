"""What is drawn, left out, made smaller and printed around the runs of a campaign; no run is played here."""

from __future__ import annotations

import pkgutil
from dataclasses import replace

import pytest

from spot_server.features.switches.carry_rules import SYNC_STEPS
from spot_server.features.switches.volume_rules import VOLUME_STEPS
from spot_server.words import Carry, StepName
from spot_simulator.virtual.beside_drawing import draw_beside
from spot_simulator.virtual.campaign import Totals
from spot_simulator.virtual.drawing import SCENES, draw_schedule
from spot_simulator.virtual.figures import Answer, Figures, percentile
from spot_simulator.virtual.judging import Violation
from spot_simulator.virtual.patience import LONGEST_SECONDS, patience_seconds, until_tick_seconds
from spot_simulator.virtual.plants import PLANTS, planted
from spot_simulator.virtual.report import summary_lines, violation_lines
from spot_simulator.virtual.run import Result
from spot_simulator.virtual.schedule import AT_STEP, BESIDE, CARRY_BY_VOLUME, FAULTS, MOVES, NO_TIGHT_GUARDS, Guards, Kind, Schedule
from spot_simulator.virtual.shrink import shrink

BROKEN = Violation("one-serves", 700.0, "2 instances of agent-0 accept writes at once")


def result_of(schedule: Schedule, *violations: Violation) -> Result:
    return Result(
        schedule=schedule,
        violations=violations,
        moves={"notice completed": 2},
        met={("notice", "launch", "kill_jobs"): 3, ("notice", "traffic", "kill_web"): 20},
        faults=7,
        figures=Figures(
            (
                Answer(True, 1.0, 6.0, 3.0),
                Answer(True, 2.0, 130.0, 20.0),
                Answer(False, None, None, None),
                Answer(True, 50.0, 54.0, 51.0, is_hibernation=True),
            ),
            {"notice stateless": (4.0, 5.0)},
        ),
        callbacks=1,
        simulated_seconds=3600.0,
        aimed=4,
        missed=("notice fence: kill_jobs",),
    )


def test_schedules_are_drawn_from_their_seed_and_differ() -> None:
    assert draw_schedule(7) == draw_schedule(7)
    assert draw_schedule(7) != draw_schedule(8)


def test_every_kind_is_drawn_within_a_hundred_seeds_and_fleets_have_3_to_20_agents() -> None:
    schedules = [draw_schedule(seed) for seed in range(100)]

    assert {event.kind for schedule in schedules for event in schedule.events} == set(Kind)
    assert {3 <= len(schedule.agents) <= 20 for schedule in schedules} == {True}


def test_who_finds_nothing_looks_again_after_a_tenth_of_the_time_at_most() -> None:
    waits = [patience_seconds(1.0, unchanged) for unchanged in (0.0, 9.0, 50.0, 9000.0)]

    assert waits == [1.0, 1.0, 5.0, LONGEST_SECONDS]
    assert patience_seconds(60.0, 0.0) == 60.0


def test_looks_stay_on_their_ticks() -> None:
    assert until_tick_seconds(2.0, 7.5) == pytest.approx(0.5)
    assert until_tick_seconds(2.0, 8.0) == 0.0


def test_a_violation_is_made_smaller_for_as_long_as_it_stays_the_same() -> None:
    schedule = next(drawn for drawn in map(draw_schedule, range(100)) if len(drawn.events) >= 12)
    guilty = [schedule.events[2], schedule.events[-1]]

    def play(smaller: Schedule) -> Result:
        is_as_before = all(event in smaller.events for event in guilty)
        return result_of(smaller, BROKEN if is_as_before else replace(BROKEN, invariant="other"))

    assert list(shrink(result_of(schedule, BROKEN), play).schedule.events) == guilty


def test_the_tries_of_making_smaller_are_bounded() -> None:
    tries: list[Schedule] = []

    def play(smaller: Schedule) -> Result:
        tries.append(smaller)
        return result_of(smaller)

    schedule = next(drawn for drawn in map(draw_schedule, range(100)) if len(drawn.events) >= 12)
    failed = result_of(schedule, BROKEN)

    assert shrink(failed, play, most_tries=5) == failed
    assert len(tries) == 5


def test_the_summary_counts_runs_and_prints_distributions() -> None:
    schedule = draw_schedule(1)
    totals = Totals()
    totals.add(result_of(schedule))
    totals.add(result_of(schedule, BROKEN))
    lines = summary_lines(totals, took_seconds=2.0)

    assert lines[0] == f"runs 2, events {2 * len(schedule.events)}, faults 14, moves 4, violations 1"
    assert lines[1] == f"  seed 1: {BROKEN}"
    assert lines[2] == "aimed faults 8, struck 6 (75.0 %); their step did not come: notice fence 2"
    assert lines[3].endswith(f"{len(schedule.agents):.2f} agent-hours per second")
    assert "notices with a replica ready: 4, served by another within 120 s: 2 (50.0 %)" in lines
    assert "  detection, a replica ready (4): p50 1.00 s, p95 2.00 s, p99 2.00 s, most 2.00 s" in lines
    assert "  notice to traffic, a replica ready (4): p50 6.00 s, p95 130.00 s, p99 130.00 s, most 130.00 s" in lines
    assert "notices with no replica ready: 2, served by another within 120 s: 0 (0.0 %)" in lines
    assert "  notice to traffic, no replica ready: none" in lines
    assert "notices with no time left, a hibernation: 2, served by another within 120 s: 2 (100.0 %)" in lines
    assert "downtime of notice stateless (4): p50 4.00 s, p95 5.00 s, p99 5.00 s, most 5.00 s" in lines


def test_a_fair_schedule_is_the_same_without_its_faults() -> None:
    drawn, fair = draw_schedule(11), draw_schedule(11, is_fair=True)

    assert fair.events == tuple(event for event in drawn.events if event.kind in MOVES)
    assert (fair.agents, fair.has_control_role) == (drawn.agents, drawn.has_control_role)


def test_one_run_in_five_loses_an_image_and_one_in_five_has_guards_that_bite() -> None:
    schedules = [draw_schedule(seed) for seed in range(500)]
    gone = [event for schedule in schedules for event in schedule.events if event.kind is Kind.IMAGE_GONE]
    guards = [schedule.guards for schedule in schedules if schedule.guards != NO_TIGHT_GUARDS]

    assert len(gone) == pytest.approx(100, abs=25)
    assert sum(AT_STEP in event.facts for event in gone) == pytest.approx(0.4 * len(gone), abs=15)
    assert len(guards) == pytest.approx(100, abs=25)
    assert {one.replica_count for one in guards} == {1, 2}
    assert {one.launches_per_hour for one in guards} == {1, 2, 3, 4}
    assert {draw_schedule(seed, is_fair=True).guards for seed in range(20)} == {NO_TIGHT_GUARDS}


def test_what_is_drawn_beside_a_run_leaves_all_else_of_it_as_it_is() -> None:
    schedule = next(drawn for drawn in map(draw_schedule, range(100)) if any(event.kind in BESIDE for event in drawn.events))
    bare = replace(schedule, events=tuple(event for event in schedule.events if event.kind not in BESIDE), guards=NO_TIGHT_GUARDS)

    assert draw_beside(bare, is_fair=False) == schedule
    assert draw_beside(bare, is_fair=True) == bare
    assert not BESIDE & set(FAULTS)


def test_a_schedule_says_which_guards_are_tight() -> None:
    guards = Guards(replica_count=1, launches_per_hour=3, overlap_hours=0.25)

    assert replace(draw_schedule(1), guards=guards).lines()[1] == "  spending guards: 1 replicas, 3 launches an hour, 0.25 h of overlap"
    assert not any("guards" in line for line in replace(draw_schedule(1), guards=NO_TIGHT_GUARDS).lines())


def test_a_violation_names_its_seed_and_its_history() -> None:
    lines = violation_lines(result_of(draw_schedule(5), BROKEN))

    assert lines[0] == "VIOLATION with seed 5:"
    assert lines[1] == "     700.00 s one-serves: 2 instances of agent-0 accept writes at once"
    assert lines[2].startswith("  seed 5: ")


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([3.0, 1.0, 2.0, 4.0], share) for share in (0.0, 0.5, 0.51, 1.0)] == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_a_defect_is_in_the_product_while_it_is_planted_and_gone_afterwards(name: str) -> None:
    targets = sorted(PLANTS[name].substitutes)
    before = [pkgutil.resolve_name(target) for target in targets]

    with planted(name):
        during = [pkgutil.resolve_name(target) for target in targets]

    assert all(one is not other for one, other in zip(before, during, strict=True))
    assert [pkgutil.resolve_name(target) for target in targets] == before


def test_no_plant_is_no_defect_and_an_unknown_one_is_refused() -> None:
    with planted(None):
        pass
    with pytest.raises(KeyError), planted("none-such"):
        pass


def test_faults_wait_for_the_steps_that_only_the_carry_of_an_agent_at_large_has() -> None:
    schedules = [schedule for seed in range(300) if len((schedule := draw_schedule(seed)).agents) > SCENES]
    at_large = [
        (event.facts[AT_STEP], schedule.agents[event.agent].carry)
        for schedule in schedules
        for event in schedule.events
        if event.agent is not None
        and event.agent >= SCENES
        and AT_STEP in event.facts
        and event.kind not in {Kind.TRANSACTION_BLOW, *BESIDE}
    ]

    assert {step for step, carry in at_large if carry == CARRY_BY_VOLUME} == set(VOLUME_STEPS)
    assert {step for step, carry in at_large if carry == Carry.RSYNC} == set(SYNC_STEPS)
    assert {step for step, carry in at_large if carry == Carry.HOOK} == {StepName.COPY, StepName.SYNC}
    assert {carry for _, carry in at_large} == {Carry.VOLUME, Carry.RSYNC, Carry.HOOK}
