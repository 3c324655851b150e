"""A rescue that gave up, and what people and others do at the same time."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.rescues import (
    ALWAYS,
    COMPLETED,
    FAILED,
    ROLLED_BACK,
    assert_rescued,
    given_up,
    gives_up,
    notice_without_address,
    racing_story,
    refuse_every_place,
    statuses,
)
from server_support.story import Story
from spot_server.db.tables import switches
from spot_server.features.recoveries.service import resume_rescue
from spot_server.words import CommandKind, StepName

A_MINUTE = 60


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    return racing_story(engine, clock)


def test_a_disabled_agent_is_not_rescued_again_until_it_is_enabled(story: Story) -> None:
    notice_without_address(story, lead_seconds=30)
    gives_up(story)
    story.region.failures.clear()
    story.set_agent(enabled=False)
    story.passes(900, step_seconds=10)
    disabled = len(story.switches())

    story.set_agent(enabled=True)
    story.passes(120, until=lambda: statuses(story)[-1] is COMPLETED)

    assert disabled == 3
    assert_rescued(story, "i-2")


def test_a_person_s_move_that_fails_as_well_does_not_end_the_rescue(story: Story) -> None:
    refuse_every_place(story)
    story.notice(lead_seconds=600)
    gives_up(story)
    story.region.fail(CommandKind.CREATE_IMAGE, "not_authorized")
    story.switch()
    story.passes(30, until=lambda: story.active() is None)
    after_person = statuses(story)
    story.region.refused_places.clear()

    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    assert after_person == [FAILED, FAILED, FAILED, ROLLED_BACK]
    assert_rescued(story, story.switches()[-1].to_instance_id or "")


def test_a_person_s_move_that_comes_off_ends_the_rescue(story: Story) -> None:
    refuse_every_place(story)
    story.notice(lead_seconds=600)
    gives_up(story)
    story.region.refused_places.clear()
    story.switch()

    story.passes(50, until=lambda: story.active() is None)
    story.passes(300)

    assert statuses(story) == [FAILED, FAILED, FAILED, COMPLETED]
    assert given_up(story) is None


def test_a_deleted_agent_is_left_in_peace(story: Story) -> None:
    refuse_every_place(story)
    story.notice(lead_seconds=600)
    gives_up(story)
    story.fleet.delete(story.agent)
    story.region.refused_places.clear()

    story.passes(300)

    assert len(story.switches()) == 3


def test_many_jobs_at_once_open_one_rescue(story: Story) -> None:
    refuse_every_place(story)
    story.notice(lead_seconds=600)
    gave_up = gives_up(story)
    story.region.refused_places.clear()
    story.clock.advance(A_MINUTE + 1)
    story.fleet.note_heartbeats(story.clock.now())

    at_once([lambda: story.database.write(lambda tx: resume_rescue(tx, switch_id=gave_up.switch_id))] * 4)
    story.passes(200, until=lambda: statuses(story)[-1] is COMPLETED)

    assert statuses(story) == [FAILED, FAILED, FAILED, COMPLETED]
    assert story.region.serving == [story.switches()[-1].to_instance_id]
    assert story.region.violations == []


def test_a_new_notice_and_the_job_at_once_open_one_rescue(story: Story) -> None:
    refuse_every_place(story)
    story.notice(lead_seconds=600)
    gave_up = gives_up(story)
    story.region.refused_places.clear()
    story.clock.advance(A_MINUTE + 1)
    story.fleet.note_heartbeats(story.clock.now())

    resume = lambda: story.database.write(lambda tx: resume_rescue(tx, switch_id=gave_up.switch_id))  # noqa: E731
    at_once([resume, lambda: story.notice(lead_seconds=300, notice_id="notice-second"), resume])
    story.passes(200, until=lambda: statuses(story)[-1] is COMPLETED)

    assert statuses(story) == [FAILED, FAILED, FAILED, COMPLETED]
    assert given_up(story) is None
    assert story.region.violations == []


def test_a_rescue_is_not_resumed_while_another_move_runs(story: Story) -> None:
    refuse_every_place(story)
    story.notice(lead_seconds=600)
    gave_up = gives_up(story)
    story.region.refused_places.clear()
    story.region.fail(CommandKind.CREATE_IMAGE, None, times=ALWAYS)
    person = story.switch()

    story.passes(200)

    assert story.active() is not None
    assert [switch.switch_id for switch in story.switches()][3:] == [person.switch_id]
    assert story.reload(gave_up).resume_at is not None


def test_there_is_one_rescue_to_resume_at_most(story: Story) -> None:
    """A notice on top of a rescue that gave up begins another, which gives up as well."""
    refuse_every_place(story)
    story.notice(lead_seconds=600)
    gives_up(story)

    story.notice(lead_seconds=500, notice_id="notice-second")
    story.passes(150, until=lambda: len(story.switches()) >= 6 and story.active() is None)

    waiting = story.fleet.scalars(select(switches.c.switch_id).where(switches.c.resume_at.is_not(None)))
    assert len(waiting) == 1


def test_a_step_of_a_rescue_that_gave_up_is_never_carried_out_late(story: Story) -> None:
    """Its commands are closed with it, and what was delivered runs into the next quiesce or fence."""
    notice_without_address(story, lead_seconds=200)
    gave_up = gives_up(story)

    commands = [command for command in story.commands() if command.switch_id == gave_up.switch_id]

    assert commands
    assert not any(command.is_open for command in commands)
    assert story.steps(gave_up)[StepName.PROMOTE].status.value == "pending"
