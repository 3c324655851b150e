"""Several traffic handles in one move: each a part of its own, whatever happens between two of them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.story import ADDRESS, ZONES, Story
from spot_server.db.runner import Database
from spot_server.db.tables import notifications
from spot_server.errors import MoveRefused
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches import service as switch_service
from spot_server.features.switches.queries import Step, Switch
from spot_server.words import CommandKind, StepName, StepStatus, SwitchStatus

GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop/1"
RECORD = "www.example.com"
HOOK = "ldap"
TARGET: dict[str, Any] = {"kind": "target_group", "target_group_arn": GROUP, "port": None}
NAME: dict[str, Any] = {"kind": "route53_record", "hosted_zone_id": "Z1", "record_name": RECORD, "address": "public", "ttl_seconds": 60}
OWN: dict[str, Any] = {"kind": "hook", "name": HOOK, "bound_seconds": 30}
PRIVATE: dict[str, Any] = {"kind": "secondary_private_ip", "private_ip": "10.0.0.200"}
HANDLES = [{"kind": "elastic_ip", "allocation_id": ADDRESS}, TARGET, NAME, OWN]
MOVED = [GROUP, RECORD, HOOK]


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    made = Story.on(database, clock, traffic_handles=HANDLES, terminate_wait_seconds=60)
    made.region.traffic.holders = dict.fromkeys(MOVED, "i-1")
    return made


def parts(story: Story, switch: Switch, name: StepName) -> list[Step]:
    listed = story.database.read(lambda tx: switch_queries.list_steps(tx, switch.switch_id))
    return [step for step in listed if step.name is name]


def told(story: Story, kind: str) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))


def assert_all_lead_to(story: Story, instance_id: str) -> None:
    assert story.region.address_of[ADDRESS] == instance_id
    assert story.region.traffic.holders == dict.fromkeys(MOVED, instance_id)
    assert story.region.violations == []


def test_a_move_takes_every_handle_along_in_the_order_of_the_settings(story: Story) -> None:
    switch = story.switch()
    story.settles(600)

    traffic, confirm = parts(story, switch, StepName.TRAFFIC), parts(story, switch, StepName.CONFIRM)
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert_all_lead_to(story, "i-2")
    assert story.region.traffic.moves == [(name, "i-2") for name in MOVED]
    assert [(step.part, step.status) for step in traffic] == [(part, StepStatus.DONE) for part in range(4)]
    assert [(step.part, step.status) for step in confirm] == [(part, StepStatus.DONE) for part in (1, 2, 3)]


def test_the_time_to_live_of_a_record_is_announced_and_counted_as_downtime(story: Story) -> None:
    preview = story.database.read(lambda tx: switch_service.preview(tx, story.fleet.client_id, story.agent_id, {}))
    switch = story.switch()
    story.passes(120, until=lambda: story.reload(switch).status is SwitchStatus.COMPLETED)

    done = story.reload(switch)
    assert preview.handle_seconds == 60
    assert done.downtime_seconds is not None
    assert done.serving_at is not None
    assert done.quiesced_at is not None
    assert done.downtime_seconds > (done.serving_at - done.quiesced_at).total_seconds()
    assert 60 <= done.downtime_seconds < 75


@pytest.mark.parametrize("kind", [CommandKind.MOVE_TARGET, CommandKind.MOVE_RECORD, CommandKind.TRAFFIC_HOOK])
def test_a_handle_that_cannot_be_moved_has_all_of_them_taken_back_the_last_first(story: Story, kind: CommandKind) -> None:
    story.region.fail(kind, "refused")
    switch = story.switch()
    story.settles(600)

    forward = [name for name, instance_id in story.region.traffic.moves if instance_id == "i-2"]
    back = [name for name, instance_id in story.region.traffic.moves if instance_id == "i-1"]
    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert_all_lead_to(story, "i-1")
    assert story.region.serving == ["i-1"]
    assert back[-len(forward) :] == forward[::-1] if forward else True


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize("kind", [CommandKind.MOVE_ADDRESS, CommandKind.MOVE_TARGET, CommandKind.MOVE_RECORD, CommandKind.TRAFFIC_HOOK])
def test_an_answer_that_is_lost_between_two_handles_moves_none_of_the_others_again(
    story: Story, kind: CommandKind, takes_effect: bool
) -> None:
    story.region.fail(kind, None, takes_effect=takes_effect)
    switch = story.switch()
    story.settles(900)

    attempts = {story.region.traffic.moves.count((name, "i-2")) for name in MOVED}
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert_all_lead_to(story, "i-2")
    assert max(attempts) <= 2
    assert sum(step.attempt for step in parts(story, switch, StepName.TRAFFIC)) <= 5


def test_a_handle_that_is_throttled_is_tried_again_and_the_others_are_not(story: Story) -> None:
    story.region.fail(CommandKind.MOVE_RECORD, "throttled")
    switch = story.switch()
    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert [step.attempt for step in parts(story, switch, StepName.TRAFFIC)] == [1, 1, 2, 1]
    assert_all_lead_to(story, "i-2")


def test_a_cancelled_move_takes_back_the_handles_that_had_moved(story: Story) -> None:
    switch = story.switch()
    story.passes(120, until=lambda: len(story.region.traffic.moves) == 1, step_seconds=0.5)
    story.cancel(switch)
    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.CANCELLED
    assert_all_lead_to(story, "i-1")
    assert story.region.serving == ["i-1"]


def test_a_target_that_is_never_healthy_keeps_the_old_instance_and_a_person_is_told_once(story: Story) -> None:
    story.region.traffic.unhealthy.add("i-2")
    switch = story.switch()
    story.passes(1200, step_seconds=20)

    (confirm,) = [step for step in parts(story, switch, StepName.CONFIRM) if step.part == 1]
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.region.serving == ["i-2"]
    assert story.region.machines["i-1"].state == "running"
    assert (confirm.status, (confirm.outcome or {})["note"].startswith("asked again")) == (StepStatus.RUNNING, True)
    assert len(told(story, "handle_not_confirmed")) == 1


def test_the_old_instance_goes_once_the_target_is_healthy_at_last(story: Story) -> None:
    story.region.traffic.unhealthy.add("i-2")
    switch = story.switch()
    story.passes(600, step_seconds=20)
    story.region.traffic.unhealthy.clear()

    story.settles(3600, step_seconds=20)

    assert story.region.machines["i-1"].state == "terminated"
    assert {step.status for step in parts(story, switch, StepName.CONFIRM)} == {StepStatus.DONE}


def test_another_move_answers_for_the_handles_of_one_that_was_never_confirmed(story: Story) -> None:
    story.region.traffic.unhealthy.add("i-2")
    first = story.switch()
    story.passes(300, until=lambda: story.reload(first).status is SwitchStatus.COMPLETED)

    second = story.switch("request-2")
    story.settles(7200, step_seconds=10)

    assert story.reload(second).status is SwitchStatus.COMPLETED
    assert {step.status for step in parts(story, first, StepName.CONFIRM)} <= {StepStatus.DONE, StepStatus.SKIPPED}
    assert parts(story, first, StepName.CONFIRM)[0].status is StepStatus.SKIPPED
    assert_all_lead_to(story, "i-3")


def test_a_rescue_goes_on_without_a_handle_that_cannot_be_moved_and_says_so(story: Story) -> None:
    story.add_image("ami-good")
    story.region.fail(CommandKind.MOVE_RECORD, "refused", times=100)
    story.notice(lead_seconds=120)
    story.settles(900)

    (switch,) = story.switches()
    assert switch.status is SwitchStatus.COMPLETED
    assert story.region.serving == ["i-2"]
    assert story.region.traffic.holders[GROUP] == story.region.traffic.holders[HOOK] == "i-2"
    assert parts(story, switch, StepName.TRAFFIC)[2].status is StepStatus.SKIPPED
    assert parts(story, switch, StepName.CONFIRM)[1].status is StepStatus.SKIPPED
    assert len(told(story, "handle_left_behind")) == 1


def test_a_secondary_address_keeps_moves_in_its_zone_and_says_why(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, traffic_handles=[PRIVATE], terminate_wait_seconds=60)

    with pytest.raises(MoveRefused) as refused:
        story.switch(az_id=ZONES[1])
    switch = story.switch("request-2")
    story.settles(600)

    assert "the secondary private IP 10.0.0.200 binds the agent to use1-az1" in str(refused.value.extensions)
    assert story.reload(switch).to_az_id == ZONES[0]
    assert story.region.traffic.holders == {"10.0.0.200": "i-2"}


def test_a_termination_names_every_handle_that_must_not_lead_there(story: Story) -> None:
    story.switch()
    story.settles(900, step_seconds=10)

    (payload,) = story.payloads(CommandKind.TERMINATE_INSTANCE)
    assert payload["handle_allocation_ids"] == [ADDRESS]
    assert payload["handles"] == [TARGET, NAME]
