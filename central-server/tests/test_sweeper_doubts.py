"""What the sweeper leaves alone: whatever is doubtful, is somebody's, or is only somebody's word."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.region import Machine
from server_support.story import ADDRESS, Story
from server_support.sweeping import Sweeping, orphan, settle_time_passes
from spot_server.db.runner import Database
from spot_server.db.tables import instances
from spot_server.features.sweeper.evidence import load_books
from spot_server.features.sweeper.rules import Sighting
from spot_server.words import Role


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


@pytest.fixture
def sweeping(story: Story) -> Sweeping:
    return Sweeping(story)


def test_an_instance_whose_replica_the_books_do_not_know_goes_only_while_the_primary_is_heard(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    made.tags["spot-optimizer:replica-id"] = "replica-from-another-time"
    settle_time_passes(story)
    sweeping.look()
    silent = update(instances).where(instances.c.instance_id == "i-1")
    story.fleet.execute(silent.values(role=Role.PRIMARY, last_heartbeat_at=story.clock.now()))
    story.clock.advance(100)
    sweeping.sweep()
    told = sweeping.told()

    sweeping.look_and_sweep()
    story.settles(100)

    assert len(told) == 1
    assert "this may be the one that serves" in told[0]
    assert made.state == "terminated"


def holds_the_address(story: Story, made: Machine) -> None:
    story.region.address_of[ADDRESS] = made.instance_id


def has_copied_tags(_story: Story, made: Machine) -> None:
    made.client_token = "another-launch"


def has_no_epoch(_story: Story, made: Machine) -> None:
    del made.tags["spot-optimizer:epoch"]


def names_no_replica(_story: Story, made: Machine) -> None:
    del made.tags["spot-optimizer:replica-id"]


def has_no_launch_time(_story: Story, made: Machine) -> None:
    made.launched_at = None


def belongs_to_a_disabled_agent(story: Story, _made: Machine) -> None:
    story.set_agent(enabled=False)


DOUBTS = [
    (holds_the_address, "holds an address"),
    (has_copied_tags, "they were copied"),
    (has_no_epoch, "no epoch"),
    (names_no_replica, "name no replica"),
    (has_no_launch_time, "when it was launched"),
    (belongs_to_a_disabled_agent, "disabled"),
]


@pytest.mark.parametrize(("makes_doubtful", "said"), DOUBTS)
def test_what_is_doubtful_is_left_alone_and_told_once(story: Story, sweeping: Sweeping, makes_doubtful: Any, said: str) -> None:
    made = orphan(story)
    makes_doubtful(story, made)
    settle_time_passes(story)

    for _ in range(3):
        sweeping.look_and_sweep()
        story.passes(60, step_seconds=10)

    (told,) = sweeping.told()
    assert said in told
    assert made.instance_id in told
    assert made.state == "running"
    assert story.issued("terminate_instance") == []
    assert len(sweeping.logged()) == len(sweeping.events("stray_quarantined")) == 1
    assert sweeping.audited("sweeper.quarantined") == [made.instance_id]


def test_another_clients_instance_is_neither_touched_nor_told_of(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    made.tags["spot-optimizer:client-id"] = "another-client"
    settle_time_passes(story)

    sweeping.look_and_sweep()

    assert (made.state, sweeping.told(), sweeping.logged()) == ("running", [], [])


def test_a_primary_that_was_superseded_and_that_no_move_retires_is_told_of_and_kept(story: Story, sweeping: Sweeping) -> None:
    story.switch()
    story.settles(300)
    serving = story.region.machines[story.region.serving[0]]
    story.fleet.set_role(story.agent, serving.instance_id, Role.ZOMBIE)
    story.fleet.add_instance(story.agent, "i-9", Role.REPLICA)

    sweeping.look("i-9")
    sweeping.sweep()

    (told,) = sweeping.told()
    assert "it was the primary" in told
    assert serving.state == "running"


@pytest.mark.parametrize("age_seconds", [None, 601.0, "soon"])
def test_a_look_that_is_too_old_or_does_not_say_how_old_it_is_ends_nothing(story: Story, sweeping: Sweeping, age_seconds: Any) -> None:
    made = orphan(story)
    settle_time_passes(story)

    sweeping.look(age_seconds=age_seconds)
    sweeping.sweep()

    assert (made.state, sweeping.logged(), sweeping.told()) == ("running", [], [])


def all_of_it(sweeping: Sweeping, made: Machine) -> dict[str, Any]:
    return {"instances": [sweeping.entry(made)], "images": [], "volumes": [], "age_seconds": 0}


def test_the_word_of_a_zombie_ends_nothing(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    settle_time_passes(story)
    story.fleet.add_instance(story.agent, "i-9", Role.ZOMBIE)
    sweeping.report("i-9", all_of_it(sweeping, made))

    sweeping.sweep()

    assert (made.state, sweeping.logged(), sweeping.told()) == ("running", [], [])


def test_the_word_of_another_agents_daemon_ends_nothing_and_hides_nothing(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    settle_time_passes(story)
    other = story.fleet.agent("web-2", instance_id="i-8")
    report = {"reported_resources": all_of_it(sweeping, made), "last_heartbeat_at": story.clock.now()}
    story.fleet.execute(update(instances).where(instances.c.agent_id == other.agent_id).values(report))
    sweeping.sweep()
    before = sweeping.logged()

    sweeping.look(age_seconds=5)
    sweeping.sweep()

    assert before == []
    assert sweeping.logged() == [f"sweep/retired/{made.instance_id}/1"]


def test_an_old_primary_that_is_kept_for_a_person_to_end_is_told_of_by_nobody(story: Story, sweeping: Sweeping) -> None:
    story.set_agent(auto_terminate_enabled=False)
    story.switch()
    story.settles(300)
    story.switch("request-2")
    story.settles(300)
    kept = {key for key, role in story.roles.items() if role == Role.ZOMBIE}

    sweeping.look(story.region.serving[0])
    sweeping.sweep()

    assert kept == {"i-1", "i-2"}
    assert sweeping.told() == []


def test_of_an_instance_that_two_agents_know_the_role_counts_that_protects_it_most(story: Story) -> None:
    story.fleet.delete(story.agent)
    reborn = story.fleet.agent(instance_id="i-1")
    seen = Sighting("i-1", "running", story.clock.now(), None, story.fleet.client_id, story.agent_id, None, None, None, 1, None)

    known = story.database.read(lambda tx: [load_books(tx, agent, seen).instance for agent in (story.agent, reborn)])

    assert [row.role for row in known if row is not None] == [Role.PRIMARY, Role.PRIMARY]


def test_a_volume_that_is_attached_to_nothing_is_told_of_once_and_kept(story: Story, sweeping: Sweeping) -> None:
    sweeping.volumes = [{"volume_id": "vol-1", "state": "available"}, {"volume_id": "vol-2", "state": "in-use"}]

    for _ in range(2):
        sweeping.look_and_sweep()

    (told,) = sweeping.told()
    assert "vol-1" in told
    assert sweeping.logged() == ["sweep/kept/vol-1/unattached"]


def test_a_volume_that_a_move_has_in_hand_is_not_told_of(story: Story, sweeping: Sweeping) -> None:
    """What was seen while the move was under way counts for nothing when it is over either: a later look does."""
    sweeping.volumes = [{"volume_id": "vol-1", "state": "available"}]
    switch = story.switch()
    sweeping.look_and_sweep()
    during = sweeping.told()
    story.cancel(switch)
    story.passes(60, until=lambda: story.active() is None)

    sweeping.sweep()
    afterwards = sweeping.told()
    story.clock.advance(1)
    sweeping.look_and_sweep()

    assert story.active() is None
    assert (during, afterwards) == ([], [])
    assert ["vol-1" in text for text in sweeping.told()] == [True]


def test_a_volume_that_the_primary_says_it_has_is_not_told_of(story: Story, sweeping: Sweeping) -> None:
    """Another daemon looked while it came over."""
    sweeping.volumes = [{"volume_id": "vol-1", "state": "available"}]
    held = [{"volume_id": "vol-1", "device_name": "/dev/sdf", "is_root": False, "delete_on_termination": False}]
    story.fleet.execute(update(instances).where(instances.c.instance_id == "i-1").values(attached_volumes=held))

    sweeping.look_and_sweep()

    assert sweeping.told() == []
