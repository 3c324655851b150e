"""Moves of an agent whose data volumes follow it: in which order, with which failures, and what is said to be lost."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.story import ZONES, Story
from server_support.volume_story import DATA_VOLUMES, ROOT, SHOP, losses_told, tell, volume_story
from spot_server.db.runner import Database
from spot_server.errors import MoveRefused
from spot_server.features.agents.guarantees import read_guarantee
from spot_server.features.switches import service as switch_service
from spot_server.words import CommandKind, StepName, StepStatus, SwitchStatus

ORDER = (
    CommandKind.QUIESCE,
    CommandKind.UNMOUNT_VOLUMES,
    CommandKind.DETACH_VOLUMES,
    CommandKind.ATTACH_VOLUMES,
    CommandKind.MOUNT_VOLUMES,
    CommandKind.MOVE_ADDRESS,
    CommandKind.START_SERVING,
)
VOLUME_STEPS = (StepName.UNMOUNT, StepName.DETACH, StepName.ATTACH, StepName.MOUNT)


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return volume_story(database, clock)


def position(story: Story, kind: CommandKind) -> int:
    return [called for called, _instance in story.region.calls].index(kind)


def test_in_one_az_the_volume_itself_goes_over_once_the_old_side_has_let_go_of_it(story: Story) -> None:
    story.passes(20)
    switch = story.switch()

    story.settles(300)

    positions = [position(story, kind) for kind in ORDER]
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert positions == sorted(positions)
    assert story.region.machines["i-2"].az_id == ZONES[0]
    assert story.region.data.of("i-2").volume_id == "vol-1"
    assert [story.steps(switch)[name].status for name in VOLUME_STEPS] == [StepStatus.DONE] * 4
    assert [story.steps(switch)[name].status for name in (StepName.SNAPSHOT, StepName.COPY_VOLUMES)] == [StepStatus.SKIPPED] * 2
    assert story.region.violations == []
    assert losses_told(story) == []


def test_the_image_leaves_the_volume_out_and_the_old_instance_ends_without_taking_volumes_along(
    database: Database, clock: FakeClock
) -> None:
    story = Story.on(database, clock, carry="volume", data_volumes=DATA_VOLUMES, terminate_wait_seconds=60)
    story.region.data.add("vol-1", "i-1")
    tell(story, [ROOT, SHOP])
    story.switch()

    story.settles(400)

    of_the_move, final = story.payloads(CommandKind.CREATE_IMAGE)
    assert (of_the_move["without_devices"], "without_devices" in final) == (["/dev/sdf"], False)  # by then nothing is left there
    assert [payload["keep_data_volumes"] for payload in story.payloads(CommandKind.TERMINATE_INSTANCE)] == [True]


@pytest.mark.parametrize(
    "kind", [CommandKind.UNMOUNT_VOLUMES, CommandKind.DETACH_VOLUMES, CommandKind.ATTACH_VOLUMES, CommandKind.MOUNT_VOLUMES]
)
def test_a_step_that_fails_for_good_brings_the_volume_and_the_workload_back(story: Story, kind: CommandKind) -> None:
    story.region.fail(kind, "check_failed")
    switch = story.switch()

    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.data.of("i-1").volume_id == "vol-1"
    assert story.region.serving == ["i-1"]
    assert story.region.violations == []


@pytest.mark.parametrize(
    "kind", [CommandKind.UNMOUNT_VOLUMES, CommandKind.DETACH_VOLUMES, CommandKind.ATTACH_VOLUMES, CommandKind.MOUNT_VOLUMES]
)
@pytest.mark.parametrize("takes_effect", [True, False])
def test_a_step_whose_answer_is_lost_is_done_again(story: Story, kind: CommandKind, takes_effect: bool) -> None:
    story.region.fail(kind, None, takes_effect=takes_effect)
    switch = story.switch()

    story.settles(900)

    assert story.reload(switch).status in {SwitchStatus.COMPLETED, SwitchStatus.ROLLED_BACK}
    (serving,) = story.region.serving
    assert story.region.data.of(serving).volume_id == "vol-1"
    assert story.region.violations == []


def test_a_start_that_fails_takes_address_and_volume_back_before_the_old_side_serves(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", times=9, on="i-2")
    switch = story.switch()

    story.settles(900)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.address_of["eipalloc-1"] == "i-1"
    assert story.region.data.of("i-1").volume_id == "vol-1"
    assert story.region.serving == ["i-1"]
    assert story.region.violations == []


def test_a_new_side_that_does_not_let_go_of_the_volume_is_ended_first(story: Story) -> None:
    story.region.fail(CommandKind.MOUNT_VOLUMES, "check_failed", on="i-2")
    story.region.fail(CommandKind.UNMOUNT_VOLUMES, "check_failed", times=9, on="i-2")
    switch = story.switch()

    story.settles(900)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.machines["i-2"].state == "terminated"
    assert story.region.data.of("i-1").volume_id == "vol-1"
    assert story.region.serving == ["i-1"]
    assert story.region.violations == []


def test_a_volume_that_does_not_come_from_the_new_side_comes_once_that_has_ended(story: Story) -> None:
    story.region.fail(CommandKind.MOUNT_VOLUMES, "check_failed", on="i-2")
    switch = story.switch()
    story.passes(300, until=lambda: story.reload(switch).status is SwitchStatus.ROLLING_BACK)
    story.region.data.stuck.add("vol-1")

    story.settles(900)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.machines["i-2"].state == "terminated"
    assert story.region.data.of("i-1").volume_id == "vol-1"
    assert story.region.serving == ["i-1"]


def test_a_person_who_cancels_while_the_volume_moves_gets_it_back(story: Story) -> None:
    story.region.fail(CommandKind.ATTACH_VOLUMES, None)
    switch = story.switch()
    story.passes(300, until=lambda: story.region.kinds(CommandKind.DETACH_VOLUMES) != [])

    story.cancel(switch)
    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.CANCELLED
    assert story.region.data.of("i-1").volume_id == "vol-1"
    assert story.region.serving == ["i-1"]


def test_a_move_to_another_az_takes_a_first_snapshot_while_the_workload_serves(story: Story) -> None:
    story.passes(20)
    switch = story.switch(az_id=ZONES[1])

    story.settles(600)

    kinds = [kind for kind, _instance in story.region.calls]
    first, last = (index for index, kind in enumerate(kinds) if kind is CommandKind.COPY_VOLUMES)
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert first < kinds.index(CommandKind.QUIESCE) < last
    assert [payload["pass"] for payload in story.payloads(CommandKind.COPY_VOLUMES)] == ["first", "last"]
    assert story.region.data.of("i-2").volume_id == "vol-1-copy"
    assert story.region.data.volumes["vol-1"].mounted_at is None
    assert story.region.violations == []


def test_the_final_image_of_an_instance_that_a_move_to_another_az_left_holds_no_data_volume(story: Story) -> None:
    story.switch(az_id=ZONES[1])

    story.settles(900)

    (final,) = (one for one in story.payloads(CommandKind.CREATE_IMAGE) if one["image_name"] == "spot-optimizer-final-i-1")
    assert final["without_devices"] == ["/dev/sdf"]
    assert story.roles["i-1"] == "TERMINATED"


def test_the_next_move_starts_from_the_copy(story: Story) -> None:
    story.switch(az_id=ZONES[1])
    story.settles(600)

    again = story.switch("request-2")
    story.settles(600)

    assert [volume["volume_id"] for volume in story.reload(again).data_volumes] == ["vol-1-copy"]
    assert story.reload(again).status is SwitchStatus.COMPLETED
    (serving,) = story.region.serving
    assert story.region.data.of(serving).volume_id == "vol-1-copy"


def test_the_copies_of_a_move_that_is_taken_back_are_removed_and_the_original_serves(story: Story) -> None:
    story.region.fail(CommandKind.MOUNT_VOLUMES, "check_failed", on="i-2")
    switch = story.switch(az_id=ZONES[1])

    story.settles(900)
    story.passes(120)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert set(story.region.data.volumes) == {"vol-1"}
    assert story.region.data.of("i-1").volume_id == "vol-1"
    assert story.region.serving == ["i-1"]
    assert story.region.violations == []


@pytest.mark.parametrize(
    ("attached", "reason"),
    [
        (None, "has not told of its volumes yet"),
        ([ROOT], "the volume at /dev/sdf is not attached to i-1"),
        ([{**ROOT, "device_name": "/dev/sdf"}], "is the root volume of i-1"),
        ([ROOT, {**SHOP, "is_multi_attach": True}], "multi-attach"),
    ],
)
def test_a_move_is_refused_where_the_volumes_cannot_come_along(story: Story, attached: list[dict[str, Any]] | None, reason: str) -> None:
    tell(story, attached)

    with pytest.raises(MoveRefused, match=reason):
        story.switch()

    assert story.region.calls == []


def test_a_dry_run_says_how_long_the_copy_to_another_az_takes_before_a_person_confirms(story: Story) -> None:
    def expected(target: dict[str, str]) -> Any:
        return story.database.read(lambda tx: switch_service.preview(tx, story.fleet.client_id, story.agent_id, target)).copy

    beside, assumed = expected({}), expected({"az_id": ZONES[1]})
    story.switch(az_id=ZONES[1])
    story.settles(600)
    measured = expected({"az_id": ZONES[2]})

    assert beside is None
    assert (assumed.seconds, assumed.basis) == (1600, "assumed")
    assert measured.basis == "measured"


def test_without_a_wish_for_another_az_no_place_there_is_taken(story: Story) -> None:
    preview = story.database.read(lambda tx: switch_service.preview(tx, story.fleet.client_id, story.agent_id, {}))

    assert {offer.place.az_id for offer in preview.ranking.suitable} == {ZONES[0]}
    assert any("its data volumes" in refusal.reason for refusal in preview.ranking.refused)


@pytest.mark.parametrize(("goes", "lost"), [(False, None), (True, "all")])
def test_the_guarantee_says_whether_the_volumes_outlive_their_instance(story: Story, goes: bool, lost: str | None) -> None:
    tell(story, [ROOT, {**SHOP, "delete_on_termination": goes}])
    story.clock.advance(60)

    guarantee = story.database.read(lambda tx: read_guarantee(tx, story.agent))

    assert guarantee.lost_if_gone_since == (story.agent.created_at if lost else None)
    assert guarantee.lost_under_notice_seconds == (None if lost else 0.0)
