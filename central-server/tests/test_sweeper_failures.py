"""The sweeper meets a death, a second leader, and an instance that comes between the look and the act: each is done once, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.dying_database import DyingDatabase
from server_support.region import Machine
from server_support.story import PowerCut, Story
from server_support.sweeping import Sweeping, lost_launch, orphan, settle_time_passes
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.features.sweeper import service
from spot_server.features.sweeper.service import Work
from spot_server.words import CommandKind, ReplicaStatus, Role, SwitchStatus


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    """Waiting for a lock takes real time here; everything else happens on the fake clock."""
    database = Database(engine, clock=clock, sleeper=SystemClock())
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


@pytest.fixture
def sweeping(story: Story) -> Sweeping:
    return Sweeping(story)


def dies_while_it_sweeps(sweeping: Sweeping, *, dies_after_commit: bool) -> None:
    """The jobs process dies in the round's first transaction that writes."""
    sound = sweeping.story.database
    dying = DyingDatabase(sound.engine, clock=sweeping.story.clock, sleeper=SystemClock())
    dying.dies_in, dying.dies_after_commit = 1, dies_after_commit
    sweeping.story.database = dying
    sweeping.look()
    with pytest.raises(PowerCut):
        sweeping.sweep()
    sweeping.story.database = sound


def seen_now(sweeping: Sweeping) -> Work:
    sweeping.look()
    (work,) = sweeping.story.database.read(lambda tx: service.gather(tx, {}).work)
    return work


def sweep_seen(sweeping: Sweeping, work: Work) -> service.Swept:
    return sweeping.story.database.write(lambda tx: service.sweep_agent(tx, work, sweeping.policy))


@pytest.mark.parametrize("dies_after_commit", [False, True])
def test_a_death_around_a_retirement_leaves_one_retirement(story: Story, sweeping: Sweeping, dies_after_commit: bool) -> None:
    made = orphan(story)
    settle_time_passes(story)

    dies_while_it_sweeps(sweeping, dies_after_commit=dies_after_commit)
    sweeping.look_and_sweep()
    story.settles(100)

    assert made.state == "terminated"
    assert sweeping.logged() == [f"sweep/retired/{made.instance_id}/1"]
    assert len(sweeping.events("stray_retired")) == len(story.issued("terminate_instance")) == 1


@pytest.mark.parametrize("dies_after_commit", [False, True])
def test_a_death_around_an_adoption_leaves_one_adoption(story: Story, sweeping: Sweeping, dies_after_commit: bool) -> None:
    made = lost_launch(story)

    dies_while_it_sweeps(sweeping, dies_after_commit=dies_after_commit)
    sweeping.look_and_sweep()
    made.has_daemon = True
    story.settles(400)

    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert [replica.instance_id for replica in story.replicas()] == [made.instance_id]
    assert len(sweeping.events("launch_adopted")) == 1


@pytest.mark.parametrize("dies_after_commit", [False, True])
def test_a_death_around_a_doubt_leaves_one_message(story: Story, sweeping: Sweeping, dies_after_commit: bool) -> None:
    made = orphan(story)
    made.client_token = "another-launch"

    dies_while_it_sweeps(sweeping, dies_after_commit=dies_after_commit)
    sweeping.look_and_sweep()

    assert len(sweeping.told()) == len(sweeping.logged()) == 1
    assert made.state == "running"


def test_of_two_leaders_at_once_one_retires(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    settle_time_passes(story)
    work = seen_now(sweeping)

    swept = at_once([lambda: sweep_seen(sweeping, work)] * 2)

    assert sorted(one.retired for one in swept) == [0, 1]
    assert sweeping.logged() == [f"sweep/retired/{made.instance_id}/1"]


def comes_up(story: Story, made: Machine) -> None:
    """Its daemon registers, minutes late."""
    made.has_daemon = True
    story.passes(30)


def test_a_replica_that_is_let_in_between_the_look_and_the_act_is_left_in_place(story: Story, sweeping: Sweeping) -> None:
    made = lost_launch(story)
    settle_time_passes(story)
    work = seen_now(sweeping)
    story.region.failures.clear()
    comes_up(story, made)
    role = story.roles[made.instance_id]

    swept = sweep_seen(sweeping, work)
    story.settles(400)

    assert role != Role.ZOMBIE
    assert swept == service.Swept()
    assert story.region.serving == [made.instance_id]


def test_one_that_waits_to_be_let_in_is_adopted_and_let_in(story: Story, sweeping: Sweeping) -> None:
    made = lost_launch(story)
    settle_time_passes(story)
    comes_up(story, made)
    before = story.roles

    sweeping.look_and_sweep()
    story.settles(400)

    assert made.instance_id not in before
    assert story.region.serving == [made.instance_id]
    assert len(story.region.launched_by_token) == 1


def test_an_instance_that_registers_while_it_is_being_retired_is_turned_away_and_ends(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    settle_time_passes(story)
    story.region.fail(CommandKind.TERMINATE_INSTANCE, "throttled", times=1)
    sweeping.look_and_sweep()

    comes_up(story, made)
    is_stray = story.fleet.instance(story.agent, made.instance_id).is_stray
    for _ in range(6):
        story.passes(20)
        sweeping.look_and_sweep()

    assert is_stray
    assert made.state == "terminated"
    assert sweeping.logged() == [f"sweep/retired/{made.instance_id}/1"]
    assert {replica.status for replica in story.replicas()} == {ReplicaStatus.TERMINATED}


def test_a_termination_whose_answer_is_lost_is_looked_up_and_not_begun_as_another_retirement(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    settle_time_passes(story)
    story.region.fail(CommandKind.TERMINATE_INSTANCE, None, times=1, takes_effect=True)

    for _ in range(20):
        sweeping.look_and_sweep()
        story.passes(20)

    assert made.state == "terminated"
    assert sweeping.logged() == [f"sweep/retired/{made.instance_id}/1"]
    assert all(replica.ended_at is not None for replica in story.replicas())
