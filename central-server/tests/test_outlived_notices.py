"""EC2 announces the end of an instance and does not carry it out: the instance is heard on, and is worth as much as any other."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START, FakeClock
from server_support.rescues import refuse_every_place
from server_support.story import ADDRESS, Story
from spot_server.db.runner import Database
from spot_server.features.commands.attempts import load_daemons
from spot_server.features.commands.rules import is_past_end
from spot_server.words import CommandKind, StepName, StepStatus, SwitchStatus

LEAD_SECONDS = 120
OUTLIVED_SECONDS = 240
"""From a notice until an instance that is still heard has outlived it."""

ALWAYS = 99


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, terminate_wait_seconds=60)


def notice_in_vain(story: Story, instance_id: str = "i-1", **changes: object) -> None:
    story.notice(instance_id, lead_seconds=LEAD_SECONDS, **changes)  # type: ignore[arg-type]
    story.region.machines[instance_id].taken_away_at = None


def is_reachable(story: Story, instance_id: str = "i-1") -> bool:
    daemons = story.database.read(lambda tx: load_daemons(tx, story.agent))
    return next(daemon.is_reachable for daemon in daemons if daemon.instance_id == instance_id)


def test_a_daemon_is_given_no_work_past_its_end_until_it_is_heard_well_after_it(story: Story) -> None:
    refuse_every_place(story)
    notice_in_vain(story)
    seen = [is_reachable(story)]
    for seconds in (LEAD_SECONDS, OUTLIVED_SECONDS - LEAD_SECONDS):
        story.passes(seconds)
        seen.append(is_reachable(story))

    assert seen == [True, False, True]


def test_the_newest_notice_of_an_instance_counts(story: Story) -> None:
    refuse_every_place(story)
    notice_in_vain(story, notice_id="notice-first")
    story.passes(OUTLIVED_SECONDS)

    notice_in_vain(story, notice_id="notice-second")
    story.passes(LEAD_SECONDS + 10)

    assert not is_reachable(story)


def test_a_move_from_an_instance_that_outlived_its_notice_is_taken_back_like_any_other(story: Story) -> None:
    refuse_every_place(story)
    notice_in_vain(story)
    story.passes(600, step_seconds=10)
    story.region.refused_places.clear()
    story.region.fail(CommandKind.MOVE_ADDRESS, "not_authorized")
    switch = story.switch()

    story.passes(300, until=lambda: story.active() is None)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]


def test_a_rescue_that_comes_to_the_handover_after_the_notice_was_outlived_asks_the_old_side_to_stop(story: Story) -> None:
    """It was not asked before its end: that is off here."""
    story.database.policy = replace(story.database.policy, parting_seconds=0)
    notice_in_vain(story)
    story.passes(60, until=lambda: "i-2" in story.region.machines)
    story.region.machines["i-2"].has_daemon = False
    story.passes(OUTLIVED_SECONDS + 60)
    story.region.machines["i-2"].has_daemon = True

    story.passes(120, until=lambda: story.active() is None)

    switch = story.switches()[0]
    assert switch.status is SwitchStatus.COMPLETED
    assert story.steps(switch)[StepName.QUIESCE].status is StepStatus.DONE
    assert story.region.serving == ["i-2"]
    assert story.region.address_of[ADDRESS] == "i-2"
    assert story.region.violations == []


def test_an_instance_that_outlived_its_notice_is_not_terminated_to_keep_ec2_s_word(story: Story) -> None:
    story.region.fail(CommandKind.QUIESCE, "hook_failed", times=ALWAYS)
    notice_in_vain(story)
    story.passes(60, until=lambda: "i-2" in story.region.machines)
    story.region.machines["i-2"].has_daemon = False
    story.passes(OUTLIVED_SECONDS + 60)
    story.region.machines["i-2"].has_daemon = True

    story.passes(300, until=lambda: story.active() is None)

    assert story.switches()[0].status is SwitchStatus.ROLLED_BACK
    assert story.region.machines["i-1"].state == "running"
    assert story.region.serving == ["i-1"]
    assert story.roles["i-1"] == "PRIMARY"


def test_a_fence_that_waits_for_the_end_of_an_instance_which_outlives_it_is_given_up(story: Story) -> None:
    """Auto-terminate is off, so nobody makes EC2's word true."""
    story.set_agent(manual_replica_enabled=True, replica_count=1, auto_terminate_enabled=False)
    story.gets_ready()
    story.region.fail(CommandKind.QUIESCE, "hook_failed", times=ALWAYS)
    notice_in_vain(story)

    story.passes(OUTLIVED_SECONDS + 120, until=lambda: story.active() is None)

    switch = story.switches()[0]
    assert (switch.status, switch.failed_step) == (SwitchStatus.ROLLED_BACK, StepName.FENCE)
    assert story.region.serving == ["i-1"]
    assert story.issued("terminate_instance") == []


moments = st.integers(-1000, 1000).map(lambda seconds: START + timedelta(seconds=seconds))


@given(end_at=moments, heard_at=moments, now=moments)
def test_an_end_lies_in_the_past_only_if_it_was_reached_and_nothing_was_heard_long_after(
    end_at: datetime, heard_at: datetime, now: datetime
) -> None:
    is_past = is_past_end(end_at, heard_at, now, outlived_seconds=120)

    assert is_past == (end_at <= now and heard_at < end_at + timedelta(seconds=120))
    assert not is_past_end(None, heard_at, now, outlived_seconds=120)
