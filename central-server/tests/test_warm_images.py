"""Images that are made in the background, before anybody needs them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import structlog
from sqlalchemy import select, update

from server_support.builders import an_image
from server_support.clock import FakeClock
from server_support.rescues import give_control_role, with_standby
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import events, notifications, switches
from spot_server.features.agent_config.service import Intervals, read_daemon_config
from spot_server.features.agents.guarantee_rules import FailoverFrom
from spot_server.features.agents.service import read_agent
from spot_server.features.cleanups.service import record_cleanup
from spot_server.features.commands.actors import CONTROL_ROLE_INSTANCE_ID
from spot_server.features.commands.queries import Command
from spot_server.features.images.jobs import refresh_images
from spot_server.features.replicas.image_queries import available_images, best_image, store_image
from spot_server.features.replicas.image_rules import AgentImage, Purpose
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import CommandKind, CommandStatus, ImageConsistency, InterruptionKind, SwitchStatus

AN_HOUR = 3600.0
A_DAY = 24 * AN_HOUR


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """An agent with state, an hour old, of which there is no image."""
    story = Story.on(database, clock, carry="rsync", terminate_wait_seconds=60)
    clock.advance(AN_HOUR)
    story.step()
    return story


def refresh(story: Story, metrics: Metrics | None = None) -> str:
    return refresh_images(JobContext(story.database, story.clock, Settings(), metrics or Metrics(), structlog.get_logger()))


def images(story: Story) -> list[AgentImage]:
    return story.database.read(lambda tx: available_images(tx, story.agent_id))


def asked(story: Story) -> list[Command]:
    return [one for one in story.commands() if one.request_id.startswith("refresh_image/")]


def told(story: Story, kind: str) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))


def add(story: Story, image_id: str, age_seconds: float, **members: Any) -> None:
    owner = {"agent_id": story.agent_id, "client_id": story.fleet.client_id}

    def store(tx: Any) -> None:
        store_image(tx, an_image(image_id, tx.now - timedelta(seconds=age_seconds), **owner, **members))

    story.database.write(store)


def test_an_agent_with_state_gets_its_first_image_soon_after_it_registered(story: Story) -> None:
    guarantee = partial(read_agent, client_id=story.fleet.client_id, agent_id=story.agent_id)
    before = story.database.read(guarantee).guarantee

    refresh(story)
    story.step()

    (image,) = images(story)
    after = story.database.read(guarantee).guarantee
    assert (before.failover_from, after.failover_from) == (FailoverFrom.NOTHING, FailoverFrom.LAUNCH)
    assert after.image is not None
    assert (after.image.image_id, after.image.has_booted) == (image.image_id, False)
    assert after.lost_if_gone_since == image.started_at


def test_the_first_image_waits_until_the_workload_had_time_to_start(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="rsync")

    clock.advance(30)
    story.step()
    refresh(story)

    assert asked(story) == []


def test_a_stateless_agent_needs_none_and_a_person_can_want_none(story: Story) -> None:
    story.set_agent(carry="stateless")
    refresh(story)
    story.set_agent(carry="rsync", image_refresh_hours=0)
    refresh(story)

    assert asked(story) == []


def test_the_next_image_is_made_when_the_newest_is_as_old_as_was_wanted(story: Story) -> None:
    refresh(story)
    story.step()
    story.clock.advance(0.85 * A_DAY)
    story.step()
    refresh(story)
    young = len(asked(story))
    story.clock.advance(0.15 * A_DAY)
    story.step()
    refresh(story)
    story.step()

    assert young == 1
    assert len(images(story)) == 2
    assert len({one.image_name for one in images(story)}) == 2


def test_one_image_is_asked_for_however_often_the_round_comes_by(story: Story) -> None:
    for _ in range(5):
        refresh(story)

    assert len(asked(story)) == 1


def test_an_image_that_is_asked_for_again_has_the_same_name_so_that_ec2_makes_one(story: Story) -> None:
    story.region.fail(CommandKind.CREATE_IMAGE, "throttled")
    refresh(story)
    story.step()
    story.clock.advance(60)
    story.step()
    refresh(story)
    story.step()

    first, second = asked(story)
    assert first.status is CommandStatus.FAILED
    assert first.payload["image_name"] == second.payload["image_name"]
    assert len(images(story)) == 1


def test_an_image_that_ec2_could_not_make_is_made_under_another_name(story: Story) -> None:
    refresh(story)
    (first,) = asked(story)
    error = {"class": "unexpected", "code": "image_failed", "message": "ami-1 is failed"}
    story.post("i-1", first, {"outcome": "failed", "error": error, "result": {}})
    story.clock.advance(60)
    story.step()
    refresh(story)

    assert asked(story)[1].payload["image_name"] == first.payload["image_name"] + "-2"


def test_a_person_is_told_once_when_no_image_can_be_made(story: Story) -> None:
    story.region.fail(CommandKind.CREATE_IMAGE, "unexpected", times=99)
    for _ in range(12):
        refresh(story)
        story.step()
        story.clock.advance(600)
        story.step()

    assert len(told(story, "image_not_refreshed")) == 1


def test_a_daemon_that_may_not_make_images_leaves_them_to_the_control_role(story: Story) -> None:
    give_control_role(story)
    story.region.fail(CommandKind.CREATE_IMAGE, "not_authorized", on="i-1")
    refresh(story)
    story.step()
    story.clock.advance(60)
    story.step()
    refresh(story)

    assert [one.instance_id for one in asked(story)] == ["i-1", CONTROL_ROLE_INSTANCE_ID]


def test_no_image_is_made_while_a_move_is_under_way(story: Story) -> None:
    add(story, "ami-old", 2 * A_DAY)
    story.switch()

    refresh(story)

    assert asked(story) == []


def test_a_move_takes_back_an_image_that_nobody_has_begun(story: Story) -> None:
    add(story, "ami-old", 2 * A_DAY)
    refresh(story)

    story.switch()

    assert [one.status for one in asked(story)] == [CommandStatus.CANCELLED]


def test_an_image_that_a_move_overtook_is_remembered_when_it_is_done(story: Story) -> None:
    add(story, "ami-old", 2 * A_DAY)
    refresh(story)
    (command,) = story.pending("i-1")
    story.notice(lead_seconds=120)
    result = {"image_id": "ami-late", "snapshot_ids": ["snap-1"], "started_at": story.clock.now().isoformat()}

    story.post("i-1", command, {"outcome": "succeeded", "error": None, "result": result})

    assert "ami-late" in {one.image_id for one in images(story)}
    active = story.active()
    assert active is not None
    assert active.image_id == "ami-old"


def test_no_image_is_made_under_a_notice_or_within_the_hold_of_a_recommendation(story: Story) -> None:
    add(story, "ami-old", 2 * A_DAY)
    story.set_agent(enabled=False)
    story.notice(kind=InterruptionKind.REBALANCE)
    story.set_agent(enabled=True)

    refresh(story)
    held = len(asked(story))
    story.clock.advance(1801)
    story.step()
    refresh(story)

    assert (held, len(asked(story))) == (0, 1)


def test_no_image_is_made_of_a_primary_that_ec2_is_about_to_take(story: Story) -> None:
    add(story, "ami-old", 2 * A_DAY)
    story.set_agent(enabled=False)
    story.notice(lead_seconds=120)
    story.set_agent(enabled=True)

    refresh(story)

    assert asked(story) == []


def test_no_image_is_made_while_a_rescue_is_to_be_taken_up_again(story: Story) -> None:
    switch = story.switch()
    story.settles(300)
    add(story, "ami-newer", 0)
    story.clock.advance(2 * A_DAY)
    given_up = {"status": SwitchStatus.FAILED, "resume_at": story.clock.now() + timedelta(hours=1)}
    story.fleet.execute(update(switches).where(switches.c.switch_id == switch.switch_id).values(**given_up))
    story.step()

    refresh(story)

    assert asked(story) == []


def test_a_rescue_launches_from_the_newest_image_that_has_booted_and_waits_for_none(story: Story) -> None:
    add(story, "ami-booted", 2 * A_DAY, has_booted=True)
    add(story, "ami-newer", A_DAY)

    story.notice(lead_seconds=120)
    story.step()

    launched = story.payloads(CommandKind.LAUNCH_INSTANCE)
    assert [payload["image_id"] for payload in launched] == ["ami-booted"]
    assert story.payloads(CommandKind.CREATE_IMAGE) == []


def test_a_rescue_takes_the_newest_image_where_none_has_booted_and_says_so(story: Story) -> None:
    add(story, "ami-older", 2 * A_DAY)
    add(story, "ami-newer", A_DAY)

    story.notice(lead_seconds=120)
    story.step()

    (said,) = story.fleet.scalars(select(events.c.data).where(events.c.kind == "image_chosen"))
    assert (said["image_id"], said["has_booted"], said["age_seconds"]) == ("ami-newer", False, A_DAY)


def test_a_standby_is_made_from_the_newest_image_and_proves_it(story: Story) -> None:
    add(story, "ami-booted", 2 * A_DAY, has_booted=True)
    add(story, "ami-newer", A_DAY)

    with_standby(story)

    best = story.database.read(lambda tx: best_image(tx, story.agent_id, Purpose.EMERGENCY))
    assert best is not None
    assert best.image_id == "ami-newer"


def test_an_image_from_which_nothing_comes_up_is_not_taken_again(story: Story) -> None:
    add(story, "ami-booted", 2 * A_DAY, has_booted=True)
    add(story, "ami-broken", A_DAY)
    story.region.launches_boot = False
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.passes(1000, step_seconds=20, until=lambda: any(one.has_failed for one in images(story)))
    story.region.launches_boot = True
    story.gets_ready()

    assert [one.image_id for one in story.replicas()][-1] == "ami-booted"
    broken = next(one for one in images(story) if one.image_id == "ami-broken")
    assert (broken.has_failed, broken.has_booted) == (True, False)


def test_the_daemon_is_told_which_images_no_cleanup_may_take(story: Story) -> None:
    story.set_agent(base_image_id="ami-base")
    add(story, "ami-ancient", 90 * A_DAY, has_booted=True)
    add(story, "ami-booted", 60 * A_DAY, has_booted=True)
    add(story, "ami-between", 50 * A_DAY)
    add(story, "ami-newest", 40 * A_DAY)

    told_to = story.database.read(lambda tx: read_daemon_config(tx, story.agent_id, "i-1", Intervals()))

    assert told_to.images_to_keep == ["ami-base", "ami-booted", "ami-newest"]


def test_an_image_that_a_launch_under_way_is_made_from_is_kept(story: Story) -> None:
    add(story, "ami-old", 60 * A_DAY)
    story.region.launches_boot = False
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.passes(20)
    add(story, "ami-newer", 2 * A_DAY)
    add(story, "ami-booted", A_DAY, has_booted=True)

    told_to = story.database.read(lambda tx: read_daemon_config(tx, story.agent_id, "i-1", Intervals()))

    assert "ami-old" in told_to.images_to_keep


def test_an_image_that_was_taken_away_is_made_anew(story: Story) -> None:
    refresh(story)
    story.step()
    (image,) = images(story)
    story.clock.advance(60)
    items = [{"kind": "image", "id": image.image_id, "reason": "a person deleted it"}]
    record = partial(record_cleanup, request_id="clean-1", deleted=items, kept=[], failed=[])
    story.database.write(lambda tx: record(tx, story.agent_id, "i-1"))
    story.clock.advance(60)
    story.step()

    refresh(story)

    assert len(asked(story)) == 2


@pytest.mark.parametrize(
    ("said", "kept"), [("frozen", ImageConsistency.FROZEN), ("crash", ImageConsistency.CRASH), (None, ImageConsistency.CRASH)]
)
def test_what_the_daemon_says_of_the_freeze_is_kept_with_the_image(story: Story, said: str | None, kept: ImageConsistency) -> None:
    refresh(story)
    (command,) = story.pending("i-1")
    problem = "FREEZE_COMMAND ended with 1" if said == "crash" else None
    result = {"image_id": "ami-x", "started_at": story.clock.now().isoformat(), "consistency": said, "freeze_problem": problem}

    story.post("i-1", command, {"outcome": "succeeded", "error": None, "result": result})

    assert [one.consistency for one in images(story)] == [kept]
    assert len(told(story, "image_not_frozen")) == (1 if problem else 0)


def test_the_age_of_the_worst_image_and_the_agents_without_one_are_measured(story: Story) -> None:
    metrics = Metrics()
    sample = metrics.registry.get_sample_value
    refresh(story, metrics)
    without = sample("spot_agents_without_image")
    add(story, "ami-booted", 2 * A_DAY, has_booted=True)
    add(story, "ami-newer", A_DAY)
    refresh(story, metrics)

    assert without == 1
    assert sample("spot_agents_without_image") == 0
    assert sample("spot_oldest_image_age_seconds") == 2 * A_DAY
