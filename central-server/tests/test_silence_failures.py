"""What goes wrong around a silence: two who watch, a server that dies or starts, clocks, a wrong account, and many at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
import structlog
from sqlalchemy import select, update

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.dying_database import DyingDatabase
from server_support.rescues import give_control_role, racing_story, with_standby
from server_support.silences import assert_serves, kill_daemon, listens, losses, rescued, set_account, told_of_silence
from server_support.story import Story
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import instances, notifications
from spot_server.features.agents.queries import load_agent
from spot_server.features.silences.jobs import SilenceWatch
from spot_server.features.silences.service import Watch, look_into
from spot_server.features.sweeper.holds import confirm_restore, note_restore
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings

T = TypeVar("T")
EVERYBODY_LISTENS = Watch(suspected_after_seconds=75, told_after_seconds=300, is_one_of_many=False)


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    return racing_story(engine, clock)


class Asleep(SilenceWatch):
    """A watch that does nothing: the process that leads the jobs is away."""

    def __call__(self, context: JobContext) -> str:
        return ""


def loses_with_an_answer(story: Story) -> None:
    """EC2 has said that i-1 is gone, and the server is away before it draws the conclusion."""
    story.region.lose("i-1")
    story.passes(200, until=lambda: bool(story.issued("describe_instance")))
    story.watch = Asleep()
    story.passes(6)
    assert story.commands()[-1].result.get("state") == "terminated"


def test_two_who_look_at_once_make_one_rescue_of_one_loss(story: Story) -> None:
    with_standby(story)
    listens(story)
    loses_with_an_answer(story)

    look = partial(story.database.write, partial(look_into, agent_id=story.agent_id, watch=EVERYBODY_LISTENS))
    done = at_once([look, look, look])

    assert sum(looked.sentence is not None for looked in done) == 1
    assert (len(losses(story)), len(story.switches())) == (1, 1)


@pytest.mark.parametrize("dies_after_commit", [False, True])
def test_a_server_that_dies_as_it_draws_the_conclusion_draws_it_once_when_it_is_back(story: Story, *, dies_after_commit: bool) -> None:
    with_standby(story)
    listens(story)
    loses_with_an_answer(story)
    dying = DyingDatabase(story.database.engine, clock=story.clock, sleeper=story.clock)
    dying.dies_in, dying.dies_after_commit = 1, dies_after_commit
    story._attempt(lambda: dying.write(partial(look_into, agent_id=story.agent_id, watch=EVERYBODY_LISTENS)))
    story.watch = SilenceWatch()

    rescued(story)

    assert_serves(story, "i-2")
    assert (len(losses(story)), len(story.switches())) == (1, 1)


def test_a_lost_primary_is_not_rescued_while_the_database_may_be_older_than_the_world(story: Story) -> None:
    """Restored from before a move: the books name the instance that was left, and what serves has no row in them."""
    with_standby(story)
    listens(story)
    story.database.write(lambda tx: note_restore(tx, load_agent(tx, story.agent_id), "i-x", 7))
    story.region.lose("i-1")

    story.passes(400, step_seconds=5)
    held = (losses(story), story.switches(), told_of_silence(story))
    story.database.write(lambda tx: confirm_restore(tx, story.fleet.client_id, story.agent_id, epoch=7, user_id="somebody"))
    rescued(story)

    assert held[:2] == ([], [])
    assert any("i-x carry epoch 7, the database 1" in told for told in held[2])
    assert_serves(story, "i-2")


def test_a_server_that_starts_suspects_nobody_before_it_has_listened(story: Story) -> None:
    """It was away for an hour, and every daemon with it was silent to it."""
    give_control_role(story)
    listens(story)
    kill_daemon(story)
    story.watch = Asleep()
    story.passes(3600, step_seconds=60)
    story.watch = SilenceWatch()

    story.passes(70, step_seconds=5)
    early = len(story.issued("describe_instance"))
    story.passes(20, step_seconds=5)

    assert (early, len(story.issued("describe_instance"))) == (0, 1)


def test_a_clock_that_jumps_ahead_makes_nobody_suspect(story: Story) -> None:
    """Every daemon seems to have been silent for an hour, until its next heartbeat."""
    give_control_role(story)
    listens(story)
    story.clock.jump(3600)

    story.watch(JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger()))
    story.passes(600, step_seconds=5)

    assert story.issued("describe_instance") == []
    assert_serves(story, "i-1")


def test_an_instance_that_was_stopped_and_comes_right_back_is_asked_to_stop_before_another_serves(story: Story) -> None:
    """It is started again while its replica boots, and its daemon is heard: from there on the rescue is a handover like any other."""
    give_control_role(story)
    listens(story)
    story.region.lose("i-1", "stopped")
    story.passes(300, until=lambda: "i-2" in story.region.machines, step_seconds=5)
    story.region.machines["i-2"].has_daemon = False
    story.region.machines["i-1"].state, story.region.machines["i-1"].is_serving = "running", True
    story.passes(200, step_seconds=5)
    story.region.machines["i-2"].has_daemon = True

    story.passes(1200, until=lambda: story.active() is None, step_seconds=5)

    assert story.issued("quiesce") == ["i-1"]
    assert_serves(story, "i-2")


def test_what_ec2_said_in_an_earlier_silence_says_nothing_of_this_one(story: Story) -> None:
    """It was stopped while the agent was disabled, started again, and its daemon alone is silent now."""
    give_control_role(story)
    story.set_agent(enabled=False)
    listens(story)
    story.region.lose("i-1", "stopped")
    story.passes(200, step_seconds=5)
    machine = story.region.machines["i-1"]
    machine.state, machine.is_serving = "running", True
    story.passes(10)
    story.set_agent(enabled=True)
    kill_daemon(story)

    story.passes(900, step_seconds=5)

    assert_serves(story, "i-1")
    assert [event.response for event in losses(story)] == ["observe_only"]
    assert story.switches() == []


def test_a_role_of_another_account_that_knows_no_such_instance_moves_nothing(story: Story) -> None:
    give_control_role(story)
    set_account(story, instance="111111111111", role="222222222222")
    listens(story)
    kill_daemon(story)
    machine = story.region.machines.pop("i-1")

    story.passes(3600, step_seconds=10)

    assert machine.is_serving
    assert story.switches() == []
    assert "in another account" in told_of_silence(story)[-1]


def test_an_instance_that_ec2_has_forgotten_is_rescued_once_that_lasts(story: Story) -> None:
    give_control_role(story)
    set_account(story, instance="123456789012", role="123456789012")
    listens(story)
    del story.region.machines["i-1"]
    gone_at = story.clock.now()

    rescued(story)

    assert_serves(story, "i-2")
    assert (losses(story)[0].received_at - gone_at).total_seconds() > 75 + 60


def test_many_that_fall_silent_together_are_paged_and_shown_and_what_ec2_says_is_gone_is_rescued(story: Story) -> None:
    give_control_role(story)
    for number in range(10, 20):
        story.fleet.agent(f"web-{number}", instance_id=f"i-{number}")
    metrics = Metrics()
    context = JobContext(story.database, story.clock, Settings(), metrics, structlog.get_logger())
    story.fleet.note_heartbeats(story.clock.now())
    story.region.lose("i-1")
    for _ in range(20):
        story.clock.advance(10)
        story.watch(context)

    story.passes(120, step_seconds=5)

    value = metrics.registry.get_sample_value
    assert (value("spot_silent_primaries"), value("spot_many_silent")) == (11, 1)
    paged = story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "many_silent"))
    assert len(paged) == 1
    assert "11 of your agents" in paged[0]
    assert story.roles["i-2"] == "PRIMARY"


def test_a_few_of_many_are_no_page(story: Story) -> None:
    for number in range(10, 60):
        story.fleet.agent(f"web-{number}", instance_id=f"i-{number}")
    others = update(instances).where(instances.c.instance_id.not_in(["i-10", "i-11"]))
    for _ in range(30):
        story.clock.advance(10)
        story.fleet.execute(others.values(last_heartbeat_at=story.clock.now()))
        story.step()

    assert [text for text in told_of_silence(story) if "together" in text] == []


class CountingDatabase(Database):
    """Counts the transactions that may write."""

    writes = 0

    def write(self, use_case: Callable[[Transaction], T]) -> T:
        self.writes += 1
        return super().write(use_case)


def test_silences_that_last_are_looked_into_ever_more_seldom(story: Story) -> None:
    """Ten of them, for twenty minutes, in runs of 2 s: not six thousand transactions."""
    for number in range(10, 20):
        story.fleet.agent(f"web-{number}", instance_id=f"i-{number}")
    database = CountingDatabase(story.database.engine, clock=story.clock, sleeper=story.clock)
    context = JobContext(database, story.clock, Settings(), Metrics(), structlog.get_logger())

    for _ in range(600):
        story.clock.advance(2)
        story.watch(context)

    assert 100 < database.writes < 1000
