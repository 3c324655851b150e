"""When a completed move cannot be gone back on, and what a repeated or simultaneous request gets."""

from __future__ import annotations

import pytest

from server_support.clock import FakeClock
from server_support.story import Story
from server_support.ways_back import OLD, finish, moved, roll_back
from spot_server.db.runner import Database
from spot_server.errors import MoveRefused, NotFound, RequestIdReused, StateConflict, SwitchInProgress
from spot_server.features.switches import rollbacks
from spot_server.features.switches.promotions import NOTHING_ACCEPTED
from spot_server.features.switches.rollbacks import RollbackRequest
from spot_server.words import CommandKind, SwitchStatus, WayBack


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """A stateless agent that was moved from i-1 to i-2; i-1 waits ten minutes for its retirement."""
    return moved(Story.on(database, clock, terminate_wait_seconds=600))


def test_the_same_request_again_is_the_same_move_and_another_wish_under_it_a_conflict(story: Story) -> None:
    first = roll_back(story)
    again = roll_back(story)
    with pytest.raises(RequestIdReused):
        roll_back(story, to=WayBack.LAST_GOOD_IMAGE)
    finish(story, first)

    assert again.switch_id == first.switch_id
    assert roll_back(story).switch_id == first.switch_id
    assert len(story.switches()) == 2


def test_a_planned_move_does_not_take_the_request_id_of_a_way_back_for_its_own(story: Story) -> None:
    roll_back(story, "request-9")

    with pytest.raises(RequestIdReused):
        story.switch("request-9")


def test_two_people_at_once_begin_one_move_and_the_second_is_told_which(story: Story) -> None:
    first = roll_back(story, "rollback-1")

    with pytest.raises(SwitchInProgress) as refused:
        roll_back(story, "rollback-2")

    assert refused.value.extensions["switch_id"] == first.switch_id


def test_it_is_refused_while_another_move_runs_and_that_one_is_named(story: Story) -> None:
    running = story.switch("request-2")

    with pytest.raises(SwitchInProgress) as refused:
        roll_back(story)

    assert refused.value.extensions["switch_id"] == running.switch_id


def test_a_move_that_still_runs_is_cancelled_and_not_rolled_back(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock)
    running = story.switch()

    with pytest.raises(MoveRefused, match="cancel it"):
        roll_back(story, switch=running)


def test_only_the_last_move_can_be_rolled_back_and_the_newer_one_is_named(story: Story) -> None:
    newer = story.switch("request-2")
    finish(story, newer)

    with pytest.raises(MoveRefused, match=newer.switch_id):
        roll_back(story)


def test_a_later_move_that_came_to_nothing_is_no_hindrance(story: Story) -> None:
    later = story.switch("request-2")
    story.cancel(later)
    finish(story, later)

    assert finish(story, roll_back(story)).status is SwitchStatus.COMPLETED


def test_it_is_refused_once_the_retirement_has_begun(database: Database, clock: FakeClock) -> None:
    story = moved(Story.on(database, clock, terminate_wait_seconds=20))
    story.region.fail(CommandKind.CREATE_IMAGE, "throttled", times=99)
    story.passes(60)

    with pytest.raises(MoveRefused, match="the end of i-1 has begun"):
        roll_back(story)


def test_it_is_refused_when_the_old_instance_is_gone(database: Database, clock: FakeClock) -> None:
    story = moved(Story.on(database, clock, terminate_wait_seconds=20))
    story.settles(300)

    with pytest.raises(MoveRefused, match="i-1 is terminated; to last_good_image"):
        roll_back(story)


def test_it_is_refused_when_the_old_instance_is_silent(story: Story) -> None:
    story.region.machines[OLD].has_daemon = False
    story.passes(120)

    with pytest.raises(MoveRefused, match="was last heard at"):
        roll_back(story)


def test_it_is_refused_when_ec2_is_taking_the_old_instance_away(story: Story) -> None:
    story.notice(OLD, lead_seconds=120)

    with pytest.raises(MoveRefused, match="EC2 takes i-1 away at"):
        roll_back(story)


def test_a_disabled_agent_is_not_moved_back(story: Story) -> None:
    story.set_agent(enabled=False)

    with pytest.raises(StateConflict):
        roll_back(story)


def test_another_clients_move_is_as_unknown_as_none(story: Story) -> None:
    switch_id = story.switches()[0].switch_id
    request = RollbackRequest("rollback-1", WayBack.OLD_INSTANCE, NOTHING_ACCEPTED, "tester")

    with pytest.raises(NotFound):
        story.database.write(lambda tx: rollbacks.request_rollback(tx, "another", story.agent_id, switch_id, request))
