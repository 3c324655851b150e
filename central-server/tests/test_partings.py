"""A notice finds no replica ready: the old side stops in its last seconds and says so, and nobody is waited for when the replica is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.rescues import give_control_role
from server_support.story import ADDRESS, Story
from spot_server.db.runner import Database
from spot_server.db.tables import notifications
from spot_server.words import CommandKind, InterruptionKind, StepName, StepStatus, SwitchStatus

LEAD_SECONDS = 60.0
OUTLIVED_SECONDS = 120.0
"""After the end that a notice named."""


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, terminate_wait_seconds=60)


def notice_to_a_slow_replica(story: Story, kind: InterruptionKind = InterruptionKind.TERMINATE, *, is_carried_out: bool = True) -> None:
    """The replica is launched and registers, and is not ready when the old instance has six seconds left."""
    story.notice(kind=kind, lead_seconds=LEAD_SECONDS)
    if not is_carried_out:
        story.region.machines["i-1"].taken_away_at = None
    noticed_at = story.clock.now()
    story.region.standbys_pass = False
    story.passes(LEAD_SECONDS, until=lambda: "i-2" in story.roles)
    story.passes(LEAD_SECONDS - 6 - (story.clock.now() - noticed_at).total_seconds())


def gets_up(story: Story) -> None:
    story.region.standbys_pass = True
    story.passes(60, until=lambda: story.active() is None)


@pytest.mark.parametrize("kind", [InterruptionKind.TERMINATE, InterruptionKind.STOP])
def test_an_old_side_that_parted_is_waited_for_by_nobody(story: Story, kind: InterruptionKind) -> None:
    """EC2 never says that it has ended: it runs on all the time."""
    notice_to_a_slow_replica(story, kind, is_carried_out=False)
    serving_before = story.region.serving

    story.passes(5, step_seconds=1)
    serving_at_last = story.region.serving
    gets_up(story)

    switch = story.switches()[0]
    steps = story.steps(switch)
    assert (serving_before, serving_at_last) == (["i-1"], [])
    assert switch.status is SwitchStatus.COMPLETED
    assert (steps[StepName.QUIESCE].status, steps[StepName.FENCE].status) == (StepStatus.DONE, StepStatus.SKIPPED)
    assert story.region.machines["i-1"].state == "running"
    assert story.region.serving == ["i-2"]
    assert story.region.address_of[ADDRESS] == "i-2"
    assert story.region.violations == []


def test_the_outage_counts_from_the_moment_in_which_the_old_side_stopped(story: Story) -> None:
    notice_to_a_slow_replica(story)
    story.passes(20, step_seconds=1)
    gets_up(story)

    switch = story.switches()[0]
    assert switch.quiesced_at is not None
    assert switch.deadline_at is not None
    assert 0 < (switch.deadline_at - switch.quiesced_at).total_seconds() <= story.database.policy.parting_seconds
    assert switch.downtime_ms is not None
    assert switch.downtime_ms >= 20_000


def test_an_old_side_that_does_not_stop_serves_to_its_end_and_is_fenced_by_ec2_s_word(story: Story) -> None:
    story.region.fail(CommandKind.QUIESCE, "hook_timed_out", times=99)
    notice_to_a_slow_replica(story)

    story.passes(5, step_seconds=1)
    serving_at_last = story.region.serving
    story.passes(20, step_seconds=1)
    gets_up(story)

    switch = story.switches()[0]
    assert serving_at_last == ["i-1"]
    assert story.issued("quiesce") == ["i-1"]
    assert story.steps(switch)[StepName.FENCE].status is StepStatus.DONE
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_an_old_side_whose_word_is_lost_is_fenced_by_ec2_s_word(story: Story) -> None:
    story.region.fail(CommandKind.QUIESCE, None, times=99)
    notice_to_a_slow_replica(story)
    story.passes(20, step_seconds=1)
    gets_up(story)

    switch = story.switches()[0]
    assert (switch.status, story.steps(switch)[StepName.FENCE].status) == (SwitchStatus.COMPLETED, StepStatus.DONE)
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_a_server_that_was_away_in_the_last_seconds_asks_nobody_who_is_gone(story: Story) -> None:
    notice_to_a_slow_replica(story)
    story.clock.advance(200)

    story.step()
    gets_up(story)

    assert story.issued("quiesce") in ([], ["i-1"])
    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_an_instance_that_parted_and_is_not_taken_after_all_serves_again(story: Story) -> None:
    notice_to_a_slow_replica(story, is_carried_out=False)
    story.passes(6, step_seconds=1)
    serving_at_its_end = story.region.serving

    story.passes(OUTLIVED_SECONDS + 60, until=lambda: story.active() is None)

    switch = story.switches()[0]
    assert serving_at_its_end == []
    assert switch.status is SwitchStatus.ROLLED_BACK
    assert "outlived its notice" in (switch.failure or "")
    assert story.region.serving == ["i-1"]
    assert story.region.address_of[ADDRESS] == "i-1"
    assert story.roles["i-1"] == "PRIMARY"
    assert story.region.violations == []
    assert story.fleet.scalars(select(notifications.c.severity).where(notifications.c.kind == "switch_rolling_back")) == ["warning"]


def test_a_replica_that_is_lost_after_the_parting_is_followed_by_another(story: Story) -> None:
    """What was said to one move counts for that one: the next asks EC2, by the control role, for no daemon is left."""
    give_control_role(story)
    notice_to_a_slow_replica(story)
    story.passes(5, step_seconds=1)
    story.region.lose("i-2")
    story.notice("i-2", lead_seconds=0.0)
    story.region.standbys_pass = True

    story.settles(600)

    assert len(story.region.serving) == 1
    assert story.region.serving[0] not in {"i-1", "i-2"}
    assert story.region.violations == []


def test_a_recommendation_stops_nobody(story: Story) -> None:
    story.notice(kind=InterruptionKind.REBALANCE)

    story.passes(300)

    assert story.issued("quiesce") == []
    assert story.region.serving == ["i-1"]


def test_a_person_may_turn_it_off(story: Story) -> None:
    story.database.policy = replace(story.database.policy, parting_seconds=0)
    notice_to_a_slow_replica(story)

    story.passes(5, step_seconds=1)

    assert story.issued("quiesce") == []
    assert story.region.serving == ["i-1"]
