"""A silent instance that EC2 says is running is moved only where a person wants that, and only behind a fence."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.rescues import give_control_role, racing_story, told, with_standby
from server_support.silences import assert_serves, is_completed, kill_daemon, listens, losses, rescued, set_mode, told_of_silence
from server_support.story import Story
from spot_server.words import CommandKind, InterruptionKind, Mode


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    """A standby is ready, a person wants failovers when silent, and the server has listened for long enough."""
    story = with_standby(racing_story(engine, clock))
    give_control_role(story)
    story.set_agent(failover_when_silent=True)
    listens(story, 200)
    return story


def hangs(story: Story, *, checks: str = "impaired") -> None:
    """The machine hangs: its daemon is silent, its workload may still write, EC2 says that it is running."""
    kill_daemon(story)
    story.region.machines["i-1"].status_checks = checks


def test_a_spot_instance_is_terminated_and_only_then_the_standby_serves(story: Story) -> None:
    hangs(story)
    silent_since = story.clock.now()

    rescued(story, 600)

    assert_serves(story, "i-2")
    assert story.issued("terminate_instance") == ["control-role"]
    [event] = losses(story, InterruptionKind.SILENCE)
    assert (event.instance_id, event.response) == ("i-1", "handover")
    assert (event.received_at - silent_since).total_seconds() >= 150


def test_an_instance_on_demand_is_stopped_with_its_disk_kept(story: Story) -> None:
    story.set_agent(auto_terminate_enabled=False)
    set_mode(story, Mode.ON_DEMAND)
    hangs(story)

    rescued(story, 600)
    story.passes(600, step_seconds=10)

    assert_serves(story, "i-2")
    assert (story.issued("stop_instance"), story.issued("terminate_instance")) == (["control-role"], [])
    assert story.region.machines["i-1"].state == "stopped"
    assert story.roles["i-1"] == "ZOMBIE"


@pytest.mark.parametrize(
    ("settings", "checks", "mode"),
    [
        ({"failover_when_silent": False}, "impaired", Mode.SPOT),
        ({"failover_when_silent": True}, "ok", Mode.SPOT),
        ({"failover_when_silent": True}, "initializing", Mode.SPOT),
        ({"auto_terminate_enabled": False}, "impaired", Mode.SPOT),
        ({"enabled": False}, "impaired", Mode.SPOT),
        ({"failover_when_silent": True}, "impaired", Mode.UNKNOWN),
    ],
    ids=["off", "checks-pass", "checks-begin", "auto-terminate-off", "disabled", "mode-unknown"],
)
def test_nothing_moves_without_leave_and_without_a_second_witness(story: Story, settings: dict[str, bool], checks: str, mode: Mode) -> None:
    story.set_agent(**settings)
    set_mode(story, mode)
    hangs(story, checks=checks)

    story.passes(1800, step_seconds=10)

    assert_serves(story, "i-1")
    assert (story.switches(), losses(story, InterruptionKind.SILENCE)) == ([], [])
    assert (story.issued("terminate_instance"), story.issued("stop_instance")) == ([], [])
    assert len(told_of_silence(story)) == 1


def test_with_nobody_else_to_hear_the_server_may_be_deaf_and_nothing_moves(engine: Any, clock: FakeClock) -> None:
    alone = racing_story(engine, clock)
    give_control_role(alone)
    alone.set_agent(failover_when_silent=True)
    listens(alone, 200)
    hangs(alone)

    alone.passes(1800, step_seconds=10)

    assert_serves(alone, "i-1")
    assert alone.switches() == []


def test_an_instance_that_is_not_ours_is_not_ended_and_nobody_serves_beside_it(story: Story) -> None:
    story.region.machines["i-1"].tags = {}
    hangs(story)

    story.passes(1800, step_seconds=10)

    assert story.region.serving == ["i-1"]
    assert story.roles["i-1"] == "PRIMARY"
    assert len(story.issued("terminate_instance")) > 1
    assert told(story, "fence_waits") == ["fence_waits"]


def test_a_daemon_that_speaks_before_the_fence_keeps_its_instance(story: Story) -> None:
    hangs(story)
    story.passes(300, until=lambda: story.active() is not None, step_seconds=5)
    story.region.machines["i-1"].has_daemon = True

    story.passes(900, until=lambda: story.active() is None, step_seconds=5)
    story.passes(60)

    assert story.issued("terminate_instance") == []
    assert_serves(story, "i-1")


@pytest.mark.parametrize("setting", ["failover_when_silent", "auto_terminate_enabled"])
def test_a_setting_that_is_turned_off_before_the_fence_is_obeyed(story: Story, setting: str) -> None:
    hangs(story)
    story.passes(300, until=lambda: story.active() is not None, step_seconds=5)
    story.set_agent(**{setting: False})

    story.passes(900, step_seconds=5)

    assert story.issued("terminate_instance") == []
    assert story.region.serving == ["i-1"]
    assert told(story, "fence_waits") == ["fence_waits"]


@pytest.mark.parametrize("error_class", [None, "throttled"])
def test_a_fence_whose_answer_is_lost_is_asked_for_again(story: Story, error_class: str | None) -> None:
    story.region.fail(CommandKind.TERMINATE_INSTANCE, error_class, times=2, takes_effect=error_class is None)
    hangs(story)

    story.passes(1200, until=is_completed(story), step_seconds=5)

    assert_serves(story, "i-2")
