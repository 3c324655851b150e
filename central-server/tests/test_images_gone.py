"""Images that EC2 has no more: what would be launched from one is launched from another, and a person is told."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from server_support.clock import START, FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import agent_images, instances, notifications
from spot_server.features.images.jobs import refresh_images
from spot_server.features.images.rules import IMAGE_SETTLE_SECONDS, LOOK_GOOD_FOR_SECONDS, ImageLook, is_gone
from spot_server.features.replicas import service
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import ReplicaStatus, SwitchStatus

GONE = "InvalidAMIID.NotFound"
CODES = (GONE, "InvalidAMIID.Unavailable")


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """An agent with state and two images, both settled, the newest ten minutes old."""
    story = Story.on(database, clock, carry="rsync", terminate_wait_seconds=60)
    for image_id in ("ami-old", "ami-new"):
        story.add_image(image_id)
        clock.advance(600)
    story.step()
    return story


def gone(story: Story) -> list[str]:
    """The images that the books call deregistered."""
    return sorted(story.fleet.scalars(select(agent_images.c.image_id).where(agent_images.c.deregistered_at.is_not(None))))


def told(story: Story) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "image_gone"))


def tried(story: Story) -> list[str]:
    return [payload["image_id"] for payload in story.payloads("launch_instance")]


@pytest.mark.parametrize("code", CODES)
def test_a_rescue_goes_on_at_once_from_an_older_image(story: Story, code: str) -> None:
    story.region.images_gone["ami-new"] = code

    story.notice(lead_seconds=120)
    story.settles(400)

    (switch,), (replica,) = story.switches(), story.replicas()
    assert tried(story) == ["ami-new", "ami-old"]
    assert (switch.status, switch.image_id, replica.image_id) == (SwitchStatus.COMPLETED, "ami-old", "ami-old")
    assert gone(story) == ["ami-new"]
    assert len(told(story)) == 1
    assert "ami-new" in told(story)[0]
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_what_the_older_image_lacks_is_what_the_rescue_loses(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce", terminate_wait_seconds=60)
    story.add_image("ami-old")
    old_state_at = clock.now()
    clock.advance(600)
    story.add_image("ami-new")
    clock.advance(600)
    story.step()
    story.region.images_gone["ami-new"] = GONE

    story.notice(lead_seconds=120)
    story.settles(400)

    switch = story.switches()[-1]
    assert (switch.status, switch.image_id, switch.loses_writes_since) == (SwitchStatus.COMPLETED, "ami-old", old_state_at)


def test_without_any_image_left_the_base_image_is_taken_and_after_it_nothing(story: Story) -> None:
    story.set_agent(base_image_id="ami-base")
    story.region.images_gone |= dict.fromkeys(("ami-new", "ami-old", "ami-base"), GONE)

    story.notice(lead_seconds=120)
    story.passes(30)

    assert tried(story)[:3] == ["ami-new", "ami-old", "ami-base"]
    assert story.switches()[0].status is SwitchStatus.FAILED
    assert gone(story) == ["ami-new", "ami-old"]
    assert len(told(story)) == 3


def test_a_stateless_workload_falls_back_to_the_image_of_its_own_primary(story: Story) -> None:
    story.set_agent(carry="stateless", base_image_id="ami-base")
    story.region.images_gone |= dict.fromkeys(("ami-new", "ami-old", "ami-base"), GONE)

    story.notice(lead_seconds=120)
    story.settles(400)

    assert tried(story) == ["ami-new", "ami-old", "ami-base", "ami-own"]
    assert [switch.status for switch in story.switches()] == [SwitchStatus.COMPLETED]


@pytest.mark.parametrize("code", CODES)
def test_an_image_that_ec2_does_not_show_yet_is_waited_for_and_stays_in_the_books(story: Story, code: str) -> None:
    story.add_image("ami-just-made")
    story.region.images_gone["ami-just-made"] = code
    story.notice(lead_seconds=120)
    story.passes(20)
    del story.region.images_gone["ami-just-made"]

    story.settles(400)

    assert (gone(story), told(story)) == ([], [])
    assert len(tried(story)) > 1
    assert set(tried(story)) == {"ami-just-made"}
    assert [switch.status for switch in story.switches()] == [SwitchStatus.COMPLETED]


def test_a_standby_is_made_from_another_image(story: Story) -> None:
    story.region.images_gone["ami-new"] = GONE
    act = partial(service.request_replica, request_id="request-1", user_id="tester", wish={})
    story.database.write(lambda tx: act(tx, story.fleet.client_id, story.agent_id))

    replica = story.gets_ready()

    assert (replica.image_id, len(story.replicas())) == ("ami-old", 1)


def test_a_planned_move_is_taken_back_rather_than_made_from_an_older_image(story: Story) -> None:
    story.set_agent(carry="stateless", create_snapshot_on_switch=False)
    story.region.images_gone["ami-new"] = GONE

    story.switch()
    story.passes(60)

    assert story.switches()[0].status is SwitchStatus.ROLLED_BACK
    assert story.replicas()[0].status is ReplicaStatus.FAILED
    assert (tried(story), gone(story)) == (["ami-new"], ["ami-new"])
    assert story.region.serving == ["i-1"]


# What daemons see.


def look(story: Story, *shown: tuple[str, str], **resources: Any) -> str:
    """The primary's daemon reports these images, and the round that follows."""
    images = [{"image_id": image_id, "state": state} for image_id, state in shown]
    seen = {"instances": [], "images": images, "volumes": [], "age_seconds": 0, "truncated": False, **resources}
    values = {"reported_resources": seen, "last_heartbeat_at": story.clock.now()}
    story.fleet.execute(update(instances).where(instances.c.instance_id == "i-1").values(values))
    return refresh_images(JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger()))


def test_an_image_that_a_daemon_no_longer_sees_is_left_out_before_it_is_needed_and_told_once(story: Story) -> None:
    said = look(story, ("ami-old", "available"))
    look(story, ("ami-old", "available"))

    story.notice(lead_seconds=120)
    story.settles(400)

    assert "ami-new gone" in said
    assert gone(story) == ["ami-new"]
    assert len(told(story)) == 1
    assert tried(story) == ["ami-old"]


def test_an_image_that_ec2_shows_as_deregistered_is_left_out_also_by_a_look_that_was_cut(story: Story) -> None:
    look(story, ("ami-new", "deregistered"), truncated=True)

    assert gone(story) == ["ami-new"]


@pytest.mark.parametrize(
    "resources",
    [
        {"truncated": True},
        {"age_seconds": None},
        {"age_seconds": 601},
        {"age_seconds": 1},
        {"images": None},
        {"images": [{"name": "who knows"}]},
    ],
    ids=["cut", "ageless", "old", "just-made", "unsaid", "nonsense"],
)
def test_a_look_that_cannot_tell_leaves_the_books_as_they_are(story: Story, resources: dict[str, Any]) -> None:
    # The newest image is ten minutes old to the second, and the other one is shown wherever the look is one.
    look(story, ("ami-old", "available"), **resources)

    assert (gone(story), told(story)) == ([], [])


seconds = st.floats(0, 5000).map(lambda value: timedelta(seconds=value))


@given(seconds, seconds, st.sampled_from(["available", "pending", "deregistered", None]), st.booleans())
def test_only_a_late_complete_look_or_ec2s_own_word_makes_an_image_gone(
    made_before: timedelta, seen_before: timedelta, state: str | None, is_complete: bool
) -> None:
    seen = ImageLook(START - seen_before, {} if state is None else {"ami-1": state}, is_complete)

    says_gone = is_gone("ami-1", seen.seen_at - made_before, seen, START)

    is_missed = state is None and is_complete and made_before.total_seconds() >= IMAGE_SETTLE_SECONDS
    assert says_gone == ((state == "deregistered" or is_missed) and seen_before.total_seconds() <= LOOK_GOOD_FOR_SECONDS)
