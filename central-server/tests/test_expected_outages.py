"""For how long a planned move is expected to keep a workload still: by what was measured, and by nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.switches import service
from spot_server.features.switches.expected_outages import ExpectedOutage, OutageBasis, expect_outage
from spot_server.words import Carry, SwitchStatus

seconds = st.lists(st.floats(0, 3600), max_size=20)


@given(st.sampled_from(Carry), seconds, seconds, seconds)
def test_what_was_never_measured_is_not_guessed(carry: Carry, moves: list[float], images: list[float], launches: list[float]) -> None:
    expected = expect_outage(carry, moves, images, launches)

    if expected is None:
        assert not moves
        assert carry is not Carry.IMAGE_AFTER_QUIESCE or not (images and launches)
    elif expected.basis is OutageBasis.MOVES:
        assert min(moves) - 1 <= expected.seconds <= max(moves) + 1
    else:
        assert (carry, moves) == (Carry.IMAGE_AFTER_QUIESCE, [])
        assert expected.seconds >= min(images) + min(launches) - 1


def previewed(story: Story) -> ExpectedOutage | None:
    return story.database.read(lambda tx: service.preview(tx, story.fleet.client_id, story.agent_id, {})).outage


@pytest.mark.parametrize("carry", ["stateless", "image_after_quiesce"])
def test_a_move_says_beforehand_what_the_last_one_took(database: Database, clock: FakeClock, carry: str) -> None:
    story = Story.on(database, clock, has_image=True, carry=carry, terminate_wait_seconds=60)
    before = previewed(story)
    done = story.switch()
    story.settles(600)

    moved = story.reload(done)
    assert moved.status is SwitchStatus.COMPLETED
    assert moved.downtime_seconds is not None
    assert before is None
    assert previewed(story) == ExpectedOutage(round(moved.downtime_seconds), OutageBasis.MOVES)


def test_a_rescue_says_nothing_of_a_planned_move(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)
    story.notice(lead_seconds=120)
    story.settles(600)

    assert previewed(story) is None
