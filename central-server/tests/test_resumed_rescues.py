"""A rescue that gave up is not the end: what passes is waited for, and what was missing may come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.rescues import (
    ALWAYS,
    COMPLETED,
    FAILED,
    ROLLED_BACK,
    assert_rescued,
    give_control_role,
    given_up,
    gives_up,
    notice_without_address,
    racing_story,
    refuse_every_place,
    statuses,
    told,
)
from server_support.story import ADDRESS, STEP_SECONDS, Story
from spot_server.db.runner import Database
from spot_server.features.sweeper.holds import confirm_restore, note_restore
from spot_server.words import CommandKind, SwitchTrigger

A_MINUTE = 60


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    return racing_story(engine, clock)


# What passes: EC2 says no for a while.


def test_an_address_that_ec2_refuses_to_move_for_a_minute_is_moved_later(story: Story) -> None:
    notice_without_address(story, lead_seconds=120)
    gave_up = gives_up(story)
    quick = statuses(story)
    story.region.failures.clear()

    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    assert quick == [FAILED, FAILED, FAILED]
    resumed = story.switches()[3]
    assert gave_up.completed_at is not None
    assert resumed.initiated_at - gave_up.completed_at >= timedelta(seconds=A_MINUTE)
    assert resumed.timing["takes_over_from"] == gave_up.switch_id
    assert resumed.to_instance_id == "i-2"
    assert_rescued(story, "i-2")


def test_between_two_rescues_the_old_instance_serves_for_as_long_as_it_lives(story: Story) -> None:
    notice_without_address(story, lead_seconds=300)
    gives_up(story)

    story.passes(20)

    assert story.region.serving == ["i-1"]
    assert story.region.address_of[ADDRESS] == "i-1"


def test_a_region_without_capacity_for_five_minutes_is_asked_again(story: Story) -> None:
    """The old instance of an earlier move is kept, and its daemon can ask EC2 when the primary is gone."""
    story.set_agent(auto_terminate_enabled=False)
    story.switch()
    story.settles(300)
    refuse_every_place(story)
    story.notice("i-2", lead_seconds=30)
    story.passes(300, step_seconds=STEP_SECONDS)
    before = (set(statuses(story)), story.region.serving)
    story.region.refused_places.clear()

    story.passes(600, until=lambda: story.active() is None and statuses(story)[-1] is COMPLETED)

    assert before == ({COMPLETED, FAILED}, [])
    assert_rescued(story, "i-3")


def test_with_a_control_role_the_region_is_asked_again_though_no_daemon_is_left(story: Story) -> None:
    give_control_role(story)
    refuse_every_place(story)
    story.notice(lead_seconds=30)
    story.passes(300)
    before = (set(statuses(story)), story.region.serving, story.roles)
    story.region.refused_places.clear()

    story.passes(600, until=lambda: story.active() is None and statuses(story)[-1] is COMPLETED)

    assert before == ({FAILED}, [], {"i-1": "TERMINATED"})
    assert_rescued(story, "i-2")


def test_while_another_instance_may_be_the_primary_a_person_is_asked_first(story: Story) -> None:
    give_control_role(story)
    refuse_every_place(story)
    story.notice(lead_seconds=30)
    story.passes(300)
    story.database.write(lambda tx: note_restore(tx, story.agent, "i-9", 7))
    story.region.refused_places.clear()

    story.passes(600)
    held = (set(statuses(story)), story.region.serving)
    story.database.write(lambda tx: confirm_restore(tx, story.fleet.client_id, story.agent_id, epoch=7, user_id="somebody"))
    story.passes(1000, until=lambda: story.active() is None and statuses(story)[-1] is COMPLETED)

    assert held == ({FAILED}, [])
    assert "rescue_waits" in told(story)
    assert_rescued(story, "i-2")


def test_rescues_that_fail_come_ever_more_rarely(story: Story) -> None:
    notice_without_address(story, lead_seconds=60)

    story.passes(6000, step_seconds=5)

    rescues = story.switches()
    ended = [rescue.completed_at for rescue in rescues if rescue.completed_at is not None]
    pauses = [(later.initiated_at - end).total_seconds() for end, later in zip(ended, rescues[1:], strict=False)]
    assert [round(pause / A_MINUTE) for pause in pauses[:8]] == [0, 0, 1, 2, 4, 8, 15, 15]
    assert told(story) == ["switch_failed"]
    assert {switch.timing.get("rescue_number", 1) for switch in rescues} == set(range(1, len(rescues) + 1))


def test_whoever_was_told_that_a_rescue_gave_up_is_told_when_it_comes_off_at_last(story: Story) -> None:
    notice_without_address(story, lead_seconds=60)
    gives_up(story)
    story.region.failures.clear()

    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    assert told(story) == ["switch_failed", "rescued_at_last"]


# What comes too late, or was missing: an image, a place for one that never served.


def test_a_rescue_that_had_nothing_to_launch_from_goes_on_as_soon_as_there_is_an_image(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce")
    story.region.fail(CommandKind.CREATE_IMAGE, "not_authorized", times=ALWAYS)  # so that none is made at the last moment
    story.notice(lead_seconds=600)
    story.passes(100)
    waiting = (statuses(story), told(story))
    story.add_image("ami-late")

    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    assert waiting == ([FAILED], ["switch_failed", "rescue_waits"])
    assert story.region.serving == ["i-2"]
    assert story.switches()[-1].loses_writes_since is not None


def test_a_promoted_instance_that_cannot_start_gives_way_to_another_once_there_is_a_place(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-2", times=ALWAYS)
    story.notice(lead_seconds=30)
    story.passes(120, until=lambda: bool(story.issued("start_serving")))
    refuse_every_place(story)
    gives_up(story)
    before = statuses(story)
    story.region.refused_places.clear()

    story.passes(600, until=lambda: statuses(story)[-1] is COMPLETED)

    last = story.switches()[-1]
    assert before == [FAILED, ROLLED_BACK]
    assert (last.from_instance_id, last.deadline_at, last.trigger) == ("i-2", None, SwitchTrigger.FAILOVER)
    assert_rescued(story, last.to_instance_id or "")


def test_a_primary_that_served_and_cannot_start_is_never_moved_away_from_its_data(story: Story) -> None:
    """It stands still with everything written: another instance from an older image would lose that."""
    notice_without_address(story, lead_seconds=120)
    story.region.machines["i-1"].taken_away_at = None
    story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-1", times=ALWAYS)
    story.passes(300)
    story.region.failures = [one for one in story.region.failures if one.kind is CommandKind.START_SERVING]
    before = len(story.switches())

    story.passes(3600, step_seconds=10)

    assert len(story.switches()) == before
    assert given_up(story) is not None
    assert "primary_stays_quiesced" in told(story, "primary_stays_quiesced")
    assert story.roles["i-1"] == "PRIMARY"
    assert story.issued("terminate_instance") == []
