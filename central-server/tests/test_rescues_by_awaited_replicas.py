"""A rescue that finds a replica which has no instance yet: its launch is the rescue's, whatever held it back before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.story import ADDRESS, TYPES, ZONES, Story
from spot_server.db.runner import Database
from spot_server.features.cooldowns.queries import PoolKey
from spot_server.features.cooldowns.service import note_shortage
from spot_server.features.replicas import service
from spot_server.words import CommandKind, InterruptionKind, ReplicaKind, ReplicaStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, terminate_wait_seconds=60)


def ask(story: Story, **wish: Any) -> None:
    """A person asks for a standby."""
    act = partial(service.request_replica, request_id="request-1", user_id="tester", wish=wish)
    story.database.write(lambda tx: act(tx, story.fleet.client_id, story.agent_id))


def allow_no_launches(story: Story) -> None:
    story.database.policy = replace(story.database.policy, spending_launches_per_hour=0)


def cool_all_pools(story: Story) -> None:
    for kind in TYPES:
        for zone in ZONES:
            story.database.write(partial(note_shortage, pool=PoolKey("us-east-1", zone, kind), code="capacity"))


def guarded_standby(story: Story) -> None:
    allow_no_launches(story)
    ask(story)


def guarded_hold(story: Story) -> None:
    allow_no_launches(story)
    story.notice(kind=InterruptionKind.REBALANCE)


def cooled_wish(story: Story) -> None:
    cool_all_pools(story)
    ask(story, mode="spot")


@pytest.mark.parametrize("wait", [guarded_standby, guarded_hold, cooled_wish])
def test_a_notice_launches_what_a_guard_a_hold_or_a_wish_kept_waiting(story: Story, wait: Callable[[Story], None]) -> None:
    wait(story)
    story.passes(10)
    waiting = story.replicas()[0]

    taken = story.notice(lead_seconds=120)
    story.passes(110, until=lambda: story.switches()[-1].status is SwitchStatus.COMPLETED)

    replica = story.replicas()[0]
    assert (waiting.status, waiting.launch_command_id) == (ReplicaStatus.LAUNCHING, None)
    assert (taken.event.response, taken.event.replica_id) == ("launch_replica", waiting.replica_id)
    assert (replica.kind, replica.hold_until, replica.status) == (ReplicaKind.EMERGENCY, None, ReplicaStatus.PROMOTED)
    assert [switch.status for switch in story.switches()] == [SwitchStatus.COMPLETED]
    assert story.region.serving == ["i-2"]
    assert story.region.address_of[ADDRESS] == "i-2"
    assert story.region.kinds(CommandKind.SALVAGE_VOLUMES) == ["i-1"]
    assert story.region.violations == []


def test_a_rescue_that_takes_over_from_another_launches_what_waits_too(story: Story) -> None:
    story.notice()
    story.passes(60, until=lambda: "i-2" in story.roles)
    # Between the two moves everything runs short, and a person's wish for spot waits.
    cooled_wish(story)
    story.region.lose("i-2")

    story.notice("i-2", lead_seconds=0.0)
    story.passes(300, until=lambda: story.region.serving not in ([], ["i-1"]))

    assert [switch.status for switch in story.switches()][:1] == [SwitchStatus.FAILED]
    assert story.switches()[1].replica_id == story.replicas()[1].replica_id
    assert story.replicas()[1].request_id == "request-1"
    assert len(story.replicas()) == 2
    assert len(story.region.serving) == 1
    assert story.region.violations == []


def test_a_launch_that_was_just_asked_for_goes_before_the_volumes_that_are_saved(story: Story) -> None:
    ask(story)

    taken = story.notice(lead_seconds=120)

    told = [(command.kind, command.priority) for command in story.pending("i-1")]
    assert taken.event.response == "launch_replica"
    assert told[:2] == [(CommandKind.LAUNCH_INSTANCE, 100), (CommandKind.SALVAGE_VOLUMES, 99)]
    assert len(story.replicas()) == 1


def test_the_volumes_are_saved_when_a_move_that_has_no_instance_yet_becomes_the_rescue(story: Story) -> None:
    story.set_agent(create_snapshot_on_switch=False)
    switch = story.switch()

    taken = story.notice(lead_seconds=120)
    story.settles(400)

    assert (taken.event.response, taken.event.switch_id) == ("handover", switch.switch_id)
    assert story.region.kinds(CommandKind.SALVAGE_VOLUMES) == ["i-1"]
    assert story.region.serving == ["i-2"]


def test_a_replica_that_has_its_instance_keeps_what_it_was_made_for_and_the_volumes_are_saved_until_it_is_ready(story: Story) -> None:
    ask(story)
    story.passes(30, until=lambda: story.replicas()[0].instance_id is not None)

    taken = story.notice(lead_seconds=120)
    story.settles(400)

    assert taken.event.response == "handover"
    assert story.replicas()[0].kind is ReplicaKind.MANUAL
    assert story.region.kinds(CommandKind.SALVAGE_VOLUMES) == ["i-1"]
    assert story.region.serving == ["i-2"]
