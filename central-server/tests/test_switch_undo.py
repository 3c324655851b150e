"""A switch that cannot be finished is taken back whole: roles, epoch, handle, workload, and the new instance."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.region import Region
from server_support.story import ADDRESS, TYPES, ZONES, Story
from spot_server.db.runner import Database
from spot_server.db.tables import commands, notifications
from spot_server.words import CommandKind, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

ALWAYS = 1000


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock)


def refuse_every_place(region: Region, error_class: str) -> None:
    for zone in ZONES:
        for kind in TYPES:
            region.refuse(f"spot/{kind}/{zone}", error_class)
            region.refuse(f"on_demand/{kind}/{zone}", error_class)


def assert_all_as_before(story: Story, *, promoted: bool = False) -> None:
    switch = story.switches()[0]
    assert switch.status is SwitchStatus.ROLLED_BACK
    assert switch.active_key is None
    assert story.region.serving == ["i-1"]
    assert story.region.address_of[ADDRESS] == "i-1"
    assert story.roles["i-1"] == "PRIMARY"
    assert all(role == "TERMINATED" for instance_id, role in story.roles.items() if instance_id != "i-1")
    assert all(machine.state == "terminated" for key, machine in story.region.machines.items() if key != "i-1")
    assert story.agent.epoch == (3 if promoted else 1)
    assert all(replica.ended_at is not None for replica in story.replicas())
    assert story.region.violations == []
    assert story.fleet.scalars(select(commands.c.kind).where(commands.c.open_instance_id.is_not(None))) == []


FAILURES = [
    (CommandKind.CREATE_IMAGE, "not_authorized", StepName.IMAGE),
    (CommandKind.LAUNCH_INSTANCE, "not_authorized", StepName.LAUNCH),
    (CommandKind.STANDBY_CHECK, "check_failed", StepName.PREPARE),
    (CommandKind.QUIESCE, "hook_failed", StepName.QUIESCE),
    (CommandKind.MOVE_ADDRESS, "not_authorized", StepName.TRAFFIC),
]


@pytest.mark.parametrize(("kind", "error_class", "step"), FAILURES, ids=[str(step) for _kind, _error, step in FAILURES])
def test_a_failure_before_the_promotion_leaves_everything_as_it_was(
    story: Story, kind: CommandKind, error_class: str, step: StepName
) -> None:
    story.region.fail(kind, error_class)
    switch = story.switch()

    story.settles(300)

    assert story.reload(switch).failed_step is step
    assert_all_as_before(story)


@pytest.mark.parametrize(("kind", "error_class", "step"), FAILURES, ids=[str(step) for _kind, _error, step in FAILURES])
def test_the_same_holds_when_the_workload_was_stopped_first(
    database: Database, clock: FakeClock, kind: CommandKind, error_class: str, step: StepName
) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce", terminate_wait_seconds=60)
    story.region.fail(kind, error_class)
    switch = story.switch()

    story.settles(300)

    assert story.reload(switch).failed_step is step
    assert_all_as_before(story)


@pytest.mark.parametrize("kind", [CommandKind.STANDBY_CHECK, CommandKind.QUIESCE, CommandKind.MOVE_ADDRESS])
def test_a_step_that_is_never_answered_fails_at_its_deadline(story: Story, kind: CommandKind) -> None:
    story.region.fail(kind, None, times=ALWAYS, on="i-1" if kind is CommandKind.QUIESCE else "i-2")
    story.switch()

    story.settles(900)

    assert_all_as_before(story)


def test_an_image_that_is_never_answered_for_fails_at_its_deadline(story: Story) -> None:
    story.region.fail(CommandKind.CREATE_IMAGE, None, times=ALWAYS)
    story.switch()

    story.settles(1500, step_seconds=30)

    assert_all_as_before(story)


def test_no_capacity_anywhere_leaves_everything_as_it_was(story: Story) -> None:
    refuse_every_place(story.region, "capacity")
    switch = story.switch()

    story.settles(300)

    assert story.reload(switch).failed_step is StepName.LAUNCH
    assert story.replicas()[0].status is ReplicaStatus.FAILED
    assert_all_as_before(story)


def test_an_instance_that_never_boots_is_given_up_and_terminated(story: Story) -> None:
    story.switch()
    story.passes(60, until=lambda: "i-2" in story.region.machines)
    story.region.machines["i-2"].has_daemon = False

    story.settles(1100, step_seconds=30)

    assert_all_as_before_but_unregistered(story)


def assert_all_as_before_but_unregistered(story: Story) -> None:
    assert story.switches()[0].failed_step is StepName.BOOT
    assert_all_as_before(story)


def test_a_new_primary_that_fails_its_check_hands_everything_back(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-2")
    switch = story.switch()

    story.settles(300)

    steps = story.steps(switch)
    assert story.reload(switch).failed_step is StepName.START
    assert steps[StepName.PROMOTE].status is StepStatus.UNDONE
    assert story.region.kinds(CommandKind.MOVE_ADDRESS) == ["i-2", "i-1"]
    assert_all_as_before(story, promoted=True)


def test_the_old_side_serves_again_only_after_the_new_one_confirmed_that_it_does_not(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, None, on="i-2", takes_effect=True, times=ALWAYS)
    story.switch()

    story.settles(900)

    told = [call for call in story.region.calls if call[0] in {CommandKind.DEMOTE, CommandKind.START_SERVING}]
    assert told.index((CommandKind.DEMOTE, "i-2")) < told.index((CommandKind.START_SERVING, "i-1"))
    assert_all_as_before(story, promoted=True)


def test_a_new_primary_that_does_not_confirm_is_terminated_before_the_old_one_serves(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "hook_failed", on="i-2")
    story.region.fail(CommandKind.DEMOTE, "hook_failed", on="i-2", times=ALWAYS)
    story.region.slow_termination = True
    story.switch()

    story.settles(600)

    calls = story.region.calls
    assert calls.index((CommandKind.TERMINATE_INSTANCE, "i-1")) < calls.index((CommandKind.START_SERVING, "i-1"))
    assert (CommandKind.START_SERVING, "i-2") not in calls
    assert_all_as_before(story, promoted=True)


def test_an_undo_step_that_fails_is_tried_until_it_succeeds(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-2")
    story.region.fail(CommandKind.MOVE_ADDRESS, "throttled", on="i-1", times=3)
    story.region.fail(CommandKind.START_SERVING, "hook_failed", on="i-1", times=3)
    story.switch()

    story.settles(600)

    assert_all_as_before(story, promoted=True)


def test_the_new_instance_is_ended_only_when_all_is_back_for_the_handles_may_lead_to_it_until_then(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-2")
    story.region.fail(CommandKind.MOVE_ADDRESS, "throttled", on="i-1", times=3)
    story.switch()

    story.settles(600)

    calls = story.region.calls
    assert calls.index((CommandKind.TERMINATE_INSTANCE, "i-1")) > calls.index((CommandKind.START_SERVING, "i-1"))
    assert_all_as_before(story, promoted=True)


def test_the_client_is_told_that_a_move_was_taken_back_and_why(story: Story) -> None:
    story.region.fail(CommandKind.QUIESCE, "hook_failed")
    switch = story.switch()

    story.settles(300)

    texts = story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "switch_rolling_back"))
    assert len(texts) == 1
    assert "quiesce" in texts[0]
    assert "hook_failed" in (story.reload(switch).failure or "")


def test_a_standby_whose_handover_fails_before_the_promotion_stays_a_standby(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1)
    story.passes(60, until=lambda: any(replica.status is ReplicaStatus.READY for replica in story.replicas()))
    story.region.fail(CommandKind.MOVE_ADDRESS, "not_authorized")
    story.promote(story.replicas()[0].replica_id)

    story.settles(300)

    assert story.switches()[0].status is SwitchStatus.ROLLED_BACK
    assert [replica.status for replica in story.replicas()] == [ReplicaStatus.READY]
    assert story.roles == {"i-1": Role.PRIMARY, "i-2": Role.REPLICA}
    assert story.region.serving == ["i-1"]
    assert story.region.address_of[ADDRESS] == "i-1"


def test_an_old_instance_that_vanishes_during_an_undo_is_not_waited_for(story: Story) -> None:
    story.region.fail(CommandKind.QUIESCE, None, on="i-1", times=ALWAYS)
    story.switch()
    story.passes(60, until=lambda: bool(story.issued("quiesce")))
    story.region.lose("i-1")

    story.passes(900, until=lambda: story.region.serving != [])

    states: list[Any] = [switch.status for switch in story.switches()]
    assert states[0] is SwitchStatus.FAILED
    assert len(story.region.serving) == 1
    assert "i-1" not in story.region.serving
    assert story.region.violations == []


def test_an_address_that_cannot_be_moved_back_keeps_nobody_from_serving(story: Story) -> None:
    story.region.fail(CommandKind.MOVE_ADDRESS, "not_authorized", times=ALWAYS)
    switch = story.switch()

    story.passes(300)

    assert story.steps(switch)[StepName.QUIESCE].status is StepStatus.UNDONE
    assert story.region.serving == ["i-1"]
    assert story.region.address_of[ADDRESS] == "i-1"
    assert story.reload(switch).status is SwitchStatus.ROLLING_BACK
    assert story.region.violations == []


def test_a_switch_is_taken_back_whole_once_its_address_can_be_moved(story: Story) -> None:
    story.region.fail(CommandKind.MOVE_ADDRESS, "unreachable", times=8)
    story.switch()

    story.settles(900)

    assert_all_as_before(story)
