"""A fence, an undo, a resumed rescue and a retirement act on `gone` only once it is believed: before, its instance may serve on."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.rescues import (
    COMPLETED,
    assert_rescued,
    give_control_role,
    gives_up,
    notice_without_address,
    racing_story,
    statuses,
    told,
    with_standby,
)
from server_support.silences import kill_daemon, set_account
from server_support.story import Story
from spot_server.db.tables import notifications
from spot_server.features.commands.actors import CONTROL_ROLE_INSTANCE_ID
from spot_server.words import CommandKind, StepName, StepStatus, SwitchStatus

OURS, ANOTHERS = "111111111111", "222222222222"


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    return racing_story(engine, clock)


def notice_that_is_not_heard(story: Story) -> None:
    """A notice with a standby ready; then the daemon hangs, and the workload serves on until EC2 ends it."""
    story.notice(lead_seconds=120)
    kill_daemon(story)


def is_fencing(story: Story) -> bool:
    running = story.active()
    return running is not None and story.steps(running)[StepName.FENCE].status is StepStatus.RUNNING


def describes_of_role(story: Story) -> int:
    return story.issued(CommandKind.DESCRIBE_INSTANCE).count(CONTROL_ROLE_INSTANCE_ID)


def test_an_instance_that_ec2_does_not_show_for_a_moment_keeps_its_fence_up(story: Story) -> None:
    with_standby(story)
    notice_that_is_not_heard(story)
    story.passes(60, until=lambda: is_fencing(story), step_seconds=1)
    story.region.unknown.add("i-1")
    story.passes(40)
    seen = (story.roles["i-1"], story.region.serving)
    story.region.unknown.clear()

    story.settles(300)

    assert seen == ("PRIMARY", ["i-1"])
    assert statuses(story) == [COMPLETED]
    assert_rescued(story, "i-2")


def test_one_that_ec2_has_forgotten_is_fenced_once_that_lasts(story: Story) -> None:
    with_standby(story)
    notice_that_is_not_heard(story)
    story.region.machines["i-1"].is_serving = False
    story.region.unknown.add("i-1")
    story.passes(120, until=lambda: is_fencing(story))
    began_at = story.clock.now()

    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    assert 60 <= (story.clock.now() - began_at).total_seconds() < 120
    assert_rescued(story, "i-2")


def test_a_standby_s_daemon_is_asked_where_the_role_is_of_another_account(story: Story) -> None:
    with_standby(story)
    give_control_role(story)
    set_account(story, instance=OURS, role=ANOTHERS)
    story.region.role_account = ANOTHERS
    notice_that_is_not_heard(story)

    story.settles(400)

    assert statuses(story) == [COMPLETED]
    assert describes_of_role(story) == 0
    assert_rescued(story, "i-2")


def test_a_role_of_another_account_ends_no_fence_and_a_person_is_told(story: Story) -> None:
    """The standby cannot ask EC2: the role is all that there is, and it looks where the instance never was."""
    with_standby(story)
    give_control_role(story)
    set_account(story, instance=OURS, role=ANOTHERS)
    story.region.role_account = ANOTHERS
    story.region.machines["i-1"].taken_away_at = None
    notice_that_is_not_heard(story)
    story.region.machines["i-1"].taken_away_at = None
    kill_daemon(story, "i-2")

    story.passes(1200, step_seconds=10)

    assert describes_of_role(story) > 1
    assert (story.roles["i-1"], story.region.serving) == ("PRIMARY", ["i-1"])
    assert story.region.violations == []
    texts = story.fleet.scalars(
        select(notifications.c.text).where(notifications.c.kind.in_({"fence_waits", "switch_failed", "rescue_waits"}))
    )
    assert any("in another account" in text for text in texts), texts


def test_answers_of_the_wrong_account_do_not_count_after_the_role_is_mended(story: Story) -> None:
    with_standby(story)
    give_control_role(story)
    set_account(story, instance=OURS, role=ANOTHERS)
    story.region.role_account = ANOTHERS
    notice_that_is_not_heard(story)
    story.region.machines["i-1"].taken_away_at = None
    kill_daemon(story, "i-2")
    story.passes(150)

    set_account(story, instance=OURS, role=OURS)
    story.passes(40)

    assert (story.roles["i-1"], story.region.serving) == ("PRIMARY", ["i-1"])


@pytest.mark.parametrize("is_forgotten", [False, True], ids=["for-a-moment", "for-good"])
def test_a_resumed_rescue_leaves_a_silent_primary_alone_until_gone_is_believed(story: Story, *, is_forgotten: bool) -> None:
    notice_without_address(story, lead_seconds=1000)
    story.region.machines["i-1"].taken_away_at = None
    gives_up(story)
    story.passes(20)
    story.set_agent(enabled=False)
    story.passes(1500, step_seconds=10)
    kill_daemon(story)
    story.passes(120, step_seconds=10)
    story.region.failures.clear()
    story.set_agent(enabled=True)
    story.region.unknown.add("i-1")
    story.region.machines["i-1"].is_serving = not is_forgotten
    before = len(story.switches())
    story.passes(55, step_seconds=5)
    seen = (len(story.switches()), story.roles["i-1"])
    if not is_forgotten:
        story.region.unknown.clear()

    story.passes(600, step_seconds=5, until=lambda: statuses(story)[-1] is COMPLETED)

    assert seen == (before, "PRIMARY")
    if is_forgotten:
        assert_rescued(story, "i-2")
    else:
        assert (story.region.serving, story.roles["i-1"]) == (["i-1"], "PRIMARY")
        assert told(story)[-1] == "rescue_waits"


def test_the_old_side_does_not_start_while_ec2_does_not_show_a_new_one_that_serves(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", times=100, on="i-2")
    switch = story.switch()
    story.passes(200, until=lambda: story.reload(switch).status is SwitchStatus.ROLLING_BACK, step_seconds=1)
    kill_daemon(story, "i-2")
    story.region.machines["i-2"].is_serving = True
    story.region.unknown.add("i-2")
    story.passes(200, until=lambda: "terminate_instance" in [command.kind for command in story.commands()])

    story.passes(50)
    seen = story.region.serving
    story.region.unknown.clear()
    story.passes(600, until=lambda: not story.reload(switch).is_active)

    assert seen == ["i-2"]
    assert story.region.violations == []
    assert story.region.serving == ["i-1"]


def test_a_retired_instance_that_ec2_does_not_show_for_a_moment_is_ended_all_the_same(story: Story) -> None:
    story.switch()
    story.passes(120, until=lambda: statuses(story)[-1] is COMPLETED)
    story.region.unknown.add("i-1")
    story.passes(90)
    role = story.roles["i-1"]
    story.region.unknown.clear()

    story.settles(400)

    assert role == "ZOMBIE"
    assert story.region.machines["i-1"].state == "terminated"
    assert story.roles["i-1"] == "TERMINATED"
