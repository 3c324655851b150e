"""Two at once: one wins, the other is told, and nothing is done twice."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.errors import ProductError, SwitchInProgress
from spot_server.features.replicas.coordinating import coordinate
from spot_server.features.switches import service
from spot_server.words import CommandKind, SwitchStatus


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    """Waiting for a lock takes real time here; everything else happens on the fake clock."""
    return Story.on(Database(engine, clock=clock, sleeper=SystemClock()), clock, has_image=True, terminate_wait_seconds=60)


def test_of_many_switches_asked_for_at_once_one_runs_and_the_others_are_told_which(story: Story) -> None:
    results = at_once([lambda number=number: story.switch(f"request-{number}") for number in range(4)])  # type: ignore[misc]

    refused = [result for result in results if isinstance(result, SwitchInProgress)]
    winners = [result for result in results if not isinstance(result, ProductError)]
    assert len(winners) == 1
    assert [one.extensions["switch_id"] for one in refused] == [winners[0].switch_id] * 3
    assert len(story.switches()) == 1


def test_the_same_request_from_many_at_once_is_one_switch(story: Story) -> None:
    results = at_once([lambda: story.switch("request-1")] * 4)

    assert len({result.switch_id for result in results}) == 1
    assert len(story.switches()) == 1


def test_both_endpoints_at_once_make_one_event_and_one_replica(story: Story) -> None:
    results = at_once([lambda: story.notice(notice_id="notice-1")] * 4)

    assert sorted(result.is_new for result in results) == [False, False, False, True]
    assert len({result.event.event_id for result in results}) == 1
    assert len(story.replicas()) == len(story.switches()) == 1


def test_the_same_answer_posted_by_many_at_once_moves_the_switch_on_once(story: Story) -> None:
    switch = story.switch()
    command = next(one for one in story.pending("i-1") if one.kind is CommandKind.CREATE_IMAGE)
    machine = story.region.machines["i-1"]
    answer = story.region.answer(machine, command, story.clock.now())
    assert answer is not None

    at_once([lambda: story.post("i-1", command, answer)] * 4)

    assert len(story.replicas()) == 1
    assert story.issued("launch_instance") == ["i-1"]
    assert story.reload(switch).status is SwitchStatus.RUNNING


def test_sweeps_and_answers_at_once_do_every_step_once(story: Story) -> None:
    switch = story.switch()

    for _ in range(40):
        story.clock.advance(2)
        story.region.pass_time(story.clock.now())
        sweep = [lambda: story.database.write(lambda tx: service.advance_switch(tx, switch.agent_id, switch.switch_id))] * 2
        at_once([story.step, *sweep])

    steps = story.steps(switch)
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert {step.attempt for step in steps.values()} <= {0, 1}
    assert story.agent.epoch == 2
    assert story.region.violations == []


def test_two_coordinators_at_once_make_one_standby(story: Story) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)

    at_once([lambda: story.database.write(lambda tx: coordinate(tx, agent_id=story.agent_id))] * 3)

    assert len(story.replicas()) == 1


def test_a_notice_and_a_switch_at_once_end_in_one_move(story: Story) -> None:
    results = at_once([lambda: story.notice(lead_seconds=120), lambda: story.switch("request-1")])
    story.settles(300)

    completed = [switch for switch in story.switches() if switch.status is SwitchStatus.COMPLETED]
    assert len(results) == 2
    assert len(completed) == len(story.switches()) == 1
    assert len(story.region.serving) == 1
    assert story.region.violations == []
