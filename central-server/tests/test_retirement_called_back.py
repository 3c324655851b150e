"""Auto-terminate is turned off while the old instance is being retired: at any moment, whatever was asked for by then."""

from __future__ import annotations

import pytest

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.words import CommandKind, StepName, StepStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """i-1, which we did not launch, is old and about to be retired."""
    told = Story.on(database, clock, terminate_wait_seconds=60)
    told.switch()
    told.passes(200, until=lambda: told.active() is None)
    return told


def retired(story: Story) -> StepStatus:
    return story.steps(story.switches()[-1])[StepName.RETIRE].status


def switch_off(story: Story) -> None:
    story.set_agent(auto_terminate_enabled=False)
    story.passes(300)


def assert_kept(story: Story, instance_id: str = "i-1") -> None:
    assert story.region.machines[instance_id].state == "running"
    assert story.fleet.instance(story.agent, instance_id).is_retained
    assert retired(story) is StepStatus.SKIPPED


def test_while_the_final_image_is_made_nothing_is_asked_for_that_could_end_the_instance(story: Story) -> None:
    story.region.fail(CommandKind.CREATE_IMAGE, None, times=99, takes_effect=True)
    story.passes(120, until=lambda: story.region.final_images == ["i-1"])

    switch_off(story)

    assert story.region.final_images == ["i-1"]
    assert story.issued("terminate_instance") == []
    assert_kept(story)


def test_a_final_image_that_is_answered_after_it_was_called_back_ends_nothing(story: Story) -> None:
    story.region.fail(CommandKind.CREATE_IMAGE, None, times=1, takes_effect=True)
    story.passes(120, until=lambda: story.region.final_images == ["i-1"])
    (command,) = [one for one in story.commands() if one.request_id.startswith("final_image/")]
    story.set_agent(auto_terminate_enabled=False)
    story.sweep()

    story.execute(story.region.machines["i-2"], command)
    story.passes(300)

    assert story.issued("terminate_instance") == []
    assert_kept(story)


def test_a_termination_that_nobody_has_begun_is_taken_back_at_once(story: Story) -> None:
    story.passes(120, until=lambda: story.region.final_images == ["i-1"])
    for _ in range(20):
        if story.issued("terminate_instance"):
            break
        story.clock.advance(1)
        story.sweep()
    asked = story.issued("terminate_instance")
    story.set_agent(auto_terminate_enabled=False)

    story.sweep()

    assert asked == ["i-2"]
    assert_kept(story)
    story.passes(300)
    assert story.region.kinds(CommandKind.TERMINATE_INSTANCE) == []


@pytest.mark.parametrize("was_carried_out", [False, True])
def test_of_a_termination_that_was_begun_and_not_answered_ec2s_word_decides(story: Story, was_carried_out: bool) -> None:
    story.region.fail(CommandKind.TERMINATE_INSTANCE, None, times=99, takes_effect=was_carried_out)
    story.passes(200, until=lambda: any(one.first_delivered_at for one in story.commands() if one.kind is CommandKind.TERMINATE_INSTANCE))
    story.set_agent(auto_terminate_enabled=False)
    story.passes(20)
    early = retired(story)

    story.passes(300)

    if was_carried_out:
        assert (retired(story), story.roles["i-1"]) == (StepStatus.DONE, "TERMINATED")
        assert not story.fleet.instance(story.agent, "i-1").is_retained
    else:
        assert early is StepStatus.RUNNING
        assert_kept(story)
    assert len(story.issued("terminate_instance")) == 1


def test_turned_on_again_before_it_is_kept_the_retirement_goes_on(story: Story) -> None:
    story.region.fail(CommandKind.TERMINATE_INSTANCE, None, times=1)
    story.passes(200, until=lambda: bool(story.issued("terminate_instance")))
    story.step()
    story.set_agent(auto_terminate_enabled=False)
    story.passes(10)

    story.set_agent(auto_terminate_enabled=True)
    story.settles(400)

    assert (retired(story), story.roles["i-1"]) == (StepStatus.DONE, "TERMINATED")
