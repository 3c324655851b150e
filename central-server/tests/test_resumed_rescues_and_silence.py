"""A rescue that gave up goes on upon EC2's word, and never at the cost of a primary that may live."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.rescues import (
    ALWAYS,
    COMPLETED,
    assert_rescued,
    given_up,
    gives_up,
    notice_without_address,
    racing_story,
    refuse_every_place,
    statuses,
    told,
    with_standby,
)
from server_support.story import Story
from spot_server.db.tables import instances
from spot_server.words import CommandKind, InterruptionKind


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    return racing_story(engine, clock)


def test_a_primary_that_outlives_its_notice_serves_again_and_the_rescue_is_dropped(story: Story) -> None:
    notice_without_address(story, kind=InterruptionKind.STOP, lead_seconds=60)
    story.region.machines["i-1"].taken_away_at = None

    story.passes(600, step_seconds=5)

    assert story.region.serving == ["i-1"]
    assert given_up(story) is None
    assert told(story)[-1] == "rescue_not_needed"
    assert story.issued("terminate_instance") == []
    assert story.region.violations == []


@pytest.mark.parametrize("carry_out", [True, False], ids=["killed-at-last", "never"])
def test_a_primary_that_is_merely_silent_is_never_terminated_by_a_resumed_rescue(story: Story, carry_out: bool) -> None:
    """Its notice lies in the past, EC2 says running, auto-terminate is on, and a standby is ready: and yet silence is only a suspicion."""
    notice_without_address(story, lead_seconds=1000)
    story.region.machines["i-1"].taken_away_at = None
    gives_up(story)
    story.passes(20)
    story.set_agent(enabled=False)
    story.passes(2000, step_seconds=10)
    story.region.machines["i-1"].has_daemon = False
    story.passes(200, step_seconds=10)
    story.region.failures.clear()
    story.set_agent(enabled=True)

    story.passes(1800, step_seconds=10)

    seen = (len(story.switches()), story.region.serving, story.issued("terminate_instance"))
    assert seen == (3, ["i-1"], [])
    assert told(story)[-1] == "rescue_waits"
    if carry_out:
        story.region.lose("i-1")
        story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)
        assert_rescued(story, "i-2")


def test_nor_is_one_that_was_silent_before_its_end_came(story: Story) -> None:
    """The first rescues may end it: EC2 had said so for that time. One that begins long after has nothing but an old word."""
    story.set_agent(auto_terminate_enabled=False)
    story.switch()
    story.settles(300)
    story.set_agent(auto_terminate_enabled=True)
    refuse_every_place(story)
    story.notice("i-2", lead_seconds=400)
    story.region.machines["i-2"].taken_away_at = None
    story.region.machines["i-2"].has_daemon = False
    gives_up(story)
    story.passes(400, step_seconds=5)
    story.region.refused_places.clear()
    before = len(story.switches())

    story.passes(1800, step_seconds=10)

    assert len(story.switches()) == before
    assert story.issued("terminate_instance") == []
    assert story.region.serving == ["i-2"]
    story.region.lose("i-2")
    story.passes(300, until=lambda: story.active() is None and statuses(story)[-1] is COMPLETED)
    assert_rescued(story, "i-3")


@pytest.mark.parametrize("state", ["terminated", "shutting-down", "stopped", "stopping"])
def test_ec2_s_word_that_the_primary_goes_is_enough_to_begin_and_that_it_is_gone_to_go_on(story: Story, state: str) -> None:
    notice_without_address(story, kind=InterruptionKind.TERMINATE, lead_seconds=10)
    story.region.machines["i-1"].taken_away_at = None
    gives_up(story)
    story.region.failures.clear()
    story.region.lose("i-1", state)

    story.passes(400, until=lambda: statuses(story)[-1] is COMPLETED, step_seconds=5)
    if state == "stopping":
        story.region.machines["i-1"].state = "stopped"
        story.passes(400, until=lambda: statuses(story)[-1] is COMPLETED, step_seconds=5)

    assert_rescued(story, "i-2")


def test_answers_that_are_lost_delay_a_resumed_rescue_and_do_not_stop_it(story: Story) -> None:
    notice_without_address(story, lead_seconds=20)
    story.region.machines["i-1"].taken_away_at = None
    gives_up(story)
    story.region.failures.clear()
    story.region.lose("i-1")
    for kind in (CommandKind.DESCRIBE_INSTANCE, CommandKind.MOVE_ADDRESS, CommandKind.START_SERVING):
        story.region.fail(kind, None, times=3, takes_effect=True)

    story.passes(900, until=lambda: statuses(story)[-1] is COMPLETED)

    assert_rescued(story, "i-2")


def test_with_nobody_left_who_could_ask_ec2_a_person_is_told_and_the_primary_is_waited_for(story: Story) -> None:
    refuse_every_place(story)
    story.notice(lead_seconds=300)
    story.region.machines["i-1"].taken_away_at = None
    gives_up(story)
    story.region.machines["i-1"].has_daemon = False
    story.clock.advance(80)
    story.passes(600, step_seconds=5)
    alone = (told(story)[-1], story.issued("describe_instance"))
    story.region.machines["i-1"].has_daemon = True

    story.passes(300, step_seconds=5)

    assert alone == ("rescue_waits", [])
    assert story.region.serving == ["i-1"]
    assert given_up(story) is None


def test_a_daemon_too_old_to_say_whether_it_is_quiesced_is_told_to_serve(story: Story) -> None:
    """Its quiesce took effect, and the answer was lost: nobody else knows that it stands still."""
    with_standby(story)
    story.region.machines["i-1"].is_old = True
    story.fleet.execute(update(instances).values(quiesced=None))
    story.region.fail(CommandKind.QUIESCE, None, on="i-1", times=ALWAYS, takes_effect=True)
    story.region.fail(CommandKind.DESCRIBE_INSTANCE, "throttled", times=ALWAYS)
    story.notice(lead_seconds=60)
    story.region.machines["i-1"].taken_away_at = None
    story.passes(30, until=lambda: not story.region.serving)
    stopped = story.region.serving
    story.region.lose("i-2")
    story.notice("i-2", lead_seconds=0)
    refuse_every_place(story)

    story.passes(900, step_seconds=5)

    assert stopped == []
    assert story.region.serving == ["i-1"]
    assert given_up(story) is None
