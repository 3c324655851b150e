"""Rescues of an agent whose data volumes follow it: under a notice, after a loss, to another AZ, and again after one that failed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.rescues import ALWAYS, given_up, statuses, with_standby
from server_support.story import TYPES, ZONES, Story
from server_support.volume_story import ROOT, SHOP, losses_told, tell, volume_story, written
from spot_server.db.runner import Database
from spot_server.db.tables import agents
from spot_server.errors import MoveRefused
from spot_server.features.switches.brought_volumes import find_brought
from spot_server.features.switches.promotions import preview_promotion
from spot_server.words import CommandKind, InterruptionKind, StepName, StepStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return volume_story(database, clock)


def test_under_a_notice_the_volume_goes_over_within_it_and_nothing_is_lost(story: Story) -> None:
    story.passes(20)
    before = written(story, "i-1")

    story.notice("i-1", InterruptionKind.TERMINATE)
    story.settles(600)

    (switch,) = story.switches()
    assert switch.status is SwitchStatus.COMPLETED
    assert story.region.machines["i-2"].az_id == ZONES[0]
    assert story.steps(switch)[StepName.FENCE].status is StepStatus.SKIPPED
    assert written(story, "i-2") > before
    assert (switch.loses_writes_since, losses_told(story), story.region.violations) == (None, [], [])


def test_under_a_notice_a_volume_that_is_busy_comes_once_ec2_says_that_the_instance_ended(story: Story) -> None:
    story.region.fail(CommandKind.UNMOUNT_VOLUMES, "check_failed", times=9)

    story.notice("i-1", InterruptionKind.TERMINATE)
    story.settles(900)

    (switch,) = story.switches()
    steps = story.steps(switch)
    assert switch.status is SwitchStatus.COMPLETED
    assert (steps[StepName.UNMOUNT].status, steps[StepName.FENCE].status) == (StepStatus.SKIPPED, StepStatus.DONE)
    assert story.payloads(CommandKind.DETACH_VOLUMES)[0]["released_by"] is None
    assert story.region.data.of("i-2").volume_id == "vol-1"
    assert story.region.violations == []


def test_an_instance_that_ends_without_a_word_leaves_its_volume_to_the_next(story: Story) -> None:
    with_standby(story)
    before = written(story, "i-1")
    story.region.lose("i-1")
    story.region.machines["i-1"].has_daemon = False

    story.notice("i-1", InterruptionKind.TERMINATE, lead_seconds=0.0)
    story.settles(900)

    (serving,) = story.region.serving
    assert story.region.data.of(serving).volume_id == "vol-1"
    assert written(story, serving) >= before
    assert losses_told(story) == []
    assert story.region.violations == []


def no_place_in_its_own_az(story: Story) -> None:
    for kind in TYPES:
        for mode in ("spot", "on_demand"):
            story.region.refuse(f"{mode}/{kind}/{ZONES[0]}")


def test_where_its_own_az_has_no_place_a_rescue_copies_the_volume_that_survived(story: Story) -> None:
    no_place_in_its_own_az(story)
    story.passes(20)

    story.notice("i-1", InterruptionKind.TERMINATE)
    story.settles(1_500)

    switch = story.switches()[-1]
    (serving,) = story.region.serving
    assert switch.status is SwitchStatus.COMPLETED
    assert story.region.machines[serving].az_id != ZONES[0]
    assert story.region.data.of(serving).volume_id == "vol-1-copy"
    assert story.steps(switch)[StepName.DETACH].status is StepStatus.SKIPPED
    assert (switch.loses_writes_since, losses_told(story), story.region.violations) == (None, [], [])


def is_taken_while_the_address_does_not_move(story: Story) -> None:
    """A rescue to another AZ has its instance when the old daemon falls silent: the copies are made once EC2 has ended the old one."""
    no_place_in_its_own_az(story)
    story.region.fail(CommandKind.MOVE_ADDRESS, "unreachable", times=ALWAYS)
    story.passes(20)
    story.notice("i-1", InterruptionKind.TERMINATE, lead_seconds=60)
    story.passes(60, until=lambda: "i-2" in story.region.machines)
    story.region.machines["i-1"].has_daemon = False


def test_a_rescue_whose_address_does_not_move_for_a_while_goes_on_with_its_copies_to_the_end(story: Story) -> None:
    """Another copy could not be attached where the first one is: the device is taken. Drawn with seed 30067."""
    is_taken_while_the_address_does_not_move(story)
    story.passes(1_500, until=lambda: statuses(story)[:2] == [SwitchStatus.FAILED] * 2)
    story.region.failures.clear()

    story.passes(1_500, until=lambda: statuses(story)[-1] is SwitchStatus.COMPLETED)

    (serving,) = story.region.serving
    assert story.region.data.of(serving).volume_id == "vol-1-copy"
    assert {name for name in story.region.data.volumes if "copy" in name} == {"vol-1-copy"}
    assert (losses_told(story), story.region.violations) == ([], [])


def test_copies_that_the_old_side_has_outrun_are_not_gone_on_with(story: Story) -> None:
    """The notice is not carried out: between the rescues the old instance serves, and what it acknowledges is not in the copies."""
    no_place_in_its_own_az(story)
    story.region.fail(CommandKind.MOVE_ADDRESS, "unreachable", times=ALWAYS)
    story.passes(20)
    story.notice("i-1", InterruptionKind.TERMINATE, lead_seconds=3_000)
    story.passes(2_000, until=lambda: given_up(story) is not None)
    story.passes(20)
    between = story.region.serving
    written_before = written(story, "i-1")
    story.region.failures.clear()

    story.passes(2_500, until=lambda: statuses(story)[-1] is SwitchStatus.COMPLETED)

    (serving,) = story.region.serving
    assert between == ["i-1"]
    assert serving != "i-1"
    assert written(story, serving) >= written_before
    assert story.region.violations == []


def test_a_rescue_long_after_another_promotion_does_not_go_on_with_what_was_copied_before_it(story: Story) -> None:
    """The instance that the copies were made of had ended before; but somebody else served since, and wrote."""
    is_taken_while_the_address_does_not_move(story)
    story.passes(1_500, until=lambda: statuses(story)[:1] == [SwitchStatus.FAILED])
    left = story.database.read(lambda tx: find_brought(tx, story.agent, "i-2"))

    story.fleet.execute(update(agents).values(epoch=agents.c.epoch + 1))
    later = story.database.read(lambda tx: find_brought(tx, story.agent, "i-2"))

    assert left is not None
    assert later is not None
    assert (left.holds_everything, later.holds_everything) == (True, False)


def test_a_replica_with_copies_that_the_primary_has_outrun_is_not_promoted(story: Story) -> None:
    """Not even with force: it would serve what was copied days ago, and the volumes themselves are there."""
    no_place_in_its_own_az(story)
    story.region.fail(CommandKind.MOVE_ADDRESS, "unreachable", times=ALWAYS)
    story.passes(20)
    story.notice("i-1", InterruptionKind.TERMINATE, lead_seconds=3_000)
    story.passes(2_000, until=lambda: given_up(story) is not None)
    (replica,) = [one for one in story.replicas() if one.is_live]

    def promote() -> None:
        story.database.read(lambda tx: preview_promotion(tx, story.agent, replica))

    with pytest.raises(MoveRefused, match="has copies of the data volumes attached"):
        promote()


def test_a_volume_that_went_with_its_instance_is_replaced_by_its_newest_snapshot_and_the_loss_is_said(story: Story) -> None:
    story.region.data.volumes["vol-1"].goes_with_instance = True
    tell(story, [ROOT, {**SHOP, "delete_on_termination": True}])
    snapshot = story.region.data.add_snapshot("vol-1", story.clock.now() - timedelta(hours=2))
    story.region.fail(CommandKind.UNMOUNT_VOLUMES, "check_failed", times=9)

    story.notice("i-1", InterruptionKind.TERMINATE)
    story.settles(1_500)

    switch = story.switches()[-1]
    assert switch.status is SwitchStatus.COMPLETED
    assert switch.loses_writes_since == snapshot.started_at
    assert "everything written since" in losses_told(story)[0]
