"""A move that is taken back, and whose agent loses every daemon meanwhile: it ends or waits, a person is told, and it goes on by itself."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.rescues import ALWAYS, FAILED, ROLLED_BACK, assert_rescued, give_control_role, given_up, racing_story, statuses, told
from server_support.story import ADDRESS, Story
from spot_server.db.tables import notifications
from spot_server.features.switches.undo_rules import UNATTENDED_SECONDS
from spot_server.words import CommandKind, StepName, StepStatus, SwitchStatus, SwitchTrigger

LONGER = UNATTENDED_SECONDS + 300


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    return racing_story(engine, clock)


def fall_silent(story: Story, *instance_ids: str) -> None:
    for instance_id in instance_ids:
        story.region.machines[instance_id].has_daemon = False


def text_of(story: Story, kind: str) -> str:
    [text] = story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))
    return str(text)


def stops_and_is_heard_no_more(story: Story) -> None:
    """A planned move stops the old workload, whose daemon's answer never comes."""
    story.set_agent(carry="image_after_quiesce")
    story.region.fail(CommandKind.QUIESCE, None, takes_effect=True)
    switch = story.switch()
    story.passes(60, until=lambda: story.region.serving == [])
    fall_silent(story, "i-1")
    story.passes(300, until=lambda: story.reload(switch).status is SwitchStatus.ROLLING_BACK)


def test_a_move_of_an_agent_without_any_daemon_ends_and_a_person_is_told_what_is_needed(story: Story) -> None:
    stops_and_is_heard_no_more(story)
    story.passes(UNATTENDED_SECONDS - 90, step_seconds=30)
    before = statuses(story)

    story.passes(180, step_seconds=30)

    assert before == [SwitchStatus.ROLLING_BACK]
    [switch] = story.switches()
    assert (switch.status, switch.active_key) == (FAILED, None)
    assert switch.failure == (
        "quiesce: no answer in time; then quiesce: no daemon of the agent is heard, and no control role may ask EC2 about the old instance"
    )
    assert "Needed: the daemon on i-1 or on any other instance of the agent, or a control role." in text_of(story, "switch_failed")
    assert given_up(story) is not None


def test_once_a_control_role_may_ask_ec2_the_lost_primary_is_rescued(story: Story) -> None:
    stops_and_is_heard_no_more(story)
    story.region.lose("i-1")
    story.passes(LONGER, step_seconds=30)
    before = (statuses(story), [switch.trigger for switch in story.switches()])

    give_control_role(story)
    story.passes(600, until=lambda: story.region.serving != [] and story.active() is None)

    assert before == ([FAILED], [SwitchTrigger.MANUAL])
    assert_rescued(story, "i-2")


def test_a_daemon_that_is_heard_again_has_its_workload_serve_again(story: Story) -> None:
    stops_and_is_heard_no_more(story)
    story.passes(LONGER, step_seconds=30)
    ended = statuses(story)

    story.region.machines["i-1"].has_daemon = True
    story.passes(300, until=lambda: story.region.serving == ["i-1"] and given_up(story) is None)

    assert ended == [FAILED]
    assert statuses(story) == [FAILED]
    assert_rescued(story, "i-1")


def test_one_that_is_heard_again_in_time_takes_the_move_back(story: Story) -> None:
    stops_and_is_heard_no_more(story)
    story.passes(UNATTENDED_SECONDS - 90, step_seconds=30)

    story.region.machines["i-1"].has_daemon = True
    story.settles(300)

    [switch] = story.switches()
    assert switch.status is ROLLED_BACK
    assert "unattended_since" not in switch.timing
    assert told(story, "switch_failed", "undo_waits") == ["undo_waits"]
    assert "Needed: the daemon on i-1 or on any other instance of the agent, or a control role." in text_of(story, "undo_waits")
    assert_rescued(story, "i-1")


def test_a_move_whose_address_is_elsewhere_waits_and_a_person_is_told_once(story: Story) -> None:
    """Nobody else brings the address back: the move goes on taking itself back as soon as anybody can."""
    story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-2")
    story.region.fail(CommandKind.MOVE_ADDRESS, None, on="i-1", times=ALWAYS)
    switch = story.switch()
    story.passes(300, until=lambda: _status_of(story, StepName.TRAFFIC) is StepStatus.UNDOING)
    fall_silent(story, "i-1", "i-2")
    story.region.failures.clear()
    story.passes(LONGER, step_seconds=30)
    waiting = (story.reload(switch).status, story.region.address_of[ADDRESS], told(story, "undo_waits"))

    story.region.machines["i-1"].has_daemon = True
    story.settles(300)

    assert waiting == (SwitchStatus.ROLLING_BACK, "i-2", ["undo_waits"])
    assert "cannot be taken back further than traffic" in text_of(story, "undo_waits")
    assert story.reload(switch).status is ROLLED_BACK
    assert_rescued(story, "i-1")


def _status_of(story: Story, step: StepName) -> StepStatus | None:
    switches = story.switches()
    return story.steps(switches[0])[step].status if switches else None
