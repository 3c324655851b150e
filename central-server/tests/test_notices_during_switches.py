"""A notice in the middle of a planned switch: the switch becomes the rescue, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from server_support.clock import FakeClock
from server_support.story import ADDRESS, Story
from spot_server.db.runner import Database
from spot_server.words import CommandKind, ReplicaKind, ReplicaStatus, StepName, StepStatus, SwitchStatus, SwitchTrigger

ALWAYS = 99
COMMANDS: dict[StepName, CommandKind] = {
    StepName.IMAGE: CommandKind.CREATE_IMAGE,
    StepName.LAUNCH: CommandKind.LAUNCH_INSTANCE,
    StepName.PREPARE: CommandKind.STANDBY_CHECK,
    StepName.QUIESCE: CommandKind.QUIESCE,
    StepName.TRAFFIC: CommandKind.MOVE_ADDRESS,
    StepName.START: CommandKind.START_SERVING,
}


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, terminate_wait_seconds=60)


def has_begun(story: Story, step: StepName) -> Callable[[], bool]:
    return lambda: bool(story.issued(COMMANDS[step]))


def assert_rescued(story: Story) -> None:
    primary = next(instance_id for instance_id, role in story.roles.items() if role == "PRIMARY")
    assert primary != "i-1"
    assert story.region.serving == [primary]
    assert story.region.address_of[ADDRESS] == primary
    assert story.region.machines["i-1"].state == "terminated"
    assert story.region.violations == []


@pytest.mark.parametrize("step", list(COMMANDS))
@pytest.mark.parametrize("carry", ["stateless", "image_after_quiesce"])
def test_the_switch_is_adopted_at_whatever_step_it_stands(story: Story, step: StepName, carry: str) -> None:
    story.set_agent(carry=carry)
    switch = story.switch()
    story.passes(120, until=has_begun(story, step))

    taken = story.notice(lead_seconds=60)
    story.settles(400)

    adopted = story.reload(switch)
    assert taken.event.switch_id == switch.switch_id
    assert (adopted.status, adopted.trigger) == (SwitchStatus.COMPLETED, SwitchTrigger.NOTICE)
    assert len(story.switches()) == 1
    assert_rescued(story)


@pytest.mark.parametrize("step", [step for step in COMMANDS if step is not StepName.LAUNCH])
def test_a_step_whose_answer_is_lost_with_the_old_instance_does_not_stop_the_rescue(story: Story, step: StepName) -> None:
    on_old = step in {StepName.IMAGE, StepName.QUIESCE}
    story.region.fail(COMMANDS[step], None, on="i-1" if on_old else None, times=ALWAYS if on_old else 1)
    story.switch()
    story.passes(120, until=has_begun(story, step))

    story.notice(lead_seconds=30)
    story.settles(600)

    assert_rescued(story)


def test_a_launch_that_only_the_lost_instance_could_have_asked_for_is_waited_for_and_then_told(story: Story) -> None:
    story.region.fail(CommandKind.LAUNCH_INSTANCE, None, on="i-1", times=ALWAYS)
    story.switch()
    story.passes(120, until=has_begun(story, StepName.LAUNCH))

    story.notice(lead_seconds=30)
    story.settles(6000, step_seconds=30)

    assert story.region.serving == []
    assert [switch.status for switch in story.switches()] == [SwitchStatus.FAILED] * 3


def test_an_image_that_takes_too_long_is_not_waited_for(story: Story) -> None:
    story.region.fail(CommandKind.CREATE_IMAGE, None, times=ALWAYS)
    switch = story.switch()
    story.passes(60, until=has_begun(story, StepName.IMAGE))

    story.notice()
    story.settles(400)

    assert story.steps(switch)[StepName.IMAGE].status is StepStatus.SKIPPED
    assert story.reload(switch).image_id == "ami-good"
    assert_rescued(story)


def test_what_a_person_asked_for_does_not_hold_up_the_rescue(story: Story) -> None:
    story.region.refuse("spot/m5.large/use1-az2")
    story.region.fail(CommandKind.LAUNCH_INSTANCE, None)
    switch = story.switch(mode="spot", instance_type="m5.large", az_id="use1-az2")
    story.passes(60, until=has_begun(story, StepName.LAUNCH))

    story.notice()
    story.settles(400)

    replica = story.replicas()[0]
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert (replica.kind, replica.status) == (ReplicaKind.EMERGENCY, ReplicaStatus.PROMOTED)
    assert_rescued(story)


def test_a_switch_that_is_being_taken_back_before_the_promotion_gives_way_to_a_rescue(story: Story) -> None:
    story.region.fail(CommandKind.QUIESCE, "hook_failed")
    story.region.fail(CommandKind.START_SERVING, None, on="i-1", times=ALWAYS)
    switch = story.switch()
    story.passes(120, until=lambda: story.reload(switch).status is SwitchStatus.ROLLING_BACK)

    story.notice(lead_seconds=60)
    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.FAILED
    assert story.switches()[1].status is SwitchStatus.COMPLETED
    assert story.switches()[1].replica_id == story.replicas()[0].replica_id
    assert_rescued(story)


def test_a_switch_that_is_being_taken_back_after_the_promotion_goes_forward_again(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-2")
    story.region.fail(CommandKind.DEMOTE, None, on="i-2")
    switch = story.switch()
    story.passes(120, until=lambda: story.reload(switch).status is SwitchStatus.ROLLING_BACK)

    story.notice(lead_seconds=60)
    story.settles(400)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.reload(switch).failure is None
    assert_rescued(story)


def test_a_notice_on_the_new_side_before_the_promotion_takes_the_switch_back(story: Story) -> None:
    story.region.fail(CommandKind.STANDBY_CHECK, None)
    switch = story.switch()
    story.passes(120, until=has_begun(story, StepName.PREPARE))

    story.notice("i-2", lead_seconds=20)
    story.settles(300)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]
    assert story.roles == {"i-1": "PRIMARY", "i-2": "TERMINATED"}


def test_a_notice_on_the_new_side_after_the_promotion_goes_back_to_the_old_one(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, None, on="i-2", times=ALWAYS)
    switch = story.switch()
    story.passes(120, until=has_begun(story, StepName.START))

    taken = story.notice("i-2", lead_seconds=60)
    story.settles(400)

    assert taken.event.switch_id == switch.switch_id
    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]
    assert story.roles == {"i-1": "PRIMARY", "i-2": "TERMINATED"}
    assert story.agent.epoch == 3
    assert story.region.violations == []


def test_notices_on_both_sides_of_a_handover_move_the_workload_to_a_third_instance(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, None, on="i-2", times=ALWAYS)
    switch = story.switch()
    story.passes(120, until=has_begun(story, StepName.START))

    story.notice("i-1", lead_seconds=60)
    story.notice("i-2", lead_seconds=90)
    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.FAILED
    assert story.switches()[1].status is SwitchStatus.COMPLETED
    assert story.region.serving == ["i-3"]
    assert story.region.violations == []


def test_a_new_primary_that_cannot_serve_while_the_old_one_is_gone_gives_way_to_another(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-2", times=ALWAYS)
    story.notice(lead_seconds=30)

    story.settles(900)

    assert [switch.status for switch in story.switches()] == [SwitchStatus.FAILED, SwitchStatus.COMPLETED]
    assert story.switches()[1].trigger is SwitchTrigger.FAILOVER
    assert story.region.serving == ["i-3"]
    assert story.region.violations == []
