"""Going back on a completed move while the old instance lives: what it does, and what it loses."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.story import ADDRESS, STEP_SECONDS, Story
from server_support.ways_back import NEW, OLD, finish, moved, preview, roll_back, stateful
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs, notifications
from spot_server.errors import MoveRefused
from spot_server.features.switches.promotions import Accepted
from spot_server.words import CommandKind, InterruptionKind, StepName, StepStatus, SwitchStatus, SwitchTrigger, WayBack


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """A stateless agent that was moved from i-1 to i-2; i-1 waits ten minutes for its retirement."""
    return moved(Story.on(database, clock, terminate_wait_seconds=600))


def test_the_workload_goes_back_to_the_old_instance_and_the_new_one_is_retired(story: Story) -> None:
    back = roll_back(story)

    done = finish(story, back)
    serving, address, roles = story.region.serving, story.region.address_of[ADDRESS], story.roles
    story.settles(900, step_seconds=10)

    assert (done.status, done.trigger, done.to_instance_id) == (SwitchStatus.COMPLETED, SwitchTrigger.ROLLBACK, OLD)
    assert (serving, address, roles) == ([OLD], OLD, {OLD: "PRIMARY", NEW: "ZOMBIE"})
    assert story.roles == {OLD: "PRIMARY", NEW: "TERMINATED"}
    assert story.agent.epoch == 3
    assert story.region.violations == []


def test_nothing_is_launched_or_imaged_for_it_and_every_step_is_recorded(story: Story) -> None:
    before = len(story.region.kinds(CommandKind.LAUNCH_INSTANCE)), len(story.region.kinds(CommandKind.CREATE_IMAGE))

    back = roll_back(story)
    finish(story, back)

    steps = story.steps(back)
    done = {StepName.PREPARE, StepName.QUIESCE, StepName.TRAFFIC, StepName.PROMOTE, StepName.START}
    assert {name for name, step in steps.items() if step.status is StepStatus.DONE} == done
    assert (steps[StepName.PREPARE].actor_instance_id, steps[StepName.QUIESCE].actor_instance_id) == (OLD, NEW)
    assert (len(story.region.kinds(CommandKind.LAUNCH_INSTANCE)), len(story.region.kinds(CommandKind.CREATE_IMAGE))) == before


def test_who_asked_and_for_what_is_in_the_audit_log(story: Story) -> None:
    back = roll_back(story)

    rows = story.fleet.scalars(select(audit_logs.c.post_state).where(audit_logs.c.action == "switch.rollback_requested"))

    assert [(row["switch_id"], row["rolls_back"], row["to"]) for row in rows] == [
        (back.switch_id, story.switches()[0].switch_id, "old_instance")
    ]


def test_a_stateless_agent_loses_nothing_and_needs_no_acceptance(story: Story) -> None:
    plan = preview(story)

    assert (plan.loses_writes_since, plan.loss_window_seconds, plan.to_instance_id) == (None, None, OLD)


def test_what_was_written_since_the_promotion_is_lost_only_once_a_person_accepted_it(database: Database, clock: FakeClock) -> None:
    story = stateful(database, clock)
    served_from = story.switches()[0].serving_at
    story.passes(100)

    plan = preview(story)
    with pytest.raises(MoveRefused) as refused:
        roll_back(story)
    assert story.active() is None
    back = roll_back(story, accepts=Accepted(loss=True))

    assert served_from is not None
    assert plan.loses_writes_since == served_from
    assert plan.loss_window_seconds == round((clock.now() - served_from).total_seconds())
    assert refused.value.extensions["loss_window_seconds"] == plan.loss_window_seconds
    assert (back.loses_writes_since, back.loss_window_seconds) == (served_from, plan.loss_window_seconds)
    assert finish(story, back).status is SwitchStatus.COMPLETED
    assert story.region.serving == [OLD]


def test_with_rsync_what_was_written_since_comes_back_along(database: Database, clock: FakeClock) -> None:
    story = stateful(database, clock, carry="rsync")

    back = roll_back(story)
    done = finish(story, back)

    assert done.status is SwitchStatus.COMPLETED
    assert story.region.rsync.passes[-2:] == [("first", NEW, OLD), ("last", NEW, OLD)]
    assert done.loses_writes_since is None
    orders = story.region.rsync.orders[-2:]
    assert [order["trusted_before"] for order in orders] == [None, None]


def test_a_last_pass_that_fails_takes_the_way_back_back_and_nothing_is_lost(database: Database, clock: FakeClock) -> None:
    story = stateful(database, clock, carry="rsync")
    story.region.fail(CommandKind.SEND_STATE, "hook_failed", on=NEW)

    back = roll_back(story)

    assert finish(story, back).status is SwitchStatus.ROLLED_BACK
    assert (story.region.serving, story.roles) == ([NEW], {OLD: "ZOMBIE", NEW: "PRIMARY"})


def test_a_notice_that_leaves_no_time_for_the_last_pass_is_told_as_a_loss(database: Database, clock: FakeClock) -> None:
    story = stateful(database, clock, carry="rsync")
    served_from = story.switches()[0].serving_at
    story.region.fail(CommandKind.SEND_STATE, "unreachable", times=99, on=NEW)
    back = roll_back(story)
    story.passes(4)

    story.notice(NEW)
    done = finish(story, back, 400)

    assert (done.status, done.trigger) == (SwitchStatus.COMPLETED, SwitchTrigger.NOTICE)
    assert done.loses_writes_since == served_from
    assert len(story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "writes_lost"))) == 1
    assert story.region.serving == [OLD]


def test_an_old_instance_that_is_kept_can_be_gone_back_to_and_is_kept_no_more_but_serves(database: Database, clock: FakeClock) -> None:
    story = moved(Story.on(database, clock, terminate_wait_seconds=20, auto_terminate_enabled=False))
    story.passes(60)
    assert story.fleet.instance(story.agent, OLD).is_retained

    back = roll_back(story)
    finish(story, back)

    assert story.region.serving == [OLD]
    assert not story.fleet.instance(story.agent, OLD).is_retained


def test_the_old_instance_is_not_retired_while_the_workload_goes_back_to_it(database: Database, clock: FakeClock) -> None:
    story = moved(Story.on(database, clock, terminate_wait_seconds=30))
    story.region.fail(CommandKind.STANDBY_CHECK, None, times=15, on=OLD)
    back = roll_back(story)

    story.passes(60, step_seconds=STEP_SECONDS)
    during = (story.issued("terminate_instance"), story.roles[OLD])
    done = finish(story, back, 400)

    assert during == ([], "ZOMBIE")
    assert done.status is SwitchStatus.COMPLETED
    assert story.roles[OLD] == "PRIMARY"


@pytest.mark.parametrize("kind", [CommandKind.STANDBY_CHECK, CommandKind.MOVE_ADDRESS, CommandKind.START_SERVING])
def test_a_step_that_fails_on_the_old_instance_leaves_the_workload_where_it_was(story: Story, kind: CommandKind) -> None:
    story.region.fail(kind, "check_failed", times=9, on=OLD)

    back = roll_back(story)
    done = finish(story, back, 400)

    assert done.status is SwitchStatus.ROLLED_BACK
    assert (story.region.serving, story.region.address_of[ADDRESS]) == ([NEW], NEW)
    assert story.roles == {OLD: "ZOMBIE", NEW: "PRIMARY"}
    assert story.region.violations == []


def test_after_a_way_back_that_failed_the_old_instance_waits_anew_before_it_is_retired(database: Database, clock: FakeClock) -> None:
    story = moved(Story.on(database, clock, terminate_wait_seconds=60))
    story.passes(50)
    story.region.fail(CommandKind.STANDBY_CHECK, "check_failed", on=OLD)
    finish(story, roll_back(story))

    story.passes(40)
    before = story.issued("terminate_instance")
    story.settles(200)

    assert (before, story.issued("terminate_instance")) == ([], [NEW])
    assert story.roles == {OLD: "TERMINATED", NEW: "PRIMARY"}


def test_a_kept_instance_that_could_not_start_is_still_listed_as_kept_and_never_ended(database: Database, clock: FakeClock) -> None:
    story = moved(Story.on(database, clock, terminate_wait_seconds=20, auto_terminate_enabled=False))
    story.passes(60)
    story.region.fail(CommandKind.START_SERVING, "check_failed", times=9, on=OLD)
    story.region.fail(CommandKind.DEMOTE, None, times=1, on=OLD)

    back = roll_back(story)
    done = finish(story, back, 900)

    assert done.status is SwitchStatus.ROLLED_BACK
    assert story.fleet.instance(story.agent, OLD).is_retained
    assert story.issued("terminate_instance") == []
    assert (story.region.serving, story.region.violations) == ([NEW], [])


def test_a_notice_for_the_old_instance_on_the_way_back_takes_the_way_back_back(story: Story) -> None:
    story.region.fail(CommandKind.STANDBY_CHECK, None, on=OLD)
    back = roll_back(story)
    story.passes(4)

    story.notice(OLD, lead_seconds=120)
    done = finish(story, back)

    assert done.status is SwitchStatus.ROLLED_BACK
    assert (story.region.serving, story.roles[NEW]) == ([NEW], "PRIMARY")


def test_a_way_back_can_itself_be_gone_back_on(story: Story) -> None:
    back = roll_back(story)
    finish(story, back)

    forth = roll_back(story, "rollback-2", switch=back)

    assert finish(story, forth).status is SwitchStatus.COMPLETED
    assert (story.region.serving, story.roles) == ([NEW], {OLD: "ZOMBIE", NEW: "PRIMARY"})
    assert story.region.violations == []


def test_answers_that_are_lost_change_nothing_but_the_time_that_it_takes(story: Story) -> None:
    for kind in (CommandKind.STANDBY_CHECK, CommandKind.QUIESCE, CommandKind.MOVE_ADDRESS, CommandKind.START_SERVING):
        story.region.fail(kind, None, takes_effect=True)

    back = roll_back(story)

    assert finish(story, back, 600).status is SwitchStatus.COMPLETED
    assert (story.region.serving, story.region.violations) == ([OLD], [])


@pytest.mark.parametrize("dying", [OLD, NEW])
def test_when_either_instance_is_lost_on_the_way_one_of_them_serves_in_the_end(story: Story, dying: str) -> None:
    story.add_image("ami-good")
    back = roll_back(story)
    story.passes(60, until=lambda: bool(story.region.kinds(CommandKind.QUIESCE)[1:]))

    story.notice(dying, InterruptionKind.TERMINATE, lead_seconds=60)
    story.passes(300, until=lambda: story.active() is None and dying not in story.region.serving)

    assert len(story.region.serving) == 1
    assert story.region.serving != [dying]
    assert story.reload(back).status is not SwitchStatus.RUNNING
    assert story.region.violations == []


def test_from_the_newest_image_made_before_the_move_a_new_instance_is_launched(database: Database, clock: FakeClock) -> None:
    story = moved(Story.on(database, clock, carry="image_after_quiesce", terminate_wait_seconds=20))
    first = story.newest_image()
    story.settles(300)
    story.add_image("ami-later")

    plan = preview(story, WayBack.LAST_GOOD_IMAGE)
    with pytest.raises(MoveRefused, match="would be lost"):
        roll_back(story, to=WayBack.LAST_GOOD_IMAGE)
    back = roll_back(story, to=WayBack.LAST_GOOD_IMAGE, accepts=Accepted(loss=True))
    done = finish(story, back, 400)

    assert first is not None
    assert (plan.image_id, plan.to_instance_id, plan.loses_writes_since) == (first.image_id, None, first.started_at)
    assert (done.status, done.image_id, done.loses_writes_since) == (SwitchStatus.COMPLETED, first.image_id, first.started_at)
    assert story.region.serving == ["i-3"]
    assert story.payloads("launch_instance")[-1]["image_id"] == first.image_id
