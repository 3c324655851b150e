"""When a dying instance's volumes are saved beside its rescue, and when a root that was kept goes after all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import FakeClock
from server_support.rescues import with_standby
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.interruptions.rules import is_salvage_needed
from spot_server.words import Carry, CommandKind, CommandStatus, InterruptionKind, ReplicaStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, carry="rsync", terminate_wait_seconds=60)


def is_booting(story: Story) -> Story:
    """A recommendation has a replica launched, which has its instance and is not ready."""
    story.region.standbys_pass = False
    story.notice(kind=InterruptionKind.REBALANCE)
    story.passes(60, until=lambda: bool(story.replicas()) and story.replicas()[0].instance_id is not None)
    assert story.replicas()[0].status is not ReplicaStatus.READY
    return story


def salvages(story: Story) -> list[dict[str, Any]]:
    return story.payloads("salvage_volumes")


@given(carry=st.sampled_from(Carry), has_ready_side=st.booleans())
def test_only_a_fit_side_that_the_state_comes_to_makes_a_salvage_needless(carry: Carry, *, has_ready_side: bool) -> None:
    is_certain = has_ready_side and carry is not Carry.IMAGE_AFTER_QUIESCE

    assert is_salvage_needed(carry, has_ready_side=has_ready_side) is not is_certain


def test_a_replica_that_only_boots_does_not_switch_the_salvage_off(story: Story) -> None:
    taken = is_booting(story).notice()
    story.passes(20)

    (payload,) = salvages(story)
    assert taken.event.response == "handover"
    assert (payload["instance_id"], payload["keep_root"], payload["beside_handover"]) == ("i-1", True, True)


def test_the_salvage_comes_behind_every_step_of_the_handover(story: Story) -> None:
    is_booting(story).notice()

    priorities = {command.kind: command.priority for command in story.commands() if command.instance_id == "i-1"}
    story.region.standbys_pass = True
    story.passes(100, until=lambda: story.active() is None)
    steps = [command.priority for command in story.commands() if command.instance_id == "i-1" and command.switch_id is not None]

    assert len(steps) > 2
    assert all(priority > priorities[CommandKind.SALVAGE_VOLUMES] for priority in steps)


@pytest.mark.parametrize(("carry", "is_salvaged"), [("rsync", False), ("hook", False), ("stateless", False), ("image_after_quiesce", True)])
def test_a_ready_standby_is_enough_where_the_state_comes_to_it(
    database: Database, clock: FakeClock, carry: str, *, is_salvaged: bool
) -> None:
    story = with_standby(Story.on(database, clock, has_image=True, carry=carry, terminate_wait_seconds=60))

    story.notice()
    story.passes(100, until=lambda: story.active() is None)

    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert [payload.get("let_root_go") for payload in salvages(story)] == ([None] if is_salvaged else [])


def test_a_kept_root_goes_with_its_instance_when_everything_came_along(story: Story) -> None:
    is_booting(story).notice()
    story.passes(10)
    story.region.standbys_pass = True
    story.passes(100, until=lambda: story.active() is None)
    story.passes(5)

    kept, back = salvages(story)
    assert story.switches()[0].loses_writes_since is None
    assert (kept["keep_root"], back["keep_root"], back["let_root_go"]) == (True, False, True)
    assert story.region.kinds(CommandKind.SALVAGE_VOLUMES) == ["i-1", "i-1"]


def test_a_salvage_that_is_not_answered_yet_is_closed_when_everything_came_along_and_its_root_goes(story: Story) -> None:
    is_booting(story).notice()
    story.region.fail(CommandKind.SALVAGE_VOLUMES, None, times=99)
    story.region.standbys_pass = True
    story.passes(100, until=lambda: story.active() is None)

    asked = next(command for command in story.commands() if command.kind is CommandKind.SALVAGE_VOLUMES)
    assert asked.status is CommandStatus.CANCELLED
    assert [payload.get("let_root_go") for payload in salvages(story)] == [None, True]


@pytest.mark.parametrize("carry", ["rsync", "hook"])
def test_a_last_pass_that_is_left_out_has_the_root_kept_and_it_stays(database: Database, clock: FakeClock, carry: str) -> None:
    """A standby was ready, so that nothing was salvaged before."""
    story = with_standby(Story.on(database, clock, has_image=True, carry=carry, terminate_wait_seconds=60))
    story.region.fail(CommandKind.SEND_STATE, "unexpected", times=99)

    story.notice()
    story.passes(100, until=lambda: story.active() is None)
    story.passes(5)

    (payload,) = salvages(story)
    assert story.switches()[0].loses_writes_since is not None
    assert (payload["keep_root"], payload.get("let_root_go")) == (True, None)
    assert story.region.kinds(CommandKind.SALVAGE_VOLUMES) == ["i-1"]


def test_nobody_is_asked_to_keep_the_root_of_an_instance_whose_time_is_over(story: Story) -> None:
    with_standby(story)
    story.notice(lead_seconds=60)
    story.region.lose("i-1")

    story.passes(400, until=lambda: story.active() is None)

    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert story.switches()[0].loses_writes_since is not None
    assert [command.status for command in story.commands() if command.kind is CommandKind.SALVAGE_VOLUMES and command.is_open] == []


def test_a_root_with_writes_that_are_lost_is_never_let_go(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="image_after_quiesce", terminate_wait_seconds=60)
    is_booting(story).notice()
    story.region.standbys_pass = True

    story.passes(200, until=lambda: story.active() is None)

    assert story.switches()[0].loses_writes_since is not None
    assert [payload.get("let_root_go") for payload in salvages(story)] == [None]


def test_a_new_side_that_a_notice_takes_before_it_served_keeps_what_it_took_in(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", times=99, on="i-2")
    story.switch()
    story.passes(300, until=lambda: story.roles.get("i-2") == "PRIMARY")

    story.notice("i-2")
    story.passes(10)

    assert [(payload["instance_id"], payload["keep_root"]) for payload in salvages(story)] == [("i-2", True)]
