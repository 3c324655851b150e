"""A rebalance recommendation is a probability: a replica is had ready, and stood down when nothing comes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.agents.queries import load_agent
from spot_server.features.replicas.progress import NewReplica, create_replica
from spot_server.words import InterruptionKind, ReplicaKind, ReplicaStatus, SwitchStatus

REBALANCE = InterruptionKind.REBALANCE


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, rebalance_hold_seconds=120, terminate_wait_seconds=60)


def test_a_recommendation_makes_one_replica_elsewhere_and_moves_nothing(story: Story) -> None:
    taken = story.notice(kind=REBALANCE)
    replica = story.gets_ready()

    assert taken.event.response == "hold"
    assert taken.event.replica_id == replica.replica_id
    assert replica.kind is ReplicaKind.EMERGENCY
    assert replica.az_id != "use1-az1"
    assert story.switches() == []
    assert story.region.serving == ["i-1"]


def test_the_replica_stands_down_when_the_hold_is_over(story: Story) -> None:
    story.notice(kind=REBALANCE)
    replica = story.gets_ready()
    story.passes(100)
    held = story.replicas()[0].status

    story.passes(120)

    ended = story.replicas()[0]
    assert held is ReplicaStatus.READY
    assert (ended.replica_id, ended.status) == (replica.replica_id, ReplicaStatus.TERMINATED)
    assert story.roles == {"i-1": "PRIMARY", "i-2": "TERMINATED"}


def test_the_notice_that_follows_uses_the_replica_that_was_had_ready(story: Story) -> None:
    story.notice(kind=REBALANCE)
    replica = story.gets_ready()

    story.notice()
    story.settles(200)

    switch = story.switches()[0]
    assert (switch.status, switch.replica_id) == (SwitchStatus.COMPLETED, replica.replica_id)
    assert story.region.serving == ["i-2"]


def test_a_handover_that_begins_within_the_hold_is_not_stood_down(story: Story) -> None:
    story.notice(kind=REBALANCE)
    story.gets_ready()
    story.passes(110)

    story.notice(lead_seconds=100)
    story.settles(300)

    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert story.replicas()[0].status is ReplicaStatus.PROMOTED


def test_a_second_recommendation_holds_the_replica_for_its_own_time(story: Story) -> None:
    story.notice(kind=REBALANCE, notice_id="first")
    replica = story.gets_ready()
    story.passes(90)
    second = story.notice(kind=REBALANCE, notice_id="second")
    heard_at = story.clock.now()
    story.passes(110)
    held = story.replicas()

    story.passes(60)

    assert second.event.replica_id == replica.replica_id
    assert [(one.status, one.hold_until) for one in held] == [(ReplicaStatus.READY, heard_at + timedelta(seconds=120))]
    assert [one.status for one in story.replicas()] == [ReplicaStatus.TERMINATED]


@pytest.mark.parametrize(("held_seconds", "lasts_seconds"), [(60, 120), (300, 300)])
def test_a_recommendation_lengthens_a_hold_of_any_other_reason_and_never_shortens_it(
    story: Story, held_seconds: int, lasts_seconds: int
) -> None:
    now = story.clock.now()
    # As a warning about the pool, or a decision, has one held.
    new = NewReplica(ReplicaKind.EMERGENCY, "decision/1", "ami-good", "a decision", hold_until=now + timedelta(seconds=held_seconds))
    story.database.write(lambda tx: create_replica(tx, load_agent(tx, story.agent_id, for_update=True), new))

    taken = story.notice(kind=REBALANCE)

    (replica,) = story.replicas()
    assert (taken.event.replica_id, replica.hold_until) == (replica.replica_id, now + timedelta(seconds=lasts_seconds))


def test_a_standby_that_is_there_already_will_do(story: Story) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    standby = story.gets_ready()

    taken = story.notice(kind=REBALANCE)
    story.passes(200)

    assert taken.event.replica_id == standby.replica_id
    assert [replica.status for replica in story.replicas()] == [ReplicaStatus.READY]


def test_repeats_of_a_recommendation_make_no_second_replica(story: Story) -> None:
    story.notice(kind=REBALANCE, notice_id="notice-1")
    again = story.notice(kind=REBALANCE, notice_id="notice-1")

    assert not again.is_new
    assert len(story.replicas()) == 1
