"""A new instance is compared with the old one before a planned move touches anything, and after a rescue a person hears of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.fidelity import LIKE, UNLIKE, FidelityStory
from server_support.rescues import with_standby
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import events, notifications
from spot_server.errors import MoveRefused, RequestIdReused
from spot_server.features.switches.presenting import with_steps
from spot_server.features.switches.promotions import Accepted
from spot_server.features.switches.schemas import SwitchDetailAnswer
from spot_server.words import Carry, CommandKind, InterruptionKind, ReplicaStatus, StepName, StepStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> FidelityStory:
    return FidelityStory.like(database, clock)


def told(story: Story, kind: str) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))


def seen(story: Story, kind: str) -> list[dict[str, Any]]:
    return story.fleet.scalars(select(events.c.data).where(events.c.kind == kind))


def test_a_new_instance_that_is_like_the_old_one_is_promoted(story: FidelityStory) -> None:
    switch = story.switch()
    story.settles(200)

    done = story.reload(switch)
    assert (done.status, done.differences) == (SwitchStatus.COMPLETED, [])
    assert len(seen(story, "configuration_same")) == 1


def test_a_difference_takes_a_planned_move_back_before_anything_is_touched(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    switch = story.switch()
    story.settles(300)

    undone = story.reload(switch)
    assert undone.status is SwitchStatus.ROLLED_BACK
    assert undone.failed_step is StepName.PREPARE
    assert undone.failure is not None
    assert 'security_group_ids: ["sg-1"] before, ["sg-2"] now' in undone.failure
    assert undone.differences == [
        {"field": "security_group_ids", "old": ["sg-1"], "new": ["sg-2"]},
        {"field": "detailed_monitoring", "old": True, "new": False},
    ]
    assert story.region.kinds(CommandKind.QUIESCE) == []
    assert story.region.serving == ["i-1"]
    assert story.region.machines["i-2"].state == "terminated"
    assert [one["differences"] for one in seen(story, "configuration_differs")] == [undone.differences]


def test_the_answer_shows_the_differences_field_by_field(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    switch = story.switch()
    story.settles(300)

    answer = SwitchDetailAnswer().dump(story.database.read(lambda tx: with_steps(tx, story.reload(switch))))

    assert answer["differences"][0] == {"field": "security_group_ids", "old": ["sg-1"], "new": ["sg-2"]}
    assert answer["accepts_differences"] is False


def test_differences_that_were_accepted_are_recorded_and_block_nothing(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    switch = story.switch(accepts_differences=True)
    story.settles(200)

    done = story.reload(switch)
    assert done.status is SwitchStatus.COMPLETED
    assert len(done.differences or []) == 2


def test_the_same_request_with_another_acceptance_is_refused(story: FidelityStory) -> None:
    story.switch()

    with pytest.raises(RequestIdReused):
        story.switch(accepts_differences=True)


def test_a_move_that_stops_the_workload_first_puts_it_back_to_work_over_a_difference(story: FidelityStory) -> None:
    story.set_agent(carry=Carry.IMAGE_AFTER_QUIESCE)
    story.new_configuration = UNLIKE
    switch = story.switch()
    story.settles(400)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]


def test_nothing_is_copied_to_an_instance_that_is_not_like_the_old_one(story: FidelityStory) -> None:
    story.set_agent(carry=Carry.RSYNC)
    story.new_configuration = UNLIKE
    switch = story.switch()
    story.settles(300)

    assert story.reload(switch).failed_step is StepName.RECEIVER
    assert story.issued(CommandKind.SEND_STATE) == []


def test_a_planned_move_waits_for_the_new_sides_word_and_takes_silence_for_a_difference(story: FidelityStory) -> None:
    story.new_configuration = None
    switch = story.switch()
    story.passes(120, until=lambda: StepStatus.DONE is story.steps(switch)[StepName.BOOT].status)
    story.step()
    waiting = story.database.read(lambda tx: with_steps(tx, story.reload(switch))).waiting_reason
    story.settles(300)

    assert waiting == "EC2's word of the new instance, which is compared with the old one"
    undone = story.reload(switch)
    assert undone.status is SwitchStatus.ROLLED_BACK
    assert [one["field"] for one in undone.differences or []] == ["configuration"]


def test_a_word_that_comes_late_is_compared_like_any_other(story: FidelityStory) -> None:
    story.new_configuration = None
    switch = story.switch()
    story.passes(120, until=lambda: StepStatus.DONE is story.steps(switch)[StepName.BOOT].status)
    story.passes(20)
    story.says("i-2", LIKE)
    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.COMPLETED


def test_an_old_side_that_never_said_anything_holds_up_no_move(story: FidelityStory) -> None:
    story.says("i-1", None)
    switch = story.switch()
    story.settles(200)

    done = story.reload(switch)
    assert (done.status, done.differences) == (SwitchStatus.COMPLETED, None)


def test_a_rescue_goes_on_over_a_difference_and_says_so_loudly(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    story.notice(lead_seconds=120)
    story.passes(200)

    (switch,) = story.switches()
    assert switch.status is SwitchStatus.COMPLETED
    assert [one["field"] for one in switch.differences or []] == ["security_group_ids", "detailed_monitoring"]
    (text,) = told(story, "rescued_unlike")
    assert 'security_group_ids: ["sg-1"] before, ["sg-2"] now' in text
    assert len(seen(story, "configuration_differs")) == 1


def test_a_rescue_waits_for_no_word_of_the_new_side(story: FidelityStory) -> None:
    story.new_configuration = None
    story.notice(lead_seconds=120)
    story.passes(110)

    (switch,) = story.switches()
    assert switch.status is SwitchStatus.COMPLETED
    assert [one["field"] for one in switch.differences or []] == ["configuration"]


def test_a_notice_during_a_planned_move_takes_the_difference_along(story: FidelityStory) -> None:
    story.new_configuration = None
    switch = story.switch()
    story.passes(120, until=lambda: StepStatus.DONE is story.steps(switch)[StepName.BOOT].status)
    story.says("i-2", UNLIKE)
    story.notice(lead_seconds=120, kind=InterruptionKind.TERMINATE)
    story.passes(200)

    done = story.reload(switch)
    assert done.status is SwitchStatus.COMPLETED
    assert len(told(story, "rescued_unlike")) == 1


def test_a_standby_that_is_not_like_the_primary_is_not_promoted_unless_that_is_accepted(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    with_standby(story)
    replica_id = story.gets_ready().replica_id

    with pytest.raises(MoveRefused, match="security_group_ids") as raised:
        story.promote(replica_id)
    accepted = story.promote(replica_id, accepts=Accepted(differences=True))
    story.settles(200)

    assert raised.value.extensions["differences"][0]["field"] == "security_group_ids"
    assert story.reload(accepted).status is SwitchStatus.COMPLETED


def test_a_launch_asks_for_what_the_primary_has_now(story: FidelityStory) -> None:
    story.switch()
    story.settles(200)

    payload = story.payloads(CommandKind.LAUNCH_INSTANCE)[0]
    assert (payload["detailed_monitoring"], payload["ebs_optimized"]) == (True, True)
    assert payload["security_group_ids"] == ["sg-1"]
    (volume,) = payload["volumes"]
    assert (volume["device_name"], volume["volume_type"], volume["size_gib"]) == ("/dev/xvda", "gp3", 20)


def test_one_that_is_forced_before_its_check_is_compared_all_the_same(story: FidelityStory) -> None:
    story.new_configuration = None
    story.region.standbys_pass = False
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.passes(60, until=lambda: any(one.status is ReplicaStatus.SYNCING for one in story.replicas()))
    switch = story.promote(story.replicas()[0].replica_id, accepts=Accepted(is_forced=True))
    story.says("i-2", UNLIKE)
    story.settles(200)

    undone = story.reload(switch)
    assert (undone.status, story.region.serving) == (SwitchStatus.ROLLED_BACK, ["i-1"])
    assert [one["field"] for one in undone.differences or []] == ["security_group_ids", "detailed_monitoring"]
    assert story.region.kinds(CommandKind.QUIESCE) == []


def test_an_old_instance_that_is_unlike_by_now_is_gone_back_to_only_if_that_is_accepted(story: FidelityStory) -> None:
    story.set_agent(terminate_wait_seconds=600)
    story.switch()
    story.passes(200, until=lambda: story.active() is None)
    story.says("i-1", UNLIKE)

    with pytest.raises(MoveRefused, match="i-1 is not like the primary: security_group_ids") as raised:
        story.roll_back(story.switches()[0])
    accepted = story.roll_back(story.switches()[0], accepts=Accepted(differences=True))
    story.passes(200, until=lambda: story.active() is None)

    assert raised.value.extensions["differences"][0]["field"] == "security_group_ids"
    assert story.reload(accepted).status is SwitchStatus.COMPLETED
    assert story.region.serving == ["i-1"]
