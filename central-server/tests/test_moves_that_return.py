"""A planned move whose new side served, although its start was not answered in time: nothing acknowledged is lost without a word."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from server_support.alone import is_heard_again, loses_touch
from server_support.clock import FakeClock
from server_support.story import ADDRESS, Story
from spot_server.db.runner import Database
from spot_server.db.tables import events, notifications
from spot_server.features.switches import queries
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.return_rules import MOST_RETURNS
from spot_server.policy import MovePolicy
from spot_server.words import CommandKind, StepName, SwitchStatus

ALWAYS = 10_000
POLICY = MovePolicy()
COPYING = ("rsync", "hook", "image_after_quiesce")


def told(story: Story, kind: str = "writes_lost") -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))


def starved_at_start(story: Story, *, takes_effect: bool = True) -> Switch:
    """The new side's daemon does not answer START, until the move is taken back."""
    story.region.fail(CommandKind.START_SERVING, None, on="i-2", takes_effect=takes_effect, times=ALWAYS)
    switch = story.switch()
    story.passes(600, until=lambda: story.reload(switch).status is SwitchStatus.ROLLING_BACK)
    assert story.reload(switch).failed_step is StepName.START
    return switch


@pytest.mark.parametrize("carry", COPYING)
def test_the_move_ends_on_the_new_side_that_served(database: Database, clock: FakeClock, carry: str) -> None:
    story = Story.on(database, clock, has_image=True, carry=carry, terminate_wait_seconds=60)
    switch = starved_at_start(story)
    story.region.failures.clear()

    story.settles(600)

    ended = story.reload(switch)
    assert (ended.status, ended.failure, ended.timing[queries.RETURNS]) == (SwitchStatus.COMPLETED, None, 1)
    assert (ended.loses_writes_since, ended.failed_step) == (None, None)
    assert story.region.serving == ["i-2"]
    assert story.region.address_of[ADDRESS] == "i-2"
    assert story.agent.epoch == 2
    assert story.region.violations == []
    assert told(story) == []
    (text,) = told(story, "switch_resumed")
    assert "i-2 served before it was stopped" in text


def test_a_new_side_that_never_answers_is_gone_back_from_and_the_loss_is_told(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)
    switch = starved_at_start(story)
    promoted_at = story.steps(switch)[StepName.PROMOTE].finished_at

    story.settles(2400, step_seconds=10.0)

    ended = story.reload(switch)
    assert (ended.status, ended.timing[queries.RETURNS]) == (SwitchStatus.ROLLED_BACK, MOST_RETURNS)
    assert (ended.loses_writes_since, story.region.serving) == (promoted_at, ["i-1"])
    assert story.region.kinds(CommandKind.START_SERVING).count("i-2") == 1 + MOST_RETURNS
    assert story.region.violations == []
    (text,) = told(story)
    assert "although i-2 served" in text
    data = story.fleet.scalars(select(events.c.data).where(events.c.kind == "writes_lost"))
    assert [one["is_sure"] for one in data] == [True]


def test_an_older_daemon_cannot_say_so_the_loss_is_told_as_possible(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)
    switch = starved_at_start(story)
    story.region.machines["i-2"].is_old = True

    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]
    (text,) = told(story)
    assert "although i-2 may have served" in text


def test_a_new_side_that_was_told_to_serve_and_is_gone_may_have_served(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)
    switch = starved_at_start(story)
    story.region.lose("i-2")

    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]
    assert len(told(story)) == 1


def test_a_new_side_that_did_not_start_is_gone_back_from_without_a_word(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)
    switch = starved_at_start(story, takes_effect=False)

    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert (story.region.serving, told(story)) == (["i-1"], [])


def test_a_stateless_workload_has_nothing_to_lose(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, terminate_wait_seconds=60)
    switch = starved_at_start(story)

    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert (story.region.serving, told(story)) == (["i-1"], [])


def test_the_old_side_that_is_lost_after_a_return_is_not_waited_for(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)
    switch = starved_at_start(story)
    story.passes(60, until=lambda: story.reload(switch).timing.get(queries.RETURNS) == 1)
    story.region.lose("i-1")
    story.region.failures.clear()

    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert (story.region.serving, told(story)) == (["i-2"], [])


def unheard_from_start_on(story: Story) -> Switch:
    """The new side is told to serve, and serves; nobody hears its daemon from then on."""
    story.region.fail(CommandKind.START_SERVING, None, on="i-2", takes_effect=True)
    switch = story.switch()
    story.passes(600, until=lambda: story.region.serving == ["i-2"])
    loses_touch(story, "i-2")
    return switch


def test_a_new_side_with_state_that_is_not_heard_for_minutes_is_waited_for(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)
    switch = unheard_from_start_on(story)
    story.passes(POLICY.unheard_start_seconds - 60)
    assert story.reload(switch).status is SwitchStatus.RUNNING
    is_heard_again(story, "i-2")

    story.settles(600)

    ended = story.reload(switch)
    assert (ended.status, ended.failed_step, ended.loses_writes_since) == (SwitchStatus.COMPLETED, None, None)
    assert (story.region.serving, story.region.violations, told(story)) == (["i-2"], [], [])


def test_it_is_waited_for_no_longer_than_that(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)
    switch = unheard_from_start_on(story)

    story.settles(2400)

    ended = story.reload(switch)
    began_at = story.steps(switch)[StepName.START].intent_at
    assert began_at is not None
    assert ended.completed_at is not None
    assert (ended.status, story.region.serving) == (SwitchStatus.ROLLED_BACK, ["i-1"])
    assert ended.completed_at - began_at > timedelta(seconds=POLICY.unheard_start_seconds)
    assert len(told(story)) == 1


def test_a_stateless_one_is_gone_back_from_at_once(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, terminate_wait_seconds=60)
    switch = unheard_from_start_on(story)

    story.passes(600, until=lambda: story.reload(switch).status is SwitchStatus.ROLLING_BACK)

    command = story.steps(switch)[StepName.START]
    assert command.intent_at is not None
    waited_seconds = (clock.now() - command.intent_at).total_seconds()
    assert waited_seconds < POLICY.start_bound_seconds + POLICY.command_margin_seconds + 15


def test_a_silent_new_side_is_asked_again_whether_it_served_before_it_is_ended(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)
    switch = starved_at_start(story)
    story.region.failures.clear()
    loses_touch(story, "i-2")
    story.passes(POLICY.unheard_start_seconds - 60)
    assert story.region.kinds(CommandKind.TERMINATE_INSTANCE) == []
    is_heard_again(story, "i-2")

    story.settles(600)

    ended = story.reload(switch)
    assert (ended.status, ended.timing[queries.RETURNS], ended.loses_writes_since) == (SwitchStatus.COMPLETED, 1, None)
    assert (story.region.serving, told(story)) == (["i-2"], [])
