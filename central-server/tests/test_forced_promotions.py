"""Promoting a replica that is not ready: refused with what would be lost, and done only when a person forces it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import agents
from spot_server.errors import MoveRefused, RequestIdReused, StateConflict, SwitchInProgress
from spot_server.features.replicas.queries import Replica
from spot_server.features.switches.promotions import Accepted
from spot_server.words import CommandKind, ReplicaStatus, StepName, StepStatus, SwitchStatus

Begin = Callable[..., Story]
FORCED = Accepted(is_forced=True)


@pytest.fixture
def begin(database: Database, clock: FakeClock) -> Begin:
    def make(**settings: Any) -> Story:
        story = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1, **settings)
        story.region.standbys_pass = False
        story.passes(60, until=lambda: any(one.status is ReplicaStatus.SYNCING for one in story.replicas()))
        return story

    return make


def only(story: Story) -> Replica:
    return story.replicas()[0]


def test_it_is_refused_and_says_why_and_that_nothing_would_be_lost(begin: Begin) -> None:
    story = begin()

    with pytest.raises(MoveRefused, match=r"is syncing, not ready: its standby check has not passed.*no write would be lost"):
        story.promote(only(story).replica_id)


def test_the_refusal_says_what_would_be_lost_in_seconds(begin: Begin, clock: FakeClock) -> None:
    story = begin(carry="image_after_quiesce")
    image = story.newest_image()
    assert image is not None

    with pytest.raises(MoveRefused) as refused:
        story.promote(only(story).replica_id)

    window_seconds = round((clock.now() - image.started_at).total_seconds())
    assert refused.value.extensions["loss_window_seconds"] == window_seconds
    assert f"({window_seconds} s) would be lost" in str(refused.value)


def test_force_does_not_stand_in_for_accepting_a_loss(begin: Begin) -> None:
    story = begin(carry="image_after_quiesce")

    with pytest.raises(MoveRefused, match="say accept_data_loss"):
        story.promote(only(story).replica_id, accepts=FORCED)
    switch = story.promote(only(story).replica_id, accepts=Accepted(loss=True, is_forced=True))
    story.passes(120, until=lambda: story.active() is None)

    assert story.reload(switch).status is SwitchStatus.COMPLETED


def test_a_forced_one_is_promoted_without_its_check_and_serves(begin: Begin) -> None:
    story = begin()

    switch = story.promote(only(story).replica_id, accepts=FORCED)
    story.passes(120, until=lambda: story.active() is None)

    assert (story.reload(switch).status, story.region.serving) == (SwitchStatus.COMPLETED, ["i-2"])
    assert story.steps(switch)[StepName.PREPARE].status is StepStatus.SKIPPED
    assert story.region.kinds(CommandKind.STANDBY_CHECK) == []
    assert story.region.violations == []


def test_a_forced_one_that_cannot_serve_is_taken_back(begin: Begin) -> None:
    story = begin()
    story.region.fail(CommandKind.START_SERVING, "check_failed", times=9, on="i-2")

    switch = story.promote(only(story).replica_id, accepts=FORCED)
    story.passes(200, until=lambda: story.active() is None)

    assert (story.reload(switch).status, story.region.serving) == (SwitchStatus.ROLLED_BACK, ["i-1"])
    assert story.region.violations == []


def test_the_same_request_again_is_the_same_move(begin: Begin) -> None:
    story = begin()
    replica_id = only(story).replica_id

    first, again = story.promote(replica_id, accepts=FORCED), story.promote(replica_id, accepts=FORCED)

    assert first.switch_id == again.switch_id


def test_the_same_request_with_another_acceptance_is_no_repeat(begin: Begin) -> None:
    story = begin()
    replica_id = only(story).replica_id
    story.promote(replica_id, accepts=FORCED)

    with pytest.raises(RequestIdReused):
        story.promote(replica_id, accepts=Accepted(loss=True, is_forced=True))


def test_a_second_one_names_the_first_whatever_else_speaks_against_it(begin: Begin) -> None:
    story = begin()
    replica_id = only(story).replica_id
    running = story.promote(replica_id, accepts=FORCED)
    story.passes(60, until=lambda: story.steps(running)[StepName.PROMOTE].status is StepStatus.DONE)

    with pytest.raises(SwitchInProgress) as refused:
        story.promote(replica_id, "promotion-2", accepts=FORCED)

    assert refused.value.extensions["switch_id"] == running.switch_id


def test_an_agent_that_is_disabled_is_observed_and_not_moved(begin: Begin) -> None:
    story = begin()
    story.fleet.execute(update(agents).where(agents.c.agent_id == story.agent_id).values(enabled=False))

    with pytest.raises(StateConflict, match="disabled"):
        story.promote(only(story).replica_id, accepts=FORCED)


def test_nothing_can_be_forced_before_a_daemon_is_there(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1)
    story.region.launches_boot = False
    story.passes(60, until=lambda: bool(story.replicas()))

    with pytest.raises(MoveRefused, match="no daemon of it is there that could serve, forced or not"):
        story.promote(only(story).replica_id, accepts=FORCED)
