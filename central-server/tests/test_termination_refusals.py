"""Nothing is terminated that holds a traffic handle or is not ours, whatever the book says; a person hears of it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.story import ADDRESS, Story
from spot_server.db.runner import Database
from spot_server.db.tables import notifications
from spot_server.words import CommandKind, StepName, StepStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """i-1, which we did not launch, is old and about to be retired."""
    told = Story.on(database, clock, terminate_wait_seconds=60)
    told.switch()
    told.passes(200, until=lambda: told.active() is None)
    return told


def told(story: Story, kind: str = "termination_refused") -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind).order_by(notifications.c.created_at))


def test_an_old_instance_to_which_a_person_moved_the_address_back_stays(story: Story) -> None:
    story.region.address_of[ADDRESS] = "i-1"

    story.passes(400, step_seconds=5)

    step = story.steps(story.switches()[0])[StepName.RETIRE]
    assert story.region.machines["i-1"].state == "running"
    assert len(story.issued("terminate_instance")) >= 3
    assert step.status is StepStatus.RUNNING
    assert "holds_handle" in str((step.outcome or {})["note"])
    assert len(told(story)) == 1
    assert "i-1 of web-1 is not terminated" in told(story)[0]
    assert "turn auto-terminate off to keep the instance" in told(story)[0]


def test_it_goes_when_the_address_has_left_it_again(story: Story) -> None:
    story.region.address_of[ADDRESS] = "i-1"
    story.passes(300, step_seconds=5)
    story.region.address_of[ADDRESS] = "i-2"

    story.settles(2000, step_seconds=10)

    assert story.roles["i-1"] == "TERMINATED"
    assert story.steps(story.switches()[0])[StepName.RETIRE].status is StepStatus.DONE


def test_the_handle_of_the_move_counts_also_when_the_agent_has_another_by_now(story: Story) -> None:
    story.set_agent(traffic_handles=[{"kind": "elastic_ip", "allocation_id": "eipalloc-2"}])
    story.region.address_of[ADDRESS] = "i-1"

    story.passes(200)

    assert story.region.machines["i-1"].state == "running"
    assert story.payloads("terminate_instance")[0]["handle_allocation_ids"] == [ADDRESS, "eipalloc-2"]


def test_an_instance_that_lost_its_tags_stays_and_a_person_is_told_once_a_day(story: Story) -> None:
    story.region.machines["i-1"].tags = {}

    story.passes(3600 * 30, step_seconds=1800)

    assert story.region.machines["i-1"].state == "running"
    assert len(told(story)) == 2
    assert "not_ours" in told(story)[0]
    assert "Set these tags" in told(story)[0]


def test_a_replica_that_is_given_up_stays_while_the_address_leads_to_it(story: Story) -> None:
    story.settles(300)
    undone = story.switch("request-2")
    story.passes(200, until=lambda: "i-3" in story.region.machines)
    story.region.address_of[ADDRESS] = "i-3"
    story.cancel(undone)
    story.passes(200)
    state_then = story.region.machines["i-3"].state
    story.region.address_of[ADDRESS] = "i-2"

    story.settles(2000, step_seconds=10)

    assert state_then == "running"
    assert story.region.machines["i-3"].state == "terminated"
    assert len(told(story)) == 1


def announced_in_vain(database: Database, clock: FakeClock) -> Story:
    """EC2 announces the end of the primary and does not bring it about, nor does its workload stop: only a termination is a fence."""
    told = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1)
    told.gets_ready()
    told.region.fail(CommandKind.QUIESCE, None, times=99)
    told.notice(lead_seconds=60)
    told.region.machines["i-1"].taken_away_at = None
    return told


def test_the_old_side_of_a_fence_is_ended_although_it_holds_the_address(database: Database, clock: FakeClock) -> None:
    story = announced_in_vain(database, clock)

    story.passes(400, until=lambda: story.active() is None)

    # The first instance of an agent is none of our making: its data volumes are kept where that may be.
    assert story.payloads("terminate_instance") == [{"instance_id": "i-1", "keep_data_volumes": True, "end_unkept": True}]
    assert (story.region.machines["i-1"].state, story.region.serving) == ("terminated", ["i-2"])


def test_the_old_side_of_a_fence_that_is_not_ours_is_left_to_a_person(database: Database, clock: FakeClock) -> None:
    story = announced_in_vain(database, clock)
    story.region.machines["i-1"].tags = {}

    story.passes(200)

    assert (story.region.machines["i-1"].state, story.region.serving) == ("running", ["i-1"])
    assert len(told(story)) == 1


def test_an_instance_that_somebody_ended_needs_no_final_image(story: Story) -> None:
    story.region.lose("i-1")

    story.settles(400)

    assert story.region.final_images == []
    assert story.roles["i-1"] == "TERMINATED"
    assert story.steps(story.switches()[0])[StepName.RETIRE].status is StepStatus.DONE


def test_an_instance_that_somebody_ends_after_its_image_was_refused_is_found_to_be_gone(story: Story) -> None:
    story.region.fail(CommandKind.CREATE_IMAGE, "not_authorized", times=99)
    story.passes(120, until=lambda: bool(told(story, "final_image_failed")))
    story.region.lose("i-1")

    story.settles(2000, step_seconds=10)

    assert (story.roles["i-1"], story.issued("terminate_instance")) == ("TERMINATED", [])


def test_without_a_final_image_the_instance_stays_and_a_person_is_told(story: Story) -> None:
    story.region.fail(CommandKind.CREATE_IMAGE, "not_authorized", times=99)

    story.passes(1900, step_seconds=10)

    assert story.issued("terminate_instance") == []
    assert story.region.machines["i-1"].state == "running"
    assert len(told(story, "final_image_failed")) == 1


def test_a_final_image_is_no_state_to_launch_from(story: Story) -> None:
    before = story.newest_image()

    story.settles(400)

    assert story.region.final_images == ["i-1"]
    assert story.newest_image() == before
