"""The guarantee of an agent as it is read: from its image, its standby, and its own moves."""

from __future__ import annotations

import pytest

from server_support.clock import FakeClock
from server_support.rescues import with_standby
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.agents.guarantee_rules import FailoverFrom, Guarantee
from spot_server.features.agents.schemas import AgentDetailAnswer
from spot_server.features.agents.service import read_agent

AN_HOUR = 3600


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)


def guarantee_of(story: Story) -> Guarantee:
    return story.database.read(lambda tx: read_agent(tx, story.fleet.client_id, story.agent_id)).guarantee


def test_an_agent_that_never_moved_says_what_it_would_lose_and_not_how_long_it_would_take(story: Story, clock: FakeClock) -> None:
    clock.advance(AN_HOUR)

    guarantee = guarantee_of(story)

    assert guarantee.failover_from is FailoverFrom.LAUNCH
    assert guarantee.lost_if_gone_seconds == AN_HOUR
    assert guarantee.lost_under_notice_seconds is None
    assert (guarantee.failover_seconds, guarantee.measured_handovers, guarantee.measured_launches) == (None, 0, 0)


def test_a_move_is_what_later_times_rest_on(story: Story) -> None:
    switch = story.switch()
    story.settles(200)
    done = story.reload(switch)
    assert done.serving_at is not None
    assert done.instance_ready_at is not None

    guarantee = guarantee_of(story)

    handover_seconds = (done.serving_at - done.instance_ready_at).total_seconds()
    (replica,) = story.replicas()
    assert replica.ready_at is not None
    launch_seconds = (replica.ready_at - replica.created_at).total_seconds()
    assert (guarantee.measured_handovers, guarantee.measured_launches) == (1, 1)
    assert guarantee.failover_seconds == pytest.approx(handover_seconds + launch_seconds, abs=0.001)


def test_a_standby_shortens_the_failover_and_says_how_old_its_state_is(story: Story, clock: FakeClock) -> None:
    story.switch()
    story.settles(200)
    with_standby(story)
    image = story.newest_image()
    assert image is not None
    clock.advance(AN_HOUR)

    guarantee = guarantee_of(story)

    assert guarantee.failover_from is FailoverFrom.STANDBY
    assert guarantee.lost_if_gone_since == image.started_at
    assert guarantee.failover_seconds is not None


def test_an_agent_without_any_image_is_promised_nothing(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce")

    guarantee = guarantee_of(story)

    assert guarantee.failover_from is FailoverFrom.NOTHING
    assert guarantee.lost_if_gone_seconds is None


def test_the_answer_has_the_guarantee(story: Story) -> None:
    detail = story.database.read(lambda tx: read_agent(tx, story.fleet.client_id, story.agent_id))

    shown = AgentDetailAnswer().dump(detail)["guarantee"]

    assert shown["failover_from"] == "launch"
    assert shown["measured_handovers"] == 0
