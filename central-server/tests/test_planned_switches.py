"""A planned move, from the request to the retirement of the old instance."""

from __future__ import annotations

import pytest

from server_support.clock import FakeClock
from server_support.story import ADDRESS, Story
from spot_server.db.runner import Database
from spot_server.words import SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, terminate_wait_seconds=600)


def test_a_planned_switch_moves_the_workload_and_then_retires_the_old_instance(story: Story) -> None:
    switch = story.switch()

    story.passes(900)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.roles == {"i-1": "TERMINATED", "i-2": "PRIMARY"}
    assert story.region.serving == ["i-2"]
    assert story.region.address_of[ADDRESS] == "i-2"
    assert story.agent.epoch == 2
    assert story.region.violations == []
