"""An instance that is lost without a word is found by asking EC2, and its workload is rescued."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.rescues import ALWAYS, give_control_role, racing_story, with_standby
from server_support.silences import assert_serves, is_completed, kill_daemon, listens, losses, rescued, told_of_silence
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.words import CommandKind, Mode, SwitchTrigger


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    return racing_story(engine, clock)


def test_with_a_standby_ready_and_no_control_role_the_standby_asks_and_takes_over(story: Story) -> None:
    with_standby(story)
    listens(story)
    story.region.lose("i-1")
    lost_at = story.clock.now()

    move = rescued(story)

    assert_serves(story, "i-2")
    assert story.roles["i-1"] == "TERMINATED"
    assert set(story.issued("describe_instance")) == {"i-2"}
    [event] = losses(story)
    assert (event.instance_id, event.response, event.switch_id) == ("i-1", "handover", move.switch_id)
    assert move.trigger is SwitchTrigger.FAILOVER
    assert 75 <= (event.received_at - lost_at).total_seconds() <= 100
    assert (story.clock.now() - event.received_at).total_seconds() <= 20


def test_with_no_replica_the_control_role_asks_and_launches_from_the_newest_image(story: Story) -> None:
    give_control_role(story)
    listens(story)
    story.region.lose("i-1")

    move = rescued(story)

    assert_serves(story, "i-2")
    assert move.image_id == "ami-good"
    assert set(story.issued("launch_instance")) == {"control-role"}
    assert [event.response for event in losses(story)] == ["launch_replica"]
    assert story.issued("salvage_volumes") == []


def test_a_stateless_agent_that_never_had_an_image_is_launched_from_its_own(engine: Any, clock: FakeClock) -> None:
    bare = Story.on(Database(engine, clock=clock, sleeper=clock), clock)
    give_control_role(bare)
    listens(bare)
    bare.region.lose("i-1")

    move = rescued(bare)

    assert_serves(bare, "i-2")
    assert move.image_id == "ami-own"


@pytest.mark.parametrize("state", ["shutting-down", "stopping", "stopped"])
def test_an_instance_that_goes_is_waited_for_before_another_serves(story: Story, state: str) -> None:
    with_standby(story)
    listens(story)
    story.region.lose("i-1", state)
    if state == "stopping":
        story.passes(200, step_seconds=5)
        assert story.region.serving == []
        story.region.machines["i-1"].state = "stopped"

    rescued(story)

    assert_serves(story, "i-2")
    assert story.issued("terminate_instance") == []
    assert len(losses(story)) == 1


def test_a_daemon_alone_that_is_killed_moves_nothing_and_a_person_is_told(story: Story) -> None:
    give_control_role(story)
    with_standby(story)
    listens(story)
    kill_daemon(story)

    story.passes(3600, step_seconds=10)

    assert_serves(story, "i-1")
    assert (story.switches(), losses(story)) == ([], [])
    assert [kind for kind in ("terminate_instance", "quiesce", "demote", "move_address") if story.issued(kind)] == []
    assert len(told_of_silence(story)) == 1
    assert "EC2 says that it is running" in told_of_silence(story)[0]
    assert 10 < len(story.issued("describe_instance")) < 60


def test_a_daemon_that_comes_back_is_the_primary_s_as_before(story: Story) -> None:
    give_control_role(story)
    with_standby(story)
    listens(story)
    kill_daemon(story)
    story.passes(600, step_seconds=10)
    story.region.machines["i-1"].has_daemon = True
    story.passes(60)
    asked = len(story.issued("describe_instance"))

    story.passes(600, step_seconds=10)

    assert_serves(story, "i-1")
    assert len(story.issued("describe_instance")) == asked


def test_a_machine_that_is_lost_long_after_its_daemon_is_found_all_the_same(story: Story) -> None:
    give_control_role(story)
    listens(story)
    kill_daemon(story)
    story.passes(7200, step_seconds=10)
    story.region.lose("i-1")

    rescued(story)

    assert_serves(story, "i-2")


@pytest.mark.parametrize("error_class", [None, "throttled", "unreachable", "unexpected"])
def test_answers_that_are_lost_or_refused_for_a_while_delay_the_rescue_and_do_not_stop_it(story: Story, error_class: str | None) -> None:
    give_control_role(story)
    listens(story)
    story.region.lose("i-1")
    story.region.fail(CommandKind.DESCRIBE_INSTANCE, error_class, times=3)

    rescued(story, 1200)

    assert_serves(story, "i-2")
    assert len(losses(story)) == 1


def test_where_the_control_role_is_refused_a_live_daemon_of_the_agent_is_asked(story: Story) -> None:
    give_control_role(story)
    with_standby(story)
    listens(story)
    story.region.fail(CommandKind.DESCRIBE_INSTANCE, "not_authorized", on="control-role", times=ALWAYS)
    story.region.lose("i-1")

    rescued(story)

    assert_serves(story, "i-2")
    assert story.issued("describe_instance")[:2] == ["control-role", "i-2"]


def test_with_nobody_who_could_ask_a_person_is_told_and_nothing_moves(story: Story) -> None:
    listens(story)
    story.region.lose("i-1")

    story.passes(1800, step_seconds=10)

    assert story.roles == {"i-1": "PRIMARY"}
    assert story.switches() == []
    [text] = told_of_silence(story)
    assert "nobody can ask EC2" in text


@pytest.mark.parametrize("moment", ["boot", "start"])
def test_a_loss_in_the_middle_of_a_planned_move_turns_it_into_the_rescue(story: Story, moment: str) -> None:
    """Before the promotion the old side is lost, after it the new one."""
    give_control_role(story)
    listens(story)
    move = story.switch(mode=Mode.SPOT)
    if moment == "boot":
        story.passes(30, until=lambda: "i-2" in story.region.machines)
        story.region.machines["i-2"].has_daemon = False
        story.region.lose("i-1")
        story.passes(200, until=lambda: bool(losses(story)), step_seconds=5)
        story.region.machines["i-2"].has_daemon = True
    else:
        story.region.fail(CommandKind.START_SERVING, None, on="i-2", times=ALWAYS)
        story.passes(200, until=lambda: story.roles.get("i-2") == "PRIMARY")
        story.region.lose("i-2")

    story.passes(900, until=lambda: story.active() is None and len(story.region.serving) == 1, step_seconds=5)

    assert_serves(story, story.region.serving[0])
    assert [event.switch_id for event in losses(story)] == [move.switch_id]
    assert story.region.serving == (["i-2"] if moment == "boot" else ["i-1"])


def test_an_end_that_was_announced_is_no_unannounced_loss(story: Story) -> None:
    give_control_role(story)
    listens(story)
    story.notice(lead_seconds=20)

    story.passes(600, until=is_completed(story), step_seconds=5)
    story.passes(600, step_seconds=10)

    assert_serves(story, "i-2")
    assert losses(story) == []


def test_what_is_lost_while_the_agent_is_disabled_is_recorded_and_rescued_when_it_is_enabled(story: Story) -> None:
    give_control_role(story)
    story.set_agent(enabled=False)
    listens(story)
    story.region.lose("i-1")
    story.passes(600, step_seconds=10)
    observed = ([event.response for event in losses(story)], story.switches(), story.roles["i-1"])
    story.set_agent(enabled=True)

    rescued(story, 900)

    assert observed == (["observe_only"], [], "PRIMARY")
    assert [event.response for event in losses(story)] == ["launch_replica"]
    assert_serves(story, "i-2")
