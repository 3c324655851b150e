"""Commands of the carry `volume`: what they need, what they refuse, and that each may be repeated after a death or a lost answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_fakes.memory import command_json
from agent_fakes.virtual import START
from agent_fakes.world import World, journal_of
from spot_agent.commands.copy_volumes import TAG_MOVE_ID
from spot_agent.ec2_facts import AttachmentFacts, SnapshotFacts
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import TAG_COPY_OF, Role

DATA = {"volume_id": "vol-1", "device_name": "/dev/sdf", "mount_point": "/srv/shop", "file_system": "ext4"}
VOLUMES: dict[str, Any] = {"volumes": [DATA], "bound_seconds": 30}
ATTACH: dict[str, Any] = {**VOLUMES, "instance_id": "i-own", "wait_seconds": 30}
DETACH: dict[str, Any] = {"volume_ids": ["vol-1"], "instance_id": "i-own", "released_by": "i-old", "wait_seconds": 30}
TAGS = {"spot-optimizer:managed": "true", "spot-optimizer:agent-id": "agent-1"}
COPY: dict[str, Any] = {**VOLUMES, "move_id": "move-1", "pass": "last", "az_name": "us-east-1b", "tags": TAGS, "wait_seconds": 600}


@pytest.fixture
def replica(tmp_path: Path) -> World:
    """The new side, i-own; the volume is attached to the old one, i-old."""
    world = World(tmp_path, journal_of(Role.REPLICA, quiesced=True), CARRY="volume")
    world.ec2.add_instance("i-old")
    world.ec2.ebs.add("vol-1", "i-old", tags={"Name": "shop-data", "aws:x": "y"})
    world.boot()
    return world


def code_of(answer: dict[str, Any]) -> tuple[str, str] | None:
    return (answer["error"]["class"], answer["error"]["code"]) if answer["error"] else None


def holder(world: World) -> list[tuple[str, str]]:
    return [(held.instance_id, held.state) for held in world.ec2.ebs.known["vol-1"].attachments]


def test_a_volume_goes_from_the_side_that_released_it_to_the_new_one_and_is_mounted(replica: World) -> None:
    replica.ec2.ebs.looks_until_settled = 3

    answers = [replica.execute(command_json("detach_volumes", DETACH))]
    answers.append(replica.execute(command_json("attach_volumes", ATTACH, command_id="c-2", request_id="r-2")))
    answers.append(replica.execute(command_json("mount_volumes", VOLUMES, command_id="c-3", request_id="r-3")))

    assert [answer["outcome"] for answer in answers] == ["succeeded"] * 3
    assert holder(replica) == [("i-own", "attached")]
    assert replica.mounts.mounted == {"/srv/shop": "vol-1"}
    assert replica.ec2.ebs.forced == []


@pytest.mark.parametrize("kind", ["detach_volumes", "attach_volumes"])
def test_an_act_whose_answer_was_lost_is_found_done_by_the_next_try(replica: World, kind: str) -> None:
    payload = DETACH if kind == "detach_volumes" else ATTACH
    if kind == "attach_volumes":
        replica.execute(command_json("detach_volumes", DETACH, command_id="c-0", request_id="r-0"))
    replica.ec2.lost.add(kind.replace("_volumes", "_volume"))

    lost = replica.execute(command_json(kind, payload))
    again = replica.execute(command_json(kind, payload, command_id="c-2", request_id="r-2"))

    assert (lost["outcome"], again["outcome"]) == ("failed", "succeeded")
    assert replica.ec2.calls.count(kind.replace("_volumes", "_volume")) == 1


def test_a_volume_is_not_taken_from_an_instance_that_neither_released_it_nor_ended(replica: World) -> None:
    answer = replica.execute(command_json("detach_volumes", {**DETACH, "released_by": None}))

    assert code_of(answer) == ("race", "volume_not_detached")
    assert "detach_volume" not in replica.ec2.calls
    assert holder(replica) == [("i-old", "attached")]


@pytest.mark.parametrize("state", ["shutting-down", "stopping", "running"])
def test_ec2s_word_counts_only_once_the_instance_has_ended(replica: World, state: str) -> None:
    replica.ec2.set_state("i-old", state)

    answer = replica.execute(command_json("detach_volumes", {**DETACH, "released_by": None}))

    assert code_of(answer) == ("race", "volume_not_detached")


def test_a_volume_is_not_taken_from_an_instance_that_ec2_does_not_know(replica: World) -> None:
    del replica.ec2.instances["i-old"]

    answer = replica.execute(command_json("detach_volumes", {**DETACH, "released_by": None}))

    assert code_of(answer) == ("race", "volume_not_detached")
    assert holder(replica) == [("i-old", "attached")]


def test_a_detachment_that_is_stuck_is_forced_only_after_ec2_says_that_the_instance_ended(replica: World) -> None:
    replica.ec2.ebs.stuck.add("vol-1")

    running = replica.execute(command_json("detach_volumes", DETACH))
    forced_while_running = list(replica.ec2.ebs.forced)
    replica.ec2.set_state("i-old", "stopped")
    ended = replica.execute(command_json("detach_volumes", DETACH, command_id="c-2", request_id="r-2"))

    assert code_of(running) == ("race", "volume_not_detached")
    assert forced_while_running == []
    assert ended["outcome"] == "succeeded"
    assert replica.ec2.ebs.forced == ["vol-1"]


def test_a_volume_that_is_attached_elsewhere_is_not_attached_here(replica: World) -> None:
    answer = replica.execute(command_json("attach_volumes", ATTACH))

    assert code_of(answer) == ("refused", "attached_elsewhere")
    assert "attach_volume" not in replica.ec2.calls


def test_who_loses_the_race_for_a_volume_does_not_count_it_as_attached(replica: World) -> None:
    replica.execute(command_json("detach_volumes", DETACH))
    replica.ec2.failures["attach_volume"] = ["VolumeInUse"]
    volumes = replica.ec2.ebs
    replica.ec2.add_instance("i-third")
    answered: list[int] = []

    def taken_by_another(call: str) -> None:
        if call == "attach_volume" and not answered:
            answered.append(1)
            volumes.known["vol-1"] = replace(volumes.known["vol-1"], attachments=(AttachmentFacts("i-third", "/dev/sdf", "attached"),))

    before = volumes._begin

    def begin(call: str) -> None:
        taken_by_another(call)
        before(call)

    volumes._begin = begin
    answer = replica.execute(command_json("attach_volumes", ATTACH, command_id="c-2", request_id="r-2"))

    assert code_of(answer) == ("refused", "attached_elsewhere")


@pytest.mark.parametrize("kind", ["detach_volumes", "attach_volumes"])
def test_a_volume_that_may_be_attached_twice_fences_nobody_and_is_refused(replica: World, kind: str) -> None:
    replica.ec2.ebs.add("vol-1", "i-old", is_multi_attach=True)

    answer = replica.execute(command_json(kind, DETACH if kind == "detach_volumes" else ATTACH))

    assert code_of(answer) == ("refused", "multi_attach")
    assert holder(replica) == [("i-old", "attached")]


def test_a_volume_that_ec2_does_not_know_is_named(replica: World) -> None:
    answer = replica.execute(command_json("detach_volumes", {**DETACH, "volume_ids": ["vol-9"]}))

    assert code_of(answer) == ("not_found", "InvalidVolume.NotFound")
    assert "vol-9" in answer["error"]["message"]


def test_nothing_is_unmounted_where_the_workload_may_serve(tmp_path: Path) -> None:
    primary = World(tmp_path, journal_of(Role.PRIMARY), CARRY="volume")
    primary.boot()

    answer = primary.execute(command_json("unmount_volumes", VOLUMES))

    assert code_of(answer) == ("refused", "still_serving")
    assert primary.mounts.calls == []


def test_a_side_that_let_go_of_its_volume_serves_with_it_or_not_at_all(tmp_path: Path) -> None:
    primary = World(tmp_path, journal_of(Role.PRIMARY, quiesced=True), CARRY="volume")
    primary.boot()
    primary.execute(command_json("unmount_volumes", VOLUMES))
    primary.mounts.refusals = [ActFailed(ErrorClass.RACE, "device_not_there", "the volume is elsewhere")]
    serve = {"epoch": 1, "bound_seconds": 30}

    without = primary.execute(command_json("start_serving", serve, command_id="c-2", request_id="r-2"))
    served_without = primary.workload.serves
    again = primary.execute(command_json("start_serving", serve, command_id="c-3", request_id="r-3"))

    assert code_of(without) == ("race", "device_not_there")
    assert not served_without
    assert again["outcome"] == "succeeded"
    assert primary.mounts.mounted == {"/srv/shop": "vol-1"}


def test_a_file_system_that_is_busy_stays_noted_and_mounted(replica: World) -> None:
    replica.execute(command_json("mount_volumes", VOLUMES))
    replica.mounts.refusals = [ActFailed(ErrorClass.CHECK_FAILED, "volume_busy", "umount: /srv/shop: target is busy.")]

    busy = replica.execute(command_json("unmount_volumes", VOLUMES, command_id="c-2", request_id="r-2"))
    again = replica.execute(command_json("unmount_volumes", VOLUMES, command_id="c-3", request_id="r-3"))

    assert code_of(busy) == ("check_failed", "volume_busy")
    assert again["outcome"] == "succeeded"
    assert replica.journal.read().volumes == (DATA,)
    assert replica.mounts.mounted == {}


def test_a_primary_that_boots_again_mounts_its_volume_before_its_workload_starts(tmp_path: Path) -> None:
    world = World(tmp_path, replace(journal_of(Role.PRIMARY), volumes=(DATA,)), CARRY="volume")
    world.mounts.refusals = [ActFailed(ErrorClass.RACE, "device_not_there", "not yet")]

    world.boot()
    world.step("heartbeat")
    served_without = world.workload.serves
    world.step("replica_manager")

    assert not served_without
    assert world.mounts.calls == ["mount vol-1 at /srv/shop"] * 2
    assert world.workload.serves


@pytest.mark.parametrize(
    "volumes",
    [
        [],
        "vol-1",
        [{**DATA, "mount_point": "/"}],
        [{**DATA, "mount_point": "srv"}],
        [{**DATA, "mount_point": "/srv/../etc"}],
        [{**DATA, "file_system": "ntfs"}],
        [{**DATA, "device_name": "/dev/../sda"}],
        [{**DATA, "volume_id": "vol-1;reboot"}],
    ],
)
def test_volumes_that_make_no_sense_are_refused_before_anything_is_touched(replica: World, volumes: object) -> None:
    answer = replica.execute(command_json("mount_volumes", {"volumes": volumes}))

    assert code_of(answer) == ("refused", "bad_payload")
    assert replica.mounts.calls == []


def test_a_copy_has_the_type_of_its_source_and_is_made_once_whatever_is_lost(replica: World) -> None:
    replica.ec2.lost.update({"create_snapshot", "create_volume"})
    replica.execute(command_json("copy_volumes", COPY))
    made = replica.execute(command_json("copy_volumes", COPY, command_id="c-2", request_id="r-2"))["result"]

    assert replica.ec2.calls.count("create_snapshot") == 1
    assert len(replica.ec2.ebs.known) == 2
    assert len({request.client_token for request in replica.ec2.ebs.requests}) == 1
    copy = replica.ec2.ebs.known[made["volumes"][0]["volume_id"]]
    assert (copy.az_name, copy.volume_type, copy.size_gib, copy.iops, copy.throughput_mib_per_second) == (
        "us-east-1b",
        "gp3",
        100,
        3000,
        125,
    )
    assert copy.tags["Name"] == "shop-data"
    assert (copy.tags[TAG_COPY_OF], copy.tags[TAG_MOVE_ID]) == ("vol-1", "move-1")
    assert not [key for key in copy.tags if key.startswith("aws:")]
    assert (made["is_fresh"], made["volumes"][0]["copy_of"], made["volumes"][0]["mount_point"]) == (True, "vol-1", "/srv/shop")


def test_a_snapshot_that_takes_its_time_is_told_of_and_waited_for(replica: World) -> None:
    replica.ec2.ebs.new_snapshot_state = "pending"
    order = command_json("copy_volumes", {**COPY, "wait_seconds": 20})

    answer = replica.execute(order)

    assert code_of(answer) == ("race", "snapshot_pending")
    assert replica.api.bodies("switch-report")[0]["detail"] == {"step_progress": {"pass": "last", "snapshots": {"vol-1": "0%"}}}
    assert replica.ec2.ebs.requests == []


def test_a_volume_that_is_gone_comes_back_as_its_newest_completed_snapshot_and_that_is_said(replica: World) -> None:
    del replica.ec2.ebs.known["vol-1"]
    ages = {"snap-old": 9, "snap-new": 5, "snap-cut-short": 1}
    for snapshot_id, hours in ages.items():
        state = "pending" if snapshot_id == "snap-cut-short" else "completed"
        replica.ec2.snapshots[snapshot_id] = SnapshotFacts(snapshot_id, "vol-1", START - timedelta(hours=hours), state=state)

    answer = replica.execute(command_json("copy_volumes", {**COPY, "reported": [{"volume_id": "vol-1", "volume_type": "io2", "tags": {}}]}))

    assert (answer["result"]["is_fresh"], answer["result"]["snapshot_ids"]) == (False, ["snap-new"])
    assert answer["result"]["state_at"] == "2025-12-31T19:00:00Z"
    assert replica.ec2.ebs.requests[-1].like.volume_type == "io2"


def test_without_volume_and_snapshot_there_is_nothing_to_copy(replica: World) -> None:
    del replica.ec2.ebs.known["vol-1"]

    answer = replica.execute(command_json("copy_volumes", COPY))

    assert code_of(answer) == ("not_found", "no_snapshot")


def test_only_the_copies_of_this_very_move_are_discarded(replica: World) -> None:
    made = replica.execute(command_json("copy_volumes", COPY))["result"]["volumes"][0]["volume_id"]
    replica.ec2.ebs.attach(made, "i-own", "/dev/sdf")
    order = {"move_id": "move-1", "wait_seconds": 10}

    attached = replica.execute(command_json("discard_volumes", order, command_id="c-2", request_id="r-2"))
    replica.ec2.ebs.detach(made, "i-own", is_forced=False)
    others = replica.execute(command_json("discard_volumes", {**order, "move_id": "move-2"}, command_id="c-3", request_id="r-3"))
    free = replica.execute(command_json("discard_volumes", order, command_id="c-4", request_id="r-4"))

    assert code_of(attached) == ("race", "copy_in_use")
    assert [answer["result"]["deleted"] for answer in (others, free)] == [[], [made]]
    assert set(replica.ec2.ebs.known) == {"vol-1"}


def test_an_instance_is_ended_only_once_its_data_volumes_are_kept(replica: World) -> None:
    old = replica.ec2.instances["i-old"]
    going = tuple(replace(held, delete_on_termination=True) for held in old.volumes)
    replica.ec2.instances["i-old"] = replace(old, volumes=going, tags=TAGS)
    replica.ec2.failures["keep_volumes"] = ["UnauthorizedOperation"]
    order = {"instance_id": "i-old", "keep_data_volumes": True}

    refused = replica.execute(command_json("terminate_instance", order))
    state_then = replica.ec2.instances["i-old"].state
    ended = replica.execute(command_json("terminate_instance", order, command_id="c-2", request_id="r-2"))

    assert code_of(refused) == ("not_authorized", "UnauthorizedOperation")
    assert state_then == "running"
    assert ended["outcome"] == "succeeded"
    kept = {held.device_name: held.delete_on_termination for held in replica.ec2.instances["i-old"].volumes}
    assert kept == {"/dev/xvda": True, "/dev/sdf": False}


def test_an_image_leaves_the_data_volumes_out(replica: World) -> None:
    order = {"instance_id": "i-old", "image_name": "image-1", "no_reboot": True, "without_devices": ["/dev/sdf"]}

    replica.execute(command_json("create_image", order))

    assert replica.ec2.left_out == [("/dev/sdf",)]
