"""Futures of a run: forked where a move comes to a step, and the same as if they had been played from their beginning."""

from __future__ import annotations

import pytest

from spot_server.words import StepName, SwitchTrigger
from spot_simulator.virtual.branching import MOST_MORE, TAIL_SECONDS, Branches, FutureFailed, future_of
from spot_simulator.virtual.cells import Row
from spot_simulator.virtual.drawing import draw_schedule
from spot_simulator.virtual.run import Result, play, play_futures
from spot_simulator.virtual.schedule import AT_MOVE, AT_STEP, CALM_SECONDS, Event, Kind
from spot_simulator.virtual.steps import At

SEED, MOST = 5, 8
CERTAIN = 1000
"""So many futures may be made that every step begins one."""


@pytest.fixture(scope="module")
def played() -> list[Result]:
    return play_futures(draw_schedule(SEED), MOST)


def test_a_run_is_the_same_with_futures_and_without(played: list[Result]) -> None:
    assert played[0] == play(draw_schedule(SEED))


def test_a_future_comes_to_the_same_when_it_is_played_from_its_beginning(played: list[Result]) -> None:
    assert len(played) > 1
    for future in played[1:]:
        alone = play(future.schedule)

        assert (alone.history, alone.violations, alone.simulated_seconds) == (future.history, future.violations, future.simulated_seconds)


def test_a_future_counts_what_came_after_its_fork_and_nothing_that_its_run_counts(played: list[Result]) -> None:
    for future in played[1:]:
        faults, drawn = future.schedule.events[: future.own_faults], future.schedule.events[future.own_faults :]
        later = [event for event in drawn if event.at_seconds >= future.shared_seconds]
        counted = {kind for _trigger, _step, kind in future.met} | {line.rpartition(": ")[2] for line in future.missed}

        assert future.shared_seconds >= CALM_SECONDS
        assert 1 <= future.own_faults <= 1 + MOST_MORE
        assert future.event_count == future.own_faults + len(later)
        assert future.aimed >= future.own_faults
        assert {fault.kind for fault in faults} <= counted
        assert drawn == tuple(
            event for event in played[0].schedule.events if event.at_seconds < CALM_SECONDS + future.schedule.eventful_seconds
        )
        assert future.agent_hours < played[0].agent_hours


def test_troubles_seldom_come_alone(played: list[Result]) -> None:
    assert max(future.own_faults for future in played[1:]) > 1


def test_the_schedule_of_a_future_has_its_fault_and_ends_a_while_after_it() -> None:
    schedule = draw_schedule(SEED)
    fault = Event(CALM_SECONDS, Kind.KILL_WEB, 0, {AT_STEP: StepName.LAUNCH.value, AT_MOVE: SwitchTrigger.NOTICE.value})

    future = future_of(schedule, fault, 1234.5)

    assert future.events[0] == fault
    assert CALM_SECONDS + future.eventful_seconds == 1235 + TAIL_SECONDS
    assert list(future.events[1:]) == [event for event in schedule.events if event.at_seconds < 1235 + TAIL_SECONDS]


def stumble(branches: Branches, at: At) -> None:
    """Fork, and raise in the child."""
    with branches.ending_futures():
        if branches.look([at], 700.0, is_in_transaction=False) is not None:
            raise RuntimeError("in the child alone")


def test_a_future_that_stumbles_is_told_to_its_run(capfd: pytest.CaptureFixture[str]) -> None:
    schedule = draw_schedule(SEED)
    branches = Branches(schedule, CERTAIN, [f"agent-{number}" for number in range(len(schedule.agents))])
    at = At("agent-0", "s-1", Row(SwitchTrigger.MANUAL, StepName.LAUNCH, is_undo=True))

    with pytest.raises(FutureFailed, match="ended with 70"):
        stumble(branches, at)

    assert branches.results == []
    assert "in the child alone" in capfd.readouterr().err
