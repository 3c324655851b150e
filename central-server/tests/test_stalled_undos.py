"""A move whose old side stops the workload and is then heard no more, while EC2 says that it runs: a person is told, and the wait ends."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.rescues import ALWAYS, FAILED, give_control_role, racing_story, told
from server_support.silences import assert_serves, kill_daemon
from server_support.story import Story
from spot_server.db.tables import notifications
from spot_server.features.switches.queries import Switch
from spot_server.words import CommandKind, ReplicaStatus, StepName, StepStatus, SwitchStatus

TURNED_SECONDS = 600
"""From the last word of the old side to the end of the wait: less than two bounds of a last pass, and the looks at EC2."""


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    story = racing_story(engine, clock)
    give_control_role(story)
    return story


def text_of(story: Story, kind: str) -> str:
    [text] = story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))
    return str(text)


def dies_in_its_last_pass(story: Story, carry: str = "rsync") -> Switch:
    """The old side confirms that it serves no more; then its daemon is gone for good, and its machine runs."""
    story.set_agent(carry=carry)
    switch = story.switch()
    story.passes(300, until=lambda: story.steps(switch)[StepName.COPY].status is StepStatus.DONE, step_seconds=0.5)
    story.region.fail(CommandKind.SEND_STATE, None, times=ALWAYS)
    story.passes(300, until=lambda: story.steps(switch)[StepName.QUIESCE].status is StepStatus.DONE, step_seconds=0.5)
    kill_daemon(story)
    return story.reload(switch)


def dies_before_the_address_moves(story: Story) -> Switch:
    story.region.fail(CommandKind.MOVE_ADDRESS, "refused", times=1)
    switch = story.switch()
    story.passes(300, until=lambda: story.steps(switch)[StepName.QUIESCE].status is StepStatus.DONE, step_seconds=0.5)
    kill_daemon(story)
    return story.reload(switch)


@pytest.mark.parametrize("carry", ["rsync", "hook"])
def test_a_last_pass_that_cannot_come_ends_the_move_and_a_person_is_told_before(story: Story, carry: str) -> None:
    switch = dies_in_its_last_pass(story, carry)
    story.passes(TURNED_SECONDS, until=lambda: "undo_waits" in told(story, "undo_waits"))
    waiting = story.reload(switch).status

    story.passes(TURNED_SECONDS, until=lambda: story.active() is None)

    assert waiting is SwitchStatus.ROLLING_BACK
    assert "The workload stands still." in text_of(story, "undo_waits")
    ended = story.reload(switch)
    assert (ended.status, ended.resume_at, ended.loses_writes_since) == (FAILED, None, None)
    assert (story.clock.now() - (ended.quiesced_at or story.clock.now())).total_seconds() < TURNED_SECONDS
    [replica] = story.replicas()
    assert replica.status is ReplicaStatus.READY
    assert replica.hold_until is not None
    assert f"promote replica {replica.replica_id} with force and accept_data_loss" in text_of(story, "switch_failed")
    assert story.region.serving == []


def test_after_that_end_the_old_side_serves_again_as_soon_as_it_is_heard(story: Story) -> None:
    dies_in_its_last_pass(story)
    story.passes(2 * TURNED_SECONDS, until=lambda: story.active() is None)

    story.region.machines["i-1"].has_daemon = True
    story.passes(120, until=lambda: story.region.serving == ["i-1"])

    assert_serves(story, "i-1")


def test_where_silent_primaries_are_to_be_moved_it_goes_forward_and_the_loss_is_told(story: Story) -> None:
    story.set_agent(failover_when_silent=True)
    switch = dies_in_its_last_pass(story)

    story.passes(2 * TURNED_SECONDS, until=lambda: story.active() is None)

    ended = story.reload(switch)
    assert (ended.status, ended.timing["turns"]) == (SwitchStatus.COMPLETED, 1)
    assert ended.loses_writes_since is not None
    assert "without a last pass" in text_of(story, "writes_lost")
    assert story.steps(switch)[StepName.SYNC].status is StepStatus.SKIPPED
    assert_serves(story, "i-2")


def test_a_move_that_loses_nothing_goes_forward_by_itself(story: Story) -> None:
    switch = dies_before_the_address_moves(story)

    story.passes(2 * TURNED_SECONDS, until=lambda: story.active() is None)

    ended = story.reload(switch)
    assert (ended.status, ended.loses_writes_since) == (SwitchStatus.COMPLETED, None)
    assert told(story, "undo_waits", "switch_resumed") == ["undo_waits", "switch_resumed"]
    assert_serves(story, "i-2")


def test_an_old_side_that_comes_back_after_that_does_not_serve_beside_the_new_one(story: Story) -> None:
    dies_before_the_address_moves(story)
    story.passes(2 * TURNED_SECONDS, until=lambda: story.active() is None)

    story.region.machines["i-1"].has_daemon = True
    story.passes(120)

    assert_serves(story, "i-2")


def test_an_old_side_that_was_told_to_serve_again_may_do_so_and_nothing_goes_forward(story: Story) -> None:
    """It was given the order, and died before it could say what became of it."""
    story.region.fail(CommandKind.MOVE_ADDRESS, "refused", times=1)
    story.region.fail(CommandKind.START_SERVING, None, on="i-1", times=ALWAYS, takes_effect=True)
    switch = story.switch()
    story.passes(300, until=lambda: story.region.kinds(CommandKind.START_SERVING) != [], step_seconds=0.5)
    kill_daemon(story)

    story.passes(3 * TURNED_SECONDS, until=lambda: story.active() is None)

    assert story.reload(switch).status is FAILED
    assert_serves(story, "i-1")


def test_a_daemon_that_is_heard_and_never_answers_is_told_of_and_the_move_ends(story: Story) -> None:
    story.region.fail(CommandKind.MOVE_ADDRESS, "refused", times=1)
    story.region.fail(CommandKind.START_SERVING, None, on="i-1", times=ALWAYS)
    switch = story.switch()

    story.passes(900, until=lambda: story.active() is None and bool(story.switches()))

    assert "does not answer the order to serve again" in text_of(story, "undo_waits")
    assert story.reload(switch).status is FAILED
    assert story.roles["i-1"] == "PRIMARY"


def test_an_old_side_that_is_heard_again_in_time_takes_the_move_back(story: Story) -> None:
    switch = dies_before_the_address_moves(story)
    story.passes(200, step_seconds=5)

    story.region.machines["i-1"].has_daemon = True
    story.settles(300)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert_serves(story, "i-1")


def test_ec2s_word_that_the_old_side_has_ended_begins_a_rescue(story: Story) -> None:
    dies_in_its_last_pass(story)
    story.passes(TURNED_SECONDS, until=lambda: "undo_waits" in told(story, "undo_waits"))

    story.region.lose("i-1")
    story.passes(300, until=lambda: story.active() is None and story.region.serving != [])

    assert_serves(story, "i-2")


def test_a_promoted_side_that_did_not_start_tries_again_before_the_promotion_goes_to_a_side_that_nobody_hears(story: Story) -> None:
    """Its address and its first start take their whole time: by then nobody has heard the old side for long."""
    story.region.fail(CommandKind.MOVE_ADDRESS, None, times=ALWAYS)
    switch = story.switch()
    story.passes(300, until=lambda: story.steps(switch)[StepName.QUIESCE].status is StepStatus.DONE, step_seconds=0.5)
    kill_daemon(story)
    story.passes(130)
    story.region.failures.clear()
    story.region.fail(CommandKind.START_SERVING, None, on="i-2", times=ALWAYS)
    story.region.fail(CommandKind.DEMOTE, None, on="i-2", times=ALWAYS)
    story.passes(300, until=lambda: story.reload(switch).status is SwitchStatus.ROLLING_BACK)
    story.passes(25)
    story.region.failures.clear()

    story.passes(3 * TURNED_SECONDS, until=lambda: story.active() is None)

    ended = story.reload(switch)
    assert (ended.status, ended.timing.get("turns")) == (SwitchStatus.COMPLETED, 1)
    assert_serves(story, "i-2")
