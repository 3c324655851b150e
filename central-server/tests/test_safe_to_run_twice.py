"""An agent whose owner declares that two instances may serve at once: a rescue does not wait for the end of the old one."""

from __future__ import annotations

import pytest

from server_support.alone import loses_touch
from server_support.clock import FakeClock
from server_support.rescues import give_control_role
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.words import StepName, StepStatus, SwitchStatus

LEAD_SECONDS = 600.0


def rescued_beside_a_primary_that_does_not_confirm(database: Database, clock: FakeClock, **settings: object) -> Story:
    """A notice with time to spare; the old daemon is not heard after it, and its workload goes on."""
    story = Story.on(database, clock, has_image=True, terminate_wait_seconds=1200, **settings)
    give_control_role(story)
    story.notice(lead_seconds=LEAD_SECONDS)
    loses_touch(story, "i-1")
    story.passes(LEAD_SECONDS - 60)
    return story


def test_the_new_side_serves_before_the_old_one_has_ended(database: Database, clock: FakeClock) -> None:
    story = rescued_beside_a_primary_that_does_not_confirm(database, clock, safe_to_run_twice=True)

    move = story.switches()[0]
    assert (move.status, story.steps(move)[StepName.FENCE].status) == (SwitchStatus.COMPLETED, StepStatus.SKIPPED)
    assert story.region.serving == ["i-1", "i-2"]


@pytest.mark.parametrize("settings", [{}, {"safe_to_run_twice": True, "carry": "image_after_quiesce"}], ids=["undeclared", "with state"])
def test_any_other_waits_for_ec2_s_word(database: Database, clock: FakeClock, settings: dict[str, object]) -> None:
    story = rescued_beside_a_primary_that_does_not_confirm(database, clock, **settings)

    move = story.switches()[0]
    assert (move.status, story.steps(move)[StepName.FENCE].status) == (SwitchStatus.RUNNING, StepStatus.RUNNING)
    assert story.region.serving == ["i-1"]
    story.settles(600)
    assert (story.reload(move).status, story.region.serving, story.region.violations) == (SwitchStatus.COMPLETED, ["i-2"], [])
