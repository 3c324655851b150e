"""A notice: what there is is used, what there is not is launched, and the workload goes on elsewhere."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.story import ADDRESS, TYPES, ZONES, Story
from spot_server.db.runner import Database
from spot_server.db.tables import notifications, spot_interruption_events
from spot_server.words import (
    CommandKind,
    InterruptionKind,
    ReplicaKind,
    ReplicaStatus,
    StepName,
    StepStatus,
    SwitchStatus,
    SwitchTrigger,
)


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, terminate_wait_seconds=60)


def with_standby(story: Story) -> Story:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.gets_ready()
    return story


def assert_rescued(story: Story, to: str = "i-2") -> None:
    assert story.region.serving == [to]
    assert story.region.address_of[ADDRESS] == to
    assert story.roles[to] == "PRIMARY"
    assert story.region.violations == []


def test_a_notice_with_a_replica_that_is_ready_hands_over_before_the_instance_goes(story: Story) -> None:
    with_standby(story)

    taken = story.notice(lead_seconds=120)
    story.passes(60, until=lambda: story.active() is None)

    switch = story.switches()[0]
    assert taken.event.response == "handover"
    assert (switch.status, switch.trigger) == (SwitchStatus.COMPLETED, SwitchTrigger.NOTICE)
    assert story.steps(switch)[StepName.QUIESCE].status is StepStatus.DONE
    assert story.region.machines["i-1"].state == "running"
    assert_rescued(story)


def test_a_notice_with_a_replica_on_its_way_waits_for_that_one(story: Story) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.step()

    taken = story.notice()
    story.settles(300)

    assert taken.event.response == "launch_replica"  # it has no instance yet
    assert len({machine for machine in story.region.machines if machine != "i-1"}) >= 1
    assert story.switches()[0].replica_id == story.replicas()[0].replica_id
    assert_rescued(story)


def test_a_notice_without_a_replica_launches_from_the_newest_image_and_never_makes_one(story: Story) -> None:
    taken = story.notice()
    story.settles(400)

    replica = story.replicas()[0]
    assert taken.event.response == "launch_replica"
    assert (replica.kind, replica.image_id, replica.status) == (ReplicaKind.EMERGENCY, "ami-good", ReplicaStatus.PROMOTED)
    assert [payload["image_name"] for payload in story.payloads("create_image") if "-final-" not in payload["image_name"]] == []
    assert story.region.kinds(CommandKind.SALVAGE_VOLUMES) == ["i-1"]
    assert_rescued(story)


@pytest.mark.parametrize(("carry", "is_kept"), [("stateless", False), ("volume", False), ("rsync", True), ("hook", True)])
def test_the_old_root_outlives_its_instance_only_where_state_may_be_on_it(
    database: Database, clock: FakeClock, carry: str, *, is_kept: bool
) -> None:
    story = Story.on(database, clock, carry=carry, has_image=True)

    story.notice()
    story.settles(60)

    assert story.payloads("salvage_volumes")[0]["keep_root"] is is_kept


def test_a_rescue_without_capacity_tries_the_next_pools_and_then_on_demand(story: Story) -> None:
    for zone in ZONES:
        for kind in TYPES:
            story.region.refuse(f"spot/{kind}/{zone}")

    story.notice()
    story.settles(400)

    machine = story.region.machines["i-2"]
    assert machine.mode == "on_demand"
    assert machine.az_id != "use1-az1"
    assert_rescued(story)


def test_the_last_resort_of_a_rescue_is_on_demand_beside_the_old_instance(story: Story) -> None:
    story.set_agent(
        allowed_instance_types=["m5.large"],
        launch_specification={"vpc_id": "vpc-1", "subnets": {"use1-az1": "subnet-1"}, "security_group_ids": []},
    )

    story.notice()
    story.settles(400)

    assert (story.region.machines["i-2"].mode, story.region.machines["i-2"].az_id) == ("on_demand", "use1-az1")
    assert_rescued(story)


def test_a_rescue_with_nowhere_to_go_says_so_at_once(story: Story) -> None:
    for zone in ZONES:
        for kind in TYPES:
            story.region.refuse(f"spot/{kind}/{zone}")
            story.region.refuse(f"on_demand/{kind}/{zone}")

    story.notice()
    story.settles(100)

    kinds = story.fleet.scalars(select(notifications.c.severity).where(notifications.c.kind == "switch_failed"))
    assert [switch.status for switch in story.switches()] == [SwitchStatus.FAILED] * 3
    assert kinds == ["critical"]
    assert story.active() is None


def test_a_notice_for_an_agent_that_has_nothing_to_launch_from_is_told_at_once(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce")

    story.notice()

    assert story.switches()[0].status is SwitchStatus.FAILED
    assert "image" in (story.switches()[0].failure or "")
    assert story.region.serving == ["i-1"]


def test_a_rescue_whose_replica_is_lost_on_the_way_makes_another(story: Story) -> None:
    story.notice()
    story.passes(60, until=lambda: "i-2" in story.roles)
    story.region.lose("i-2")
    story.notice("i-2", lead_seconds=0.0)

    story.settles(600)

    assert [switch.status for switch in story.switches()] == [SwitchStatus.FAILED, SwitchStatus.COMPLETED]
    assert_rescued(story, "i-3")


def test_an_old_instance_that_does_not_confirm_is_waited_out_before_another_serves(story: Story) -> None:
    with_standby(story)
    story.region.fail(CommandKind.QUIESCE, None, times=99)

    story.notice(lead_seconds=60)
    story.passes(50)
    serving_before = story.region.serving
    story.settles(300)

    switch = story.switches()[0]
    assert serving_before == ["i-1"]
    assert story.steps(switch)[StepName.FENCE].status is StepStatus.DONE
    assert switch.status is SwitchStatus.COMPLETED
    assert_rescued(story)


def test_an_instance_that_outlives_its_notice_is_terminated_by_us_if_auto_terminate_is_on(story: Story) -> None:
    with_standby(story)
    story.region.fail(CommandKind.QUIESCE, None, times=99)
    story.notice(lead_seconds=60)
    story.region.machines["i-1"].taken_away_at = None

    story.settles(400)

    assert story.region.kinds(CommandKind.TERMINATE_INSTANCE) == ["i-2"]
    assert_rescued(story)


@pytest.mark.parametrize("action", [InterruptionKind.TERMINATE, InterruptionKind.STOP])
def test_with_auto_terminate_off_the_fence_waits_for_ec2_and_terminates_nothing(story: Story, action: InterruptionKind) -> None:
    with_standby(story)
    story.set_agent(auto_terminate_enabled=False)
    story.notice(kind=action, lead_seconds=60)
    story.region.machines["i-1"].taken_away_at = None
    story.region.machines["i-1"].has_daemon = False
    story.passes(300)
    still_serving = story.region.serving
    story.region.lose("i-1")

    story.settles(300)

    assert still_serving == ["i-1"]
    assert story.issued("terminate_instance") == []
    assert_rescued(story)


def test_an_instance_that_is_stopped_and_not_terminated_is_kept_with_auto_terminate_off(story: Story) -> None:
    with_standby(story)
    story.set_agent(auto_terminate_enabled=False)
    story.notice(kind=InterruptionKind.STOP, lead_seconds=30)

    story.settles(400)

    switch = story.switches()[0]
    old = story.fleet.instance(story.agent, "i-1")
    assert story.steps(switch)[StepName.RETIRE].status is StepStatus.SKIPPED
    assert old.is_retained
    assert story.issued("terminate_instance") == []
    assert_rescued(story)


def test_repeats_and_both_endpoints_make_one_event_and_one_replica(story: Story) -> None:
    first = story.notice(notice_id="notice-1")
    again = story.notice(notice_id="notice-1")
    other_endpoint = story.notice(notice_id="notice-1", lead_seconds=None)

    events = story.fleet.scalars(select(spot_interruption_events.c.report_count))
    assert (first.is_new, again.is_new, other_endpoint.is_new) == (True, False, False)
    assert first.event.event_id == again.event.event_id == other_endpoint.event.event_id
    assert events == [3]
    assert len(story.replicas()) == len(story.switches()) == 1


def test_a_report_without_the_end_assumes_two_minutes_until_one_names_it(story: Story) -> None:
    first = story.notice(notice_id="notice-1", lead_seconds=None)
    named = story.notice(notice_id="notice-1", lead_seconds=90.0)

    now = story.clock.now()
    running = story.active()
    assert first.event.action_at == now + timedelta(seconds=120)
    assert named.event.action_at == now + timedelta(seconds=90)
    assert running is not None
    assert running.deadline_at == now + timedelta(seconds=90)


def test_a_notice_on_a_standby_replaces_the_standby_and_leaves_the_primary_alone(story: Story) -> None:
    with_standby(story)

    taken = story.notice("i-2", lead_seconds=20)
    story.passes(120)

    assert taken.event.response == "replace_standby"
    assert [replica.status for replica in story.replicas()] == [ReplicaStatus.FAILED, ReplicaStatus.READY]
    assert story.roles == {"i-1": "PRIMARY", "i-2": "TERMINATED", "i-3": "REPLICA"}
    assert story.region.serving == ["i-1"]
    assert story.switches() == []


def test_a_notice_for_a_disabled_agent_is_recorded_and_nothing_is_moved(story: Story) -> None:
    story.set_agent(enabled=False)

    taken = story.notice()

    assert taken.event.response == "observe_only"
    assert story.switches() == []
    assert story.replicas() == []


def test_the_daemon_that_reports_a_notice_is_given_the_launch_though_its_heartbeats_were_not_heard_for_long(story: Story) -> None:
    story.region.machines["i-1"].has_daemon = False
    story.passes(300)

    story.notice()

    assert story.issued("launch_instance") == ["i-1"]
