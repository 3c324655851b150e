"""Guards of what is spent: a launch too many is held back and told, a rescue never; what runs beside its primary for long is told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.story import TYPES, ZONES, Story
from spot_server.db.runner import Database
from spot_server.db.tables import events, notifications
from spot_server.errors import MoveRefused
from spot_server.features.cooldowns.queries import PoolKey
from spot_server.features.cooldowns.service import note_shortage
from spot_server.features.replicas import service
from spot_server.features.spending.jobs import watch_overlaps
from spot_server.features.spending.rules import Guard, Spending, SpendingLimits, bite
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import CommandKind, ReplicaKind, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


def limit(story: Story, **limits: Any) -> None:
    story.database.policy = replace(story.database.policy, **limits)


def ask(story: Story, request_id: str) -> None:
    """A person asks for a standby."""
    act = service.request_replica
    story.database.write(lambda tx: act(tx, story.fleet.client_id, story.agent_id, request_id=request_id, user_id="tester", wish={}))


def told(story: Story) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "spending_guard"))


def bitten(story: Story) -> list[dict[str, Any]]:
    return story.fleet.scalars(select(events.c.data).where(events.c.kind == "spending_guard_bit"))


def test_a_replica_too_many_waits_until_another_has_ended_and_is_told_once(story: Story) -> None:
    limit(story, spending_replica_count=1)
    ask(story, "request-1")
    story.gets_ready()
    ask(story, "request-2")
    story.passes(60)
    before, messages = len(story.region.launched_by_token), told(story)
    first = story.replicas()[0]

    retire = service.retire_replica
    story.database.write(lambda tx: retire(tx, story.fleet.client_id, story.agent_id, first.replica_id, user_id="tester", reason="enough"))
    story.passes(60)

    assert before == 1
    assert len(messages) == len(bitten(story)) == 1
    assert "the most is 1" in messages[0]
    assert bitten(story)[0]["guard"] == Guard.MOST_REPLICAS
    assert len(story.region.launched_by_token) == 2


def test_a_launch_too_many_in_an_hour_fails_its_replica_at_last_with_the_reason(story: Story) -> None:
    limit(story, spending_launches_per_hour=1)
    ask(story, "request-1")
    story.gets_ready()

    ask(story, "request-2")
    story.passes(1000, step_seconds=20)

    second = next(replica for replica in story.replicas() if replica.request_id == "request-2")
    assert second.status is ReplicaStatus.FAILED
    assert "spending guard launches_per_hour" in second.status_reason
    assert len(story.region.launched_by_token) == 1


def test_in_the_next_hour_there_is_room_again(story: Story) -> None:
    limit(story, spending_launches_per_hour=1)
    ask(story, "request-1")
    story.gets_ready()
    story.passes(3600, step_seconds=60)

    ask(story, "request-2")
    story.passes(60)

    assert len(story.region.launched_by_token) == 2
    assert told(story) == []


def test_what_ec2_refused_costs_nothing_and_does_not_count(story: Story) -> None:
    limit(story, spending_launches_per_hour=1)
    story.region.refuse("spot/m5.large/use1-az2")
    story.region.refuse("spot/m5.large/use1-az4")

    ask(story, "request-1")
    story.gets_ready()

    assert told(story) == []
    assert len(story.region.launched_by_token) == 1


def test_a_switch_that_would_be_held_back_is_refused_before_anything_is_touched(story: Story) -> None:
    limit(story, spending_launches_per_hour=0)

    with pytest.raises(MoveRefused, match="spending guard launches_per_hour: 0 instances were launched within the hour, and the most is 0"):
        story.switch()

    assert story.switches() == []


def test_a_guard_that_bites_during_the_move_leaves_the_old_primary_in_place(story: Story) -> None:
    story.region.fail(CommandKind.LAUNCH_INSTANCE, "capacity", times=1)
    story.switch()
    limit(story, spending_launches_per_hour=0)
    story.passes(1000, step_seconds=20)

    assert story.switches()[0].status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]
    assert story.region.launched_by_token == {}


def nothing_may_be_launched(story: Story) -> None:
    limit(story, spending_launches_per_hour=0)


def every_pool_cools_down(story: Story) -> None:
    for instance_type in TYPES:
        for az_id in ZONES:
            story.database.write(partial(note_shortage, pool=PoolKey("us-east-1", az_id, instance_type), code="capacity"))


@pytest.mark.parametrize("what_happens", [nothing_may_be_launched, every_pool_cools_down])
def test_a_workload_that_stands_still_for_its_image_does_not_wait_for_a_launch_that_cannot_be(
    database: Database, clock: FakeClock, what_happens: Callable[[Story], None]
) -> None:
    story = Story.on(database, clock, has_image=True, carry="image_after_quiesce")
    switch = story.switch(mode="spot")
    story.passes(60, until=lambda: story.steps(switch)[StepName.IMAGE].status is StepStatus.RUNNING)
    what_happens(story)

    story.passes(120, until=lambda: story.region.serving == ["i-1"])

    assert story.reload(switch).failed_step is StepName.LAUNCH
    assert story.region.serving == ["i-1"]
    assert story.region.launched_by_token == {}


def test_a_rescue_is_launched_whatever_was_spent(story: Story) -> None:
    limit(story, spending_launches_per_hour=0)

    story.notice(lead_seconds=120)
    story.settles(400)

    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert len(story.region.serving) == 1
    assert story.replicas()[0].kind is ReplicaKind.EMERGENCY
    assert told(story) == []


@given(st.integers(0, 10), st.integers(0, 50), st.integers(1, 10), st.integers(0, 50))
def test_there_is_room_exactly_below_both_bounds(live: int, launched: int, most: int, per_hour: int) -> None:
    found = bite(Spending(live, launched), SpendingLimits(most, per_hour))

    assert (found is None) == (live < most and launched < per_hour)


def watch(story: Story) -> str:
    return watch_overlaps(JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger()))


def days_pass(story: Story, days: float) -> None:
    story.clock.advance(days * 86400)


def test_an_old_primary_that_is_kept_is_told_of_after_a_day_and_only_once(story: Story) -> None:
    story.set_agent(auto_terminate_enabled=False)
    story.switch()
    story.settles(300)
    days_pass(story, 0.9)
    early = watch(story)
    days_pass(story, 0.2)

    sentences = [watch(story) for _ in range(3)]

    (text,) = told(story)
    assert early == ""
    assert [bool(sentence) for sentence in sentences] == [True, False, False]
    assert "i-1 (ZOMBIE) has run beside the primary" in text
    assert "26 hours" in text
    assert story.region.machines["i-1"].state == "running"


def test_a_standby_that_somebody_wants_may_stay_and_the_primary_is_no_overlap(story: Story) -> None:
    ask(story, "request-1")
    story.gets_ready()
    days_pass(story, 10)

    assert watch(story) == ""
    assert told(story) == []


def test_a_replica_that_was_made_to_move_and_stays_is_told_of(story: Story) -> None:
    launched = story.fleet.replica_in_place(story.agent)
    days_pass(story, 2)

    watch(story)

    assert launched.replica_id
    assert story.roles["i-2"] == Role.REPLICA
    assert len(told(story)) == 1
