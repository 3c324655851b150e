"""What runs under our tags and nobody owns: adopted, terminated, or left alone and told of; once each, and never too much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.story import Story
from server_support.sweeping import Sweeping, lost_launch, orphan, settle_time_passes
from spot_server.db.runner import Database
from spot_server.features.cleanups.queries import Cleanup, insert_cleanup
from spot_server.features.replicas.queries import update_replica
from spot_server.features.sweeper import service
from spot_server.words import ReplicaStatus, Role, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


@pytest.fixture
def sweeping(story: Story) -> Sweeping:
    return Sweeping(story)


def test_an_instance_whose_launch_was_answered_by_nobody_is_adopted_by_the_replica_that_waits_for_it(
    story: Story, sweeping: Sweeping
) -> None:
    made = lost_launch(story)

    sweeping.look_and_sweep()
    adopted = story.replicas()[0].instance_id
    made.has_daemon = True
    story.settles(400)

    assert adopted == made.instance_id
    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert len(story.region.launched_by_token) == 1
    assert sweeping.events("launch_adopted") == sweeping.audited("sweeper.adopted") == [made.instance_id]


def test_the_answer_that_comes_after_the_adoption_changes_nothing(story: Story, sweeping: Sweeping) -> None:
    made = lost_launch(story)
    sweeping.look_and_sweep()
    story.region.failures.clear()
    made.has_daemon = True

    story.settles(400)

    assert [replica.instance_id for replica in story.replicas()] == [made.instance_id]
    assert story.switches()[0].status is SwitchStatus.COMPLETED


def test_an_instance_that_nobody_owns_is_terminated_by_the_primarys_daemon_after_the_settle_time(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    settle_time_passes(story)
    before = made.state

    sweeping.look_and_sweep()
    story.settles(100)

    assert (before, made.state) == ("running", "terminated")
    assert set(story.issued("terminate_instance")) == {"i-1"}
    assert sweeping.logged() == [f"sweep/retired/{made.instance_id}/1"]
    assert sweeping.events("stray_retired") == sweeping.audited("sweeper.retired") == [made.instance_id]
    assert all(replica.ended_at is not None for replica in story.replicas())


def test_until_the_settle_time_is_over_it_is_left_to_whoever_may_wait_for_it(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    story.passes(560, step_seconds=10)

    sweeping.look_and_sweep()

    assert made.state == "running"
    assert sweeping.logged() == sweeping.told() == []


def test_nothing_that_we_made_is_without_an_owner_for_more_than_fifteen_minutes(story: Story, sweeping: Sweeping) -> None:
    # Daemons look every 180 s and beat every 30 s; the sweeper goes round every 60 s. All of it at its worst.
    made = orphan(story)
    story.passes(599, step_seconds=10)
    sweeping.look_and_sweep()
    story.passes(180 + 30, step_seconds=10)
    sweeping.look(age_seconds=30)
    story.passes(60, step_seconds=10)
    sweeping.sweep()
    story.settles(60)

    assert made.launched_at is not None
    assert made.state == "terminated"
    assert (story.clock.now() - made.launched_at).total_seconds() < 900


def test_one_that_came_and_was_turned_away_is_terminated_at_the_next_look(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    made.has_daemon = True
    story.passes(10)
    is_stray = story.fleet.instance(story.agent, made.instance_id).is_stray

    sweeping.look_and_sweep()
    story.settles(100)

    assert is_stray
    assert made.state == "terminated"
    assert story.roles[made.instance_id] == Role.TERMINATED


def test_rounds_that_repeat_ask_for_one_termination(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    settle_time_passes(story)

    for _ in range(5):
        sweeping.look_and_sweep()
    story.settles(100)
    for _ in range(3):
        sweeping.look_and_sweep()

    assert made.state == "terminated"
    assert len(story.issued("terminate_instance")) == 1
    assert len(sweeping.logged()) == 1


def test_two_rounds_over_the_same_sight_make_one_termination(story: Story, sweeping: Sweeping) -> None:
    orphan(story)
    settle_time_passes(story)
    sweeping.look()
    (work,) = story.database.read(lambda tx: service.gather(tx, {}).work)

    swept = [story.database.write(lambda tx: service.sweep_agent(tx, work, sweeping.policy)) for _ in range(2)]

    assert [one.retired for one in swept] == [1, 0]
    assert len(story.issued("terminate_instance")) == 1


def test_an_instance_that_an_earlier_attempt_left_behind_goes_while_its_replica_serves(story: Story, sweeping: Sweeping) -> None:
    left = lost_launch(story)
    replica = story.replicas()[0]
    # Refused there in the meantime: the replica went elsewhere, under another token.
    story.database.write(lambda tx: update_replica(tx, replica, launch_command_id=None, rejected_places=[replica.place.key]))
    story.region.failures.clear()
    story.region.launches_boot = True
    story.settles(400)
    settle_time_passes(story)

    sweeping.look_and_sweep()
    story.passes(60)

    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert left.state == "terminated"
    assert len(story.region.serving) == 1
    assert story.region.violations == []


def test_an_instance_that_ec2_called_gone_and_shows_again_is_terminated_anew(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    settle_time_passes(story)
    sweeping.look_and_sweep()
    story.settles(100)
    made.state = "running"
    story.passes(120, step_seconds=10)

    sweeping.look_and_sweep()
    story.settles(100)

    assert made.state == "terminated"
    assert sweeping.logged() == [f"sweep/retired/{made.instance_id}/{number}" for number in (1, 2)]


def test_a_life_of_moves_leaves_nothing_to_the_sweeper(story: Story, sweeping: Sweeping) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.gets_ready()
    story.switch()
    sweeping.passes(400)
    story.notice(next(iter(story.region.serving)), lead_seconds=60)
    sweeping.passes(1200)

    assert len(story.region.serving) == 1
    assert story.region.violations == []
    assert sweeping.logged() == sweeping.told() == []


def test_an_agent_s_limit_holds_in_every_hour_and_is_told(story: Story, sweeping: Sweeping) -> None:
    sweeping.policy = replace(sweeping.policy, agent_retirements_per_hour=2)
    made = [orphan(story, f"request-{number}") for number in range(3)]
    settle_time_passes(story)
    for _ in range(3):
        sweeping.look_and_sweep()
    story.passes(100, step_seconds=10)
    running = [one.state for one in made].count("running")
    told = sweeping.told("sweeper_limit_reached")
    story.passes(3600, step_seconds=60)

    sweeping.look_and_sweep()
    story.settles(100)

    assert (running, len(told)) == (1, 1)
    assert [one.state for one in made] == ["terminated"] * 3


@pytest.mark.parametrize(("limit", "is_left"), [(2, False), (1, True), (0, True)])
def test_a_clients_limit_holds_across_its_agents(story: Story, sweeping: Sweeping, limit: int, is_left: bool) -> None:
    sweeping.policy = replace(sweeping.policy, client_retirements_per_hour=limit)
    made = orphan(story)
    settle_time_passes(story)
    other = story.fleet.agent("web-2", instance_id="i-8")
    of_another = Cleanup(other.agent_id, "sweep/retired/i-7/1", story.fleet.client_id, "i-8", story.clock.now(), [], [], [])
    story.database.write(lambda tx: insert_cleanup(tx, of_another))

    sweeping.look_and_sweep()
    story.settles(100)

    assert (made.state == "running") is is_left
    assert len(sweeping.told("sweeper_limit_reached")) == is_left


def test_a_round_in_which_nothing_is_left_behind_writes_nothing(story: Story, sweeping: Sweeping) -> None:
    story.switch()
    story.settles(400)
    sweeping.look()

    class Unwritable(Database):
        def __init__(self, database: Database) -> None:
            self.engine, self._database = database.engine, database

        def read(self, use_case: Any) -> Any:
            return self._database.read(use_case)

        def write(self, use_case: Any) -> Any:
            raise AssertionError("nothing is to be written")

    story.database = Unwritable(story.database)

    assert sweeping.sweep() == ""


def test_a_replica_that_has_ended_and_still_waits_for_its_answer_is_given_its_instance(story: Story, sweeping: Sweeping) -> None:
    made = orphan(story)
    story.passes(620, step_seconds=60)
    waiting = story.replicas()[0]

    sweeping.look_and_sweep()
    story.settles(100)

    assert (waiting.status, waiting.ended_at) == (ReplicaStatus.TERMINATED, None)
    assert [replica.instance_id for replica in story.replicas()] == [made.instance_id]
    assert made.state == "terminated"
