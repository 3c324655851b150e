"""An instance is lost while its first image is being made: EC2 completes the image, and the daemon that asked for it is gone."""

from __future__ import annotations

import pytest
import structlog

from server_support.clock import FakeClock
from server_support.rescues import assert_rescued, give_control_role, gives_up
from server_support.silences import is_completed, listens
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.commands.queries import Command
from spot_server.features.images.jobs import refresh_images
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import Actor, CommandKind, CommandStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """An agent with state, an hour old, of which there is no image."""
    story = Story.on(database, clock, carry="rsync", terminate_wait_seconds=60)
    clock.advance(3600)
    story.step()
    return story


def refresh(story: Story) -> str:
    return refresh_images(JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger()))


def asked(story: Story) -> list[Command]:
    return [one for one in story.commands() if one.request_id.startswith("refresh_image/")]


def is_lost_while_its_image_is_made(story: Story, *, takes_effect: bool = True) -> None:
    """`takes_effect`: whether EC2 had begun the image when the instance was lost."""
    listens(story)
    story.region.fail(CommandKind.CREATE_IMAGE, None, takes_effect=takes_effect)
    refresh(story)
    story.step()
    story.region.lose("i-1")
    gives_up(story)


def rounds(story: Story, seconds: float) -> None:
    """Let time pass, with a look for images every minute."""
    for _ in range(int(seconds / 60)):
        refresh(story)
        story.passes(60, until=is_completed(story), step_seconds=10)


def test_the_control_role_finds_the_image_by_its_name_and_the_rescue_goes_on_from_it(story: Story) -> None:
    give_control_role(story)
    is_lost_while_its_image_is_made(story)
    begun = dict(story.region.image_by_name)

    rounds(story, 900)

    launched = story.payloads(CommandKind.LAUNCH_INSTANCE)
    assert [one.actor for one in asked(story)] == [Actor.DAEMON, Actor.CONTROL_ROLE]
    assert story.region.image_by_name == begun
    assert [payload["image_id"] for payload in launched] == list(begun.values())
    assert story.switches()[-1].status is SwitchStatus.COMPLETED
    assert_rescued(story, to="i-2")


def test_an_image_that_ec2_never_began_is_looked_for_once(story: Story) -> None:
    give_control_role(story)
    is_lost_while_its_image_is_made(story, takes_effect=False)

    rounds(story, 900)

    assert [(one.actor, one.status) for one in asked(story)][1:] == [(Actor.CONTROL_ROLE, CommandStatus.FAILED)]
    assert story.payloads(CommandKind.LAUNCH_INSTANCE) == []


def test_without_a_control_role_nobody_can_look(story: Story) -> None:
    listens(story)
    story.region.fail(CommandKind.CREATE_IMAGE, None, takes_effect=True)
    refresh(story)
    story.step()
    story.notice(lead_seconds=0)
    story.region.lose("i-1")

    rounds(story, 900)

    assert [one.actor for one in asked(story)] == [Actor.DAEMON]


def test_who_has_another_image_does_not_wait_for_one(story: Story) -> None:
    give_control_role(story)
    story.add_image("ami-older")
    listens(story)

    story.region.lose("i-1")
    rounds(story, 600)

    assert [payload["image_id"] for payload in story.payloads(CommandKind.LAUNCH_INSTANCE)] == ["ami-older"]
    assert asked(story) == []


def makes_an_image_after_all(story: Story) -> None:
    """Its only image is deregistered when a notice comes; what EC2 makes of the disk before its end is completed after it."""
    give_control_role(story)
    story.add_image("ami-only")
    listens(story)
    story.region.images_gone["ami-only"] = "InvalidAMIID.NotFound"


def test_a_notice_that_finds_no_image_any_more_has_one_made_while_the_instance_is_there(story: Story) -> None:
    makes_an_image_after_all(story)

    story.notice(lead_seconds=100)
    story.passes(30)
    before_its_end = [one.kind for one in asked(story)]
    rounds(story, 1200)

    made = list(story.region.image_by_name.values())
    assert before_its_end == [CommandKind.CREATE_IMAGE]
    assert [payload["image_id"] for payload in story.payloads(CommandKind.LAUNCH_INSTANCE)] == ["ami-only", *made]
    assert_rescued(story, to="i-2")


def test_what_the_dying_instance_was_asked_for_is_found_though_it_never_answered(story: Story) -> None:
    makes_an_image_after_all(story)
    story.region.fail(CommandKind.CREATE_IMAGE, None, takes_effect=True, times=99)
    story.notice(lead_seconds=20)
    story.passes(60)
    story.region.failures.clear()

    rounds(story, 2400)

    assert [one.actor for one in asked(story)] == [Actor.DAEMON, Actor.CONTROL_ROLE]
    assert_rescued(story, to="i-2")


def test_a_notice_before_the_first_image_was_due_has_it_made_at_once(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce", terminate_wait_seconds=60)
    give_control_role(story)
    listens(story)

    story.notice(lead_seconds=100)
    rounds(story, 1200)

    assert_rescued(story, to="i-2")


def test_an_agent_that_was_disabled_meanwhile_is_left_alone(story: Story) -> None:
    makes_an_image_after_all(story)
    story.set_agent(enabled=False)

    story.notice(lead_seconds=100)
    rounds(story, 600)

    assert asked(story) == []
