"""Manual replica mode: exactly one standby, elsewhere, and the next one after it was promoted."""

from __future__ import annotations

import pytest

from server_support.clock import FakeClock
from server_support.story import TYPES, ZONES, Story
from spot_server.db.runner import Database
from spot_server.features.replicas import queries, service
from spot_server.words import CommandKind, ReplicaKind, ReplicaStatus, Role, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1, terminate_wait_seconds=60)


def live(story: Story) -> list[str]:
    return [str(replica.instance_id) for replica in story.replicas() if replica.is_live]


def test_exactly_one_standby_is_kept_in_another_zone(story: Story) -> None:
    standby = story.gets_ready()

    story.passes(120)

    assert live(story) == ["i-2"]
    assert standby.kind is ReplicaKind.MANUAL
    assert standby.az_id != "use1-az1"
    assert standby.instance_id == "i-2"
    assert story.roles == {"i-1": "PRIMARY", "i-2": "REPLICA"}
    assert story.region.serving == ["i-1"]


def test_a_promoted_standby_is_followed_by_the_next(story: Story) -> None:
    standby = story.gets_ready()

    story.promote(standby.replica_id)
    story.settles(120)
    following = story.gets_ready()

    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert story.region.serving == ["i-2"]
    assert live(story) == [following.instance_id] == ["i-3"]
    assert following.az_id != standby.az_id


def test_a_second_standby_that_a_person_asks_for_is_one_too_many(story: Story) -> None:
    story.gets_ready()

    ask(story, "request-1")
    story.passes(60)

    assert live(story) == ["i-2"]


def test_a_standby_that_a_person_asks_for_without_the_mode_stays_until_a_person_retires_it(story: Story) -> None:
    story.set_agent(manual_replica_enabled=False, replica_count=0)
    asked_for = ask(story, "request-1")
    again = ask(story, "request-1")
    story.gets_ready()
    story.passes(60)
    kept = live(story)

    retire(story, asked_for)
    story.passes(30)

    assert again == asked_for
    assert kept == ["i-2"]
    assert live(story) == []
    assert story.roles["i-2"] == "TERMINATED"


def ask(story: Story, request_id: str) -> str:
    act = service.request_replica
    made = story.database.write(lambda tx: act(tx, story.fleet.client_id, story.agent_id, request_id=request_id, user_id="tester", wish={}))
    return made.replica_id


def retire(story: Story, replica_id: str) -> None:
    act = service.retire_replica
    story.database.write(lambda tx: act(tx, story.fleet.client_id, story.agent_id, replica_id, user_id="tester", reason="not needed"))


def test_turning_the_mode_off_retires_the_standby(story: Story) -> None:
    story.gets_ready()

    story.set_agent(manual_replica_enabled=False, replica_count=0)
    story.passes(30)

    assert live(story) == []
    assert story.roles == {"i-1": "PRIMARY", "i-2": "TERMINATED"}


def test_a_standby_beside_which_the_primary_moved_is_replaced_before_it_is_given_up(story: Story) -> None:
    standby = story.gets_ready()
    story.switch(mode="on_demand", instance_type=standby.instance_type, az_id=standby.az_id)
    story.passes(200, until=lambda: story.active() is None)
    counts = set()

    for _ in range(30):
        story.step()
        counts.add(sum(replica.status is ReplicaStatus.READY for replica in story.replicas()))

    primary = next(machine for machine in story.region.machines.values() if machine.is_serving)
    left = [replica for replica in story.replicas() if replica.is_live]
    assert [replica.status for replica in left] == [ReplicaStatus.READY]
    assert left[0].replica_id != standby.replica_id
    assert left[0].az_id != primary.az_id
    assert 0 not in counts


def test_standbys_that_fail_one_after_the_other_are_made_ever_more_rarely(story: Story) -> None:
    for zone in ZONES:
        for kind in TYPES:
            story.region.refuse(f"spot/{kind}/{zone}")
            story.region.refuse(f"on_demand/{kind}/{zone}")

    story.passes(1800, step_seconds=10)

    made = [replica.created_at for replica in story.replicas()]
    assert 4 <= len(made) <= 8
    assert all(replica.status is ReplicaStatus.FAILED for replica in story.replicas())


def test_a_standby_that_is_lost_without_a_word_is_replaced_once_ec2_says_so(story: Story) -> None:
    story.gets_ready()
    story.region.lose("i-2")
    story.fleet.set_role(story.agent, "i-2", Role.TERMINATED)

    story.passes(60)

    assert live(story) == ["i-3"]


def test_a_ready_standby_is_never_told_to_serve_before_it_is_promoted(story: Story) -> None:
    story.gets_ready()

    story.passes(300, step_seconds=10)

    assert story.region.kinds(CommandKind.START_SERVING) == []
    assert story.region.serving == ["i-1"]


def test_a_standby_that_is_ready_costs_the_sweep_of_every_second_nothing(story: Story) -> None:
    story.gets_ready()
    at_rest = story.database.read(queries.unfinished_replicas)

    story.fleet.set_role(story.agent, "i-2", Role.TERMINATED)
    gone = story.database.read(queries.unfinished_replicas)

    assert at_rest == []
    assert len(gone) == 1
