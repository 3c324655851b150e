"""A move from an older image says which writes it loses: in its answer, in an event, and to the client."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.rescues import refuse_every_place
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import events, notifications
from spot_server.features.switches.promotions import Accepted
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.schemas import SwitchAnswer
from spot_server.words import CommandKind, StepName, SwitchStatus

AN_HOUR = 3600


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """An agent with state, whose newest image is an hour old."""
    story = Story.on(database, clock, has_image=True, carry="image_after_quiesce", terminate_wait_seconds=60)
    clock.advance(AN_HOUR)
    story.step()
    return story


def told(story: Story) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "writes_lost"))


def loss_events(story: Story) -> list[dict[str, object]]:
    return story.fleet.scalars(select(events.c.data).where(events.c.kind == "loss_window"))


def assert_nothing_lost(story: Story, switch: Switch) -> None:
    now = story.reload(switch)
    assert (now.loses_writes_since, now.loss_window_seconds) == (None, None)
    assert told(story) == []
    assert loss_events(story) == []


def test_a_rescue_from_an_older_image_says_what_it_loses(story: Story) -> None:
    image = story.newest_image()
    assert image is not None

    story.notice()

    switch = story.switches()[0]
    window_seconds = (switch.initiated_at - image.started_at).total_seconds()
    assert window_seconds >= AN_HOUR
    assert (switch.loses_writes_since, switch.loss_window_seconds) == (image.started_at, round(window_seconds))
    assert [(event["switch_id"], event["loss_window_seconds"]) for event in loss_events(story)] == [
        (switch.switch_id, round(window_seconds))
    ]
    (text,) = told(story)
    assert image.image_id in text
    assert image.started_at.isoformat() in text


def test_the_answer_of_a_switch_names_the_loss(story: Story) -> None:
    story.notice()

    switch = story.switches()[0]

    answer = SwitchAnswer().dump(switch)
    assert answer["loses_writes_since"] is not None
    assert answer["loss_window_seconds"] == switch.loss_window_seconds


def test_a_rescue_to_a_standby_loses_what_came_after_the_standby_s_image(story: Story, clock: FakeClock) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.gets_ready()
    made_from = story.newest_image()
    assert made_from is not None
    clock.advance(AN_HOUR)
    story.step()
    story.add_image("ami-newer")

    story.notice()

    switch = story.switches()[0]
    assert switch.replica_id == story.replicas()[0].replica_id
    assert switch.loses_writes_since == made_from.started_at


def test_a_rescue_from_an_image_without_the_agent_s_state_loses_everything(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce", base_image_id="ami-base")
    clock.advance(AN_HOUR)

    story.notice()

    assert story.switches()[0].loses_writes_since == story.agent.created_at


def test_a_stateless_agent_has_nothing_to_lose(story: Story) -> None:
    story.set_agent(carry="stateless")

    story.notice()

    assert_nothing_lost(story, story.switches()[0])


def test_a_planned_move_that_takes_its_image_after_the_workload_stopped_loses_nothing(story: Story) -> None:
    switch = story.switch()

    story.settles(300)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert_nothing_lost(story, switch)


def test_a_planned_move_that_a_notice_makes_go_on_from_the_older_image_says_so(story: Story) -> None:
    image = story.newest_image()
    assert image is not None
    story.region.fail(CommandKind.CREATE_IMAGE, None, times=99)
    switch = story.switch()
    story.passes(60, until=lambda: bool(story.issued("create_image")))

    story.notice()
    story.settles(400)

    adopted = story.reload(switch)
    assert adopted.status is SwitchStatus.COMPLETED
    assert adopted.loses_writes_since == image.started_at
    assert len(told(story)) == 1


def test_an_image_that_was_taken_while_the_old_instance_still_served_lacks_what_came_after_it(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce", terminate_wait_seconds=60)
    story.region.fail(CommandKind.QUIESCE, None, times=99)
    switch = story.switch()
    story.passes(20, until=lambda: bool(story.issued("quiesce")))

    story.notice(lead_seconds=200)
    story.passes(200, until=lambda: bool(story.replicas()))

    image = story.newest_image()
    assert image is not None
    assert story.steps(switch)[StepName.QUIESCE].status.value == "skipped"
    assert story.reload(switch).loses_writes_since == image.started_at


def test_a_person_s_promotion_keeps_what_the_person_accepted_and_tells_nobody_again(story: Story) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    replica = story.gets_ready()
    image = story.newest_image()
    assert image is not None

    switch = story.promote(replica.replica_id, accepts=Accepted(loss=True))

    assert switch.loses_writes_since == image.started_at
    assert told(story) == []


def test_rescues_that_follow_one_another_from_one_image_tell_of_it_once(story: Story) -> None:
    refuse_every_place(story)

    story.notice()
    story.settles(150)

    assert [switch.status for switch in story.switches()] == [SwitchStatus.FAILED] * 3
    assert all(switch.loses_writes_since is not None for switch in story.switches())
    assert len(told(story)) == 1


def test_the_window_is_that_of_the_decision_and_does_not_grow(story: Story) -> None:
    story.notice()
    decided = story.switches()[0].loss_window_seconds

    story.settles(400)

    switch = story.switches()[0]
    assert switch.completed_at is not None
    assert switch.completed_at > switch.initiated_at + timedelta(seconds=5)
    assert switch.loss_window_seconds == decided
