"""Moving off a primary whose daemon is dead while its machine runs: refused at once, and done on a person's word behind a fence."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.rescues import ALWAYS, give_control_role, racing_story, told, with_standby
from server_support.silences import assert_serves, kill_daemon, set_mode
from server_support.story import Story
from spot_server.errors import MoveRefused
from spot_server.features.switches import service as switch_service
from spot_server.features.switches.promotions import Accepted
from spot_server.words import CommandKind, Mode, ReplicaStatus, StepName, StepStatus, SwitchStatus, SwitchTrigger

WORD = Accepted(loss=True, is_forced=True)


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    """A standby is ready, and the daemon of the primary has been dead for two minutes; its workload may still write."""
    story = with_standby(racing_story(engine, clock))
    give_control_role(story)
    kill_daemon(story)
    story.passes(120, step_seconds=10)
    return story


def standby(story: Story) -> str:
    return next(one.replica_id for one in story.replicas() if one.status is ReplicaStatus.READY)


def test_a_planned_move_is_refused_at_once_with_what_can_be_done(story: Story) -> None:
    with pytest.raises(MoveRefused, match=r"daemon of i-1, the primary, has been silent since .*promote a replica with `force`") as refused:
        story.switch()
    with pytest.raises(MoveRefused, match="has been silent"):
        story.database.read(lambda tx: switch_service.preview(tx, story.fleet.client_id, story.agent_id, {}))

    assert "primary_silent_since" in refused.value.extensions
    assert story.switches() == []


@pytest.mark.parametrize("accepts", [Accepted(), Accepted(loss=True), Accepted(is_forced=True)])
def test_a_promotion_says_that_the_primary_would_be_ended_and_wants_both_words(story: Story, accepts: Accepted) -> None:
    with pytest.raises(MoveRefused, match="i-1 would be terminated by EC2 before the replica serves, with what only it holds"):
        story.promote(standby(story), accepts=accepts)

    assert story.switches() == []


def test_with_a_persons_word_the_instance_is_ended_and_only_then_the_standby_serves(story: Story) -> None:
    switch = story.promote(standby(story), accepts=WORD)
    story.passes(600, until=lambda: story.active() is None)

    done = story.reload(switch)
    assert (done.status, done.trigger, done.initiated_by) == (SwitchStatus.COMPLETED, SwitchTrigger.FAILOVER, "tester")
    assert story.issued("terminate_instance") == ["control-role"]
    assert_serves(story, "i-2")


def test_an_instance_on_demand_is_stopped_and_keeps_its_disk(story: Story) -> None:
    story.set_agent(auto_terminate_enabled=False)
    set_mode(story, Mode.ON_DEMAND)

    story.promote(standby(story), accepts=WORD)
    story.passes(600, until=lambda: story.active() is None)

    assert story.region.machines["i-1"].state == "stopped"
    assert story.issued("terminate_instance") == []
    assert_serves(story, "i-2")


def test_where_it_may_not_be_ended_that_is_said_at_once(story: Story) -> None:
    story.set_agent(auto_terminate_enabled=False)

    with pytest.raises(MoveRefused, match="that may not be: auto-terminate is off, and a spot instance cannot be stopped"):
        story.promote(standby(story), accepts=WORD)


def test_a_copied_state_is_said_to_be_as_old_as_the_image(story: Story) -> None:
    story.set_agent(carry="rsync")
    replica_id = standby(story)
    act = switch_service.preview_promotion_to

    plan = story.database.read(lambda tx: act(tx, story.fleet.client_id, story.agent_id, replica_id))
    switch = story.promote(replica_id, accepts=WORD)
    story.passes(600, until=lambda: story.active() is None)

    assert plan.needs_force
    assert plan.loses_writes_since is not None
    assert story.reload(switch).loses_writes_since == plan.loses_writes_since
    assert_serves(story, "i-2")


def test_a_daemon_that_speaks_before_the_fence_keeps_its_instance_and_the_move_is_taken_back(story: Story) -> None:
    story.region.fail(CommandKind.DESCRIBE_INSTANCE, "throttled", times=3)
    switch = story.promote(standby(story), accepts=WORD)
    story.region.machines["i-1"].has_daemon = True

    story.passes(900, until=lambda: story.active() is None)
    story.passes(60)

    assert story.issued("terminate_instance") == []
    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert_serves(story, "i-1")


def test_a_fence_that_cannot_come_is_told_of_and_nobody_serves_beside_it(story: Story) -> None:
    """The instance lacks our tags: nobody of ours ends it."""
    story.region.machines["i-1"].tags = {}

    story.promote(standby(story), accepts=WORD)
    story.passes(900, step_seconds=10)

    assert told(story, "fence_waits") == ["fence_waits"]
    assert story.region.serving == ["i-1"]
    assert story.region.violations == []


def test_after_a_move_that_could_not_be_taken_back_its_new_instance_is_promoted_by_force(engine: Any, clock: FakeClock) -> None:
    story = racing_story(engine, clock)
    give_control_role(story)
    story.set_agent(carry="rsync")
    switch = story.switch()
    story.passes(300, until=lambda: story.steps(switch)[StepName.COPY].status is StepStatus.DONE, step_seconds=0.5)
    story.region.fail(CommandKind.SEND_STATE, None, times=ALWAYS)
    story.passes(300, until=lambda: story.reload(switch).quiesced_at is not None, step_seconds=0.5)
    kill_daemon(story)
    story.passes(1200, until=lambda: story.active() is None, step_seconds=5)
    ended = story.reload(switch).status

    story.promote(standby(story), accepts=WORD)
    story.passes(600, until=lambda: story.active() is None)

    assert ended is SwitchStatus.FAILED
    assert_serves(story, "i-2")
