"""What a fence leaves of the old instance: somebody's data volumes, and the root that alone has the last writes."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.rescues import give_control_role, racing_story, told, with_standby
from server_support.silences import assert_serves, kill_daemon, listens, rescued, set_mode
from server_support.story import Story
from spot_server.features.replicas.launching import owner_tags
from spot_server.words import Carry, CommandKind, Mode

ON_ROOT = (Carry.IMAGE_AFTER_QUIESCE, Carry.RSYNC, Carry.HOOK)


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    story = with_standby(racing_story(engine, clock))
    give_control_role(story)
    story.set_agent(failover_when_silent=True)
    listens(story, 200)
    return story


def hangs(story: Story, instance_id: str = "i-1") -> None:
    kill_daemon(story, instance_id)
    story.region.machines[instance_id].status_checks = "impaired"


def orders(story: Story, instance_id: str) -> list[dict[str, Any]]:
    """What the endings of this instance said beside its name, and beside what a retirement adds."""
    others = {"instance_id", "handle_allocation_ids"}
    payloads = [one for one in story.payloads("terminate_instance") if one["instance_id"] == instance_id]
    return [{key: value for key, value in payload.items() if key not in others} for payload in payloads]


@pytest.mark.parametrize("carry", [Carry.STATELESS, *ON_ROOT])
def test_a_silent_instance_is_ended_without_its_data_and_its_last_writes(story: Story, carry: Carry) -> None:
    """It was not launched by us, and did not say that anything came along."""
    story.set_agent(carry=carry)
    hangs(story)

    story.passes(400, until=lambda: bool(orders(story, "i-1")), step_seconds=5)

    root = {"keep_root": True, "tags": owner_tags(story.agent)} if carry in ON_ROOT else {}
    assert orders(story, "i-1") == [{"keep_data_volumes": True, **root}]


def test_of_an_instance_that_we_launched_the_data_volumes_are_ours_to_end(story: Story) -> None:
    story.set_agent(carry=Carry.RSYNC)
    story.notice()
    story.passes(400, until=lambda: story.active() is None and story.roles.get("i-3") is not None)
    listens(story, 200)
    hangs(story, "i-2")

    rescued(story, 900)
    story.passes(300, until=lambda: bool(orders(story, "i-2")), step_seconds=5)

    assert orders(story, "i-2") == [{"keep_root": True, "tags": owner_tags(story.agent) | {"spot-optimizer:epoch": "2"}}]


def test_what_ec2_announced_to_take_anyway_is_not_waited_for_where_it_may_not_be_kept(story: Story) -> None:
    story.set_agent(carry=Carry.HOOK)
    story.notice(lead_seconds=60)
    story.region.machines["i-1"].taken_away_at = None
    kill_daemon(story)

    rescued(story, 600)

    (order,) = orders(story, "i-1")
    assert (order["keep_data_volumes"], order["end_unkept"], order["keep_root"]) == (True, True, True)
    assert_serves(story, "i-2")


def test_a_fence_that_may_not_keep_data_waits_for_a_person_and_is_told(story: Story) -> None:
    hangs(story)
    story.region.fail(CommandKind.TERMINATE_INSTANCE, "not_authorized", times=99, text="ModifyInstanceAttribute is not allowed")

    story.passes(1800, step_seconds=10)

    assert story.region.serving == ["i-1"]
    assert told(story, "fence_waits") == ["fence_waits"]
    assert all("end_unkept" not in order for order in orders(story, "i-1"))


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_stopped_root_with_the_last_writes_outlives_the_retirement(story: Story, *, is_ours: bool) -> None:
    """Where a last image was made, that has them."""
    story.set_agent(carry=Carry.RSYNC)
    if is_ours:
        story.notice()
        story.passes(400, until=lambda: story.active() is None and story.roles.get("i-3") is not None)
        listens(story, 200)
    old = "i-2" if is_ours else "i-1"
    set_mode(story, Mode.ON_DEMAND)
    story.region.machines[old].mode = "on_demand"
    hangs(story, old)

    rescued(story, 900)
    story.passes(900, until=lambda: bool(orders(story, old)), step_seconds=10)

    (order,) = orders(story, old)
    assert ("keep_root" in order, "keep_data_volumes" in order) == (is_ours, not is_ours)
