"""Moves that bring the state along by rsync: in which order, with which failures, and what is said to be lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from server_support.alone import is_heard_again, loses_touch
from server_support.clock import FakeClock
from server_support.rescues import with_standby
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import notifications
from spot_server.features.switches import service as switch_service
from spot_server.features.switches.queries import Switch
from spot_server.policy import MovePolicy
from spot_server.words import CommandKind, StepName, StepStatus, SwitchStatus

LAST_PASS_FROM_OLD_TO_NEW = ("last", "i-1", "i-2")


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)


def told(story: Story) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "writes_lost"))


def fail_pass(story: Story, number: int, error_class: str | None, times: int = 1) -> None:
    """Let the passes before succeed, and this one fail."""
    story.passes(200, until=lambda: len(story.region.rsync.passes) == number - 1 and _is_next_pass_out(story, number))
    story.region.fail(CommandKind.SEND_STATE, error_class, times=times)


def _is_next_pass_out(story: Story, number: int) -> bool:
    return number == 1 or CommandKind.QUIESCE in [kind for kind, _instance in story.region.calls]


def test_the_first_pass_goes_over_while_the_old_side_serves_and_the_last_one_when_it_has_stopped(story: Story) -> None:
    switch = story.switch()

    story.settles(200)

    kinds = [kind for kind, _instance in story.region.calls]
    order = [
        CommandKind.MAKE_SYNC_KEY,
        CommandKind.CREATE_IMAGE,
        CommandKind.LAUNCH_INSTANCE,
        CommandKind.OPEN_RECEIVER,
        CommandKind.SEND_STATE,
        CommandKind.QUIESCE,
        CommandKind.MOVE_ADDRESS,
        CommandKind.START_SERVING,
    ]
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    assert story.region.rsync.passes == [("first", "i-1", "i-2"), LAST_PASS_FROM_OLD_TO_NEW]
    assert story.region.violations == []


def test_what_each_pass_sent_is_recorded_with_its_step_and_nothing_is_lost(story: Story) -> None:
    switch = story.switch()

    story.settles(200)

    steps = story.steps(switch)
    sent = [steps[name].outcome for name in (StepName.COPY, StepName.SYNC)]
    assert [(outcome["pass"], outcome["bytes_sent"], outcome["files_sent"]) for outcome in sent if outcome] == [
        ("first", 1024, 2),
        ("last", 1024, 2),
    ]
    assert story.reload(switch).loses_writes_since is None
    assert told(story) == []


def test_the_sender_is_told_from_when_on_the_image_may_not_be_trusted(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="rsync")
    switch = story.switch()

    story.settles(200)

    image = story.newest_image()
    assert image is not None
    assert story.reload(switch).image_id == image.image_id
    before = (image.started_at - timedelta(seconds=MovePolicy().image_flush_seconds)).isoformat()
    assert [payload["trusted_before"] for payload in story.region.rsync.orders] == [before, before]


def test_a_daemon_that_does_not_know_the_carry_keeps_its_workload_and_nothing_is_launched(story: Story) -> None:
    story.region.fail(CommandKind.MAKE_SYNC_KEY, "unknown_kind")
    switch = story.switch()

    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.kinds(CommandKind.LAUNCH_INSTANCE) == []
    assert story.region.serving == ["i-1"]


def test_a_first_pass_that_fails_takes_the_move_back_before_anything_stopped(story: Story) -> None:
    story.region.fail(CommandKind.SEND_STATE, "hook_timed_out")
    switch = story.switch()

    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.kinds(CommandKind.QUIESCE) == []
    assert story.region.serving == ["i-1"]


def test_a_last_pass_that_fails_takes_the_move_back_and_the_keys_go(story: Story) -> None:
    switch = story.switch()
    fail_pass(story, 2, "check_failed")

    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.steps(switch)[StepName.SYNC].status is StepStatus.UNDONE
    assert story.region.serving == ["i-1"]
    assert story.region.rsync.keys == {}
    assert told(story) == []


def test_a_broken_connection_is_tried_again(story: Story) -> None:
    story.region.fail(CommandKind.SEND_STATE, "unreachable", times=2)
    switch = story.switch()

    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.steps(switch)[StepName.COPY].attempt == 3


def test_a_pass_whose_answer_never_comes_is_given_up_at_its_bound(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync")
    switch = story.switch()
    fail_pass(story, 2, None, times=100)

    story.settles(2_000)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]
    assert story.region.violations == []


def test_a_person_who_cancels_during_the_copy_gets_everything_back(story: Story) -> None:
    story.region.fail(CommandKind.SEND_STATE, None, times=100)
    switch = story.switch()
    story.passes(100, until=lambda: story.steps(switch)[StepName.COPY].status is StepStatus.RUNNING)

    story.cancel(switch)
    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.CANCELLED
    assert story.region.rsync.keys == {}
    assert story.region.serving == ["i-1"]


def test_how_far_a_pass_is_is_shown_while_it_runs_and_not_after(story: Story) -> None:
    story.region.fail(CommandKind.SEND_STATE, None, times=1)
    switch = story.switch()
    story.passes(100, until=lambda: story.steps(switch)[StepName.COPY].status is StepStatus.RUNNING)
    progress = {"pass": "first", "bytes_sent": 4096}

    def report() -> None:
        detail: dict[str, Any] = {"step_progress": progress}
        story.database.write(lambda tx: switch_service.merge_report(tx, story.agent_id, switch.switch_id, {}, detail))

    report()
    shown = story.steps(switch)[StepName.COPY].outcome
    story.cancel(switch)
    report()

    assert shown is not None
    assert shown["progress"] == progress
    assert "daemon_report" not in story.reload(switch).timing
    assert story.steps(switch)[StepName.COPY].status is not StepStatus.RUNNING


def test_a_person_who_promotes_a_standby_loses_nothing_and_need_not_accept_a_loss(story: Story) -> None:
    with_standby(story)
    standby = story.gets_ready()

    switch = story.promote(standby.replica_id)
    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert [which for which, _old, _new in story.region.rsync.passes] == ["first", "last"]
    assert story.reload(switch).loses_writes_since is None


def test_a_hook_is_told_where_to_and_runs_before_and_after_the_stop(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="hook", terminate_wait_seconds=60)
    switch = story.switch()

    story.settles(200)

    kinds = [kind for kind, _instance in story.region.calls]
    told = story.region.rsync.orders
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.region.rsync.passes == [("first", "i-1", "i-2"), LAST_PASS_FROM_OLD_TO_NEW]
    assert [(payload["means"], payload["instance_id"]) for payload in told] == [("hook", "i-2"), ("hook", "i-2")]
    assert [payload["host"] for payload in told] == ["10.0.0.5", "10.0.0.5"]
    assert CommandKind.MAKE_SYNC_KEY not in kinds
    assert story.reload(switch).loses_writes_since is None


def test_a_hook_that_fails_after_the_stop_takes_the_move_back(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="hook", terminate_wait_seconds=60)
    switch = story.switch()
    fail_pass(story, 2, "hook_timed_out")

    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]
    assert "i-1" in story.region.kinds(CommandKind.CLOSE_SYNC)


def test_under_a_notice_the_state_comes_along_within_the_notice(story: Story, clock: FakeClock) -> None:
    with_standby(story)
    ends_at = clock.now() + timedelta(seconds=120)

    story.notice(lead_seconds=120)
    story.settles(300)

    switch = story.switches()[0]
    assert switch.status is SwitchStatus.COMPLETED
    assert switch.serving_at is not None
    assert switch.serving_at < ends_at
    assert switch.loses_writes_since is None
    assert told(story) == []
    assert all(payload["bound_seconds"] <= 110 for payload in story.region.rsync.orders)


def test_under_a_notice_a_last_pass_that_fails_holds_nothing_up_and_the_loss_is_told(story: Story) -> None:
    with_standby(story)
    story.region.fail(CommandKind.SEND_STATE, "check_failed", times=2)

    story.notice(lead_seconds=120)
    story.settles(300)

    switch = story.switches()[0]
    assert switch.status is SwitchStatus.COMPLETED
    assert story.steps(switch)[StepName.SYNC].status is StepStatus.SKIPPED
    assert switch.loses_writes_since is not None
    assert len(told(story)) == 1


def test_a_workload_that_does_not_confirm_its_end_is_not_copied_as_if_it_had(story: Story) -> None:
    with_standby(story)
    story.region.fail(CommandKind.QUIESCE, "hook_failed", times=100)

    story.notice(lead_seconds=120)
    story.settles(400)

    switch = story.switches()[0]
    assert switch.status is SwitchStatus.COMPLETED
    assert [which for which, _old, _new in story.region.rsync.passes] == ["first"]
    assert switch.loses_writes_since is not None
    assert story.region.violations == []


def silent_before_its_last_pass(story: Story) -> Switch:
    """Under a notice, the old daemon is not heard any more once the first pass is over: at once it counts as out of reach."""
    story.database.policy = replace(story.database.policy, daemon_fresh_seconds=6)
    with_standby(story)
    story.notice(lead_seconds=180)
    story.passes(120, until=lambda: story.steps(story.switches()[0])[StepName.COPY].status is StepStatus.DONE, step_seconds=1)
    loses_touch(story, "i-1")
    return story.switches()[0]


def test_a_daemon_that_is_silent_for_a_moment_before_its_last_pass_is_waited_for(story: Story) -> None:
    switch = silent_before_its_last_pass(story)
    story.passes(20)
    assert story.steps(switch)[StepName.QUIESCE].status is StepStatus.RUNNING
    is_heard_again(story, "i-1")

    story.settles(300)

    assert story.steps(switch)[StepName.SYNC].status is StepStatus.DONE
    assert (story.reload(switch).status, story.reload(switch).loses_writes_since) == (SwitchStatus.COMPLETED, None)
    assert story.region.violations == []


def test_one_that_stays_silent_is_waited_for_no_longer_than_its_command_s_time(story: Story) -> None:
    switch = silent_before_its_last_pass(story)

    story.passes(MovePolicy().quiesce_bound_seconds + MovePolicy().command_margin_seconds + 10)
    assert story.steps(switch)[StepName.QUIESCE].status is StepStatus.SKIPPED
    story.settles(400)

    ended = story.reload(switch)
    assert ended.status is SwitchStatus.COMPLETED
    assert ended.loses_writes_since is not None
    assert story.region.violations == []


def test_a_rescue_of_an_instance_that_is_gone_says_what_is_lost(story: Story) -> None:
    with_standby(story)
    story.notice(lead_seconds=0)
    story.region.lose("i-1")
    story.settles(400)

    switch = story.switches()[0]
    assert switch.status is SwitchStatus.COMPLETED
    assert switch.loses_writes_since is not None
    assert len(told(story)) == 1
