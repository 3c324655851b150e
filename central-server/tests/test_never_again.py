"""Faults of earlier products of this kind, each with its name, so that none of them comes back."""

from __future__ import annotations

import pytest

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.agents.overviews import list_overviews
from spot_server.words import ReplicaStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, terminate_wait_seconds=60)


def test_a_replica_s_instance_id_is_recorded_and_it_leaves_launching(story: Story) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.step()
    first = story.replicas()[0].status

    story.gets_ready()

    replica = story.replicas()[0]
    assert first is ReplicaStatus.LAUNCHING
    assert (replica.status, replica.instance_id) == (ReplicaStatus.READY, "i-2")
    assert replica.launched_at is not None
    assert replica.registered_at is not None


def test_an_instance_is_kept_for_good_when_auto_terminate_is_off(story: Story) -> None:
    story.set_agent(auto_terminate_enabled=False)
    story.switch()

    story.passes(600, step_seconds=10)

    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert story.region.machines["i-1"].state == "running"
    assert story.issued("terminate_instance") == []


def test_one_agent_is_in_the_list_after_each_switch(story: Story) -> None:
    for number in range(3):
        story.switch(f"request-{number}")
        story.settles(400)

        listed = story.database.read(lambda tx: list_overviews(tx, story.fleet.client_id, after=None, most=10))
        assert [agent.agent.agent_id for agent in listed] == [story.agent_id]
        assert list(story.roles.values()).count("PRIMARY") == 1


@pytest.mark.parametrize("zone_of_primary", [0, 1])
def test_a_replica_never_lands_in_its_primary_s_own_pool(story: Story, zone_of_primary: int) -> None:
    if zone_of_primary:
        story.switch(az_id="use1-az2", instance_type="m5.large", mode="spot")
        story.settles(400)
    story.set_agent(manual_replica_enabled=True, replica_count=1)

    replica = story.gets_ready()

    primary = next(machine for machine in story.region.machines.values() if machine.is_serving)
    assert (replica.instance_type, replica.az_id) != (primary.instance_type, primary.az_id)
    assert replica.az_id != primary.az_id


def test_the_five_times_of_a_switch_are_stored(story: Story) -> None:
    story.switch()

    story.settles(400)

    switch = story.switches()[0]
    times = (
        switch.initiated_at,
        switch.ami_created_at,
        switch.instance_launched_at,
        switch.instance_ready_at,
        switch.old_terminated_at,
    )
    assert None not in times
