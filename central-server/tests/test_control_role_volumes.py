"""How the control role moves and copies data volumes: what it adopts, what it refuses, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server_support.clock import START
from server_support.memory_aws import FakeEc2, failure
from spot_server.aws.errors import ActFailed, AwsFailed
from spot_server.aws.ports import AttachedVolume
from spot_server.features.control_role.acting import Done, Handled, NotYet, Task
from spot_server.features.control_role.acts import HANDLERS
from spot_server.features.control_role.rules import LookOnly
from spot_server.words import CommandKind

DATA = {"volume_id": "vol-1", "device_name": "/dev/sdf", "mount_point": "/srv/shop", "file_system": "ext4"}
DETACH: dict[str, Any] = {"volume_ids": ["vol-1"], "instance_id": "i-new", "released_by": "i-old"}
ATTACH: dict[str, Any] = {"volumes": [DATA], "instance_id": "i-new"}
TAGS = {"spot-optimizer:managed": "true"}
COPY: dict[str, Any] = {"volumes": [DATA], "move_id": "move-1", "pass": "last", "az_name": "us-east-1b", "tags": TAGS}


@pytest.fixture
def ec2() -> FakeEc2:
    made = FakeEc2()
    made.add_instance("i-old")
    made.add_instance("i-new")
    made.volumes.add("vol-1", "i-old")
    return made


def look(
    ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any], waited_seconds: float = 0.0, only_look: LookOnly | None = None
) -> Handled:
    return HANDLERS[kind](Task(kind, payload, waited_seconds, START, {}, only_look), ec2)


def finish(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any]) -> dict[str, Any]:
    """Look until it is done; answers that are lost are looked for."""
    for number in range(20):
        try:
            handled = look(ec2, kind, payload, float(number))
        except AwsFailed:
            continue
        if isinstance(handled, Done):
            return handled.result
        ec2.volumes.settle()
    raise AssertionError(f"{kind} is not done")


def holder(ec2: FakeEc2) -> list[str]:
    return [held.instance_id for held in ec2.volumes.known["vol-1"].attachments]


def test_a_released_volume_comes_over_and_each_act_happens_once_whatever_is_lost(ec2: FakeEc2) -> None:
    ec2.lost.update({"detach_volume", "attach_volume"})

    finish(ec2, CommandKind.DETACH_VOLUMES, DETACH)
    finish(ec2, CommandKind.ATTACH_VOLUMES, ATTACH)

    assert holder(ec2) == ["i-new"]
    assert [ec2.calls.count(call) for call in ("detach_volume", "attach_volume")] == [1, 1]
    assert ec2.volumes.forced == []


@pytest.mark.parametrize("state", ["running", "shutting-down", "stopping"])
def test_a_volume_stays_with_who_neither_released_it_nor_ended(ec2: FakeEc2, state: str) -> None:
    ec2.instances["i-old"] = replace(ec2.instances["i-old"], state=state)

    handled = look(ec2, CommandKind.DETACH_VOLUMES, {**DETACH, "released_by": None}, 3_600.0)

    assert handled == NotYet("volume_not_detached", 1.0)
    assert "detach_volume" not in ec2.calls


def test_force_is_only_for_what_is_stuck_with_an_instance_that_has_ended(ec2: FakeEc2) -> None:
    ec2.volumes.stuck.add("vol-1")
    look(ec2, CommandKind.DETACH_VOLUMES, DETACH)
    look(ec2, CommandKind.DETACH_VOLUMES, DETACH, 60.0)
    forced_while_running = list(ec2.volumes.forced)
    ec2.instances["i-old"] = replace(ec2.instances["i-old"], state="terminated")

    look(ec2, CommandKind.DETACH_VOLUMES, DETACH, 60.0)

    assert (forced_while_running, ec2.volumes.forced) == ([], ["vol-1"])


@pytest.mark.parametrize("released_by", [None, "i-old"])
def test_a_volume_stays_with_one_that_ec2_does_not_know(ec2: FakeEc2, released_by: str | None) -> None:
    ec2.volumes.stuck.add("vol-1")
    look(ec2, CommandKind.DETACH_VOLUMES, DETACH)
    ec2.hidden.add("i-old")

    handled = look(ec2, CommandKind.DETACH_VOLUMES, {**DETACH, "released_by": released_by}, 3_600.0)

    assert handled == NotYet("volume_not_detached", 1.0)
    assert ec2.volumes.forced == []


def test_an_attachment_elsewhere_is_not_ended_by_attaching(ec2: FakeEc2) -> None:
    with pytest.raises(ActFailed, match="attached to i-old"):
        look(ec2, CommandKind.ATTACH_VOLUMES, ATTACH)

    assert holder(ec2) == ["i-old"]


@pytest.mark.parametrize(("kind", "payload"), [(CommandKind.DETACH_VOLUMES, DETACH), (CommandKind.ATTACH_VOLUMES, ATTACH)])
def test_a_volume_that_may_be_attached_twice_is_refused(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any]) -> None:
    ec2.volumes.known["vol-1"] = replace(ec2.volumes.known["vol-1"], is_multi_attach=True)

    with pytest.raises(ActFailed, match="several instances"):
        look(ec2, kind, payload)


def test_a_copy_is_made_once_with_the_sources_type_and_tags(ec2: FakeEc2) -> None:
    ec2.lost.update({"create_snapshot", "create_volume"})

    made = finish(ec2, CommandKind.COPY_VOLUMES, COPY)

    copy = ec2.volumes.known[made["volumes"][0]["volume_id"]]
    assert (copy.volume_type, copy.size_gib, copy.iops, copy.tags["Name"]) == ("gp3", 100, 3000, "shop")
    assert (made["is_fresh"], len(ec2.volumes.snapshots), len(ec2.volumes.tokens)) == (True, 1, 1)


def test_a_volume_that_is_gone_is_copied_from_its_newest_snapshot_and_that_is_said(ec2: FakeEc2) -> None:
    ec2.volumes.create_snapshot("vol-1", {})
    ec2.volumes.settle()
    del ec2.volumes.known["vol-1"]

    made = finish(ec2, CommandKind.COPY_VOLUMES, {**COPY, "reported": [{"volume_id": "vol-1", "volume_type": "io2"}]})

    assert (made["is_fresh"], made["snapshot_ids"]) == (False, ["snap-1"])
    assert ec2.volumes.requests[-1].like.volume_type == "io2"


def test_copies_are_discarded_once_nothing_has_them_and_nothing_else_is(ec2: FakeEc2) -> None:
    made = finish(ec2, CommandKind.COPY_VOLUMES, COPY)["volumes"][0]["volume_id"]
    ec2.volumes.attach(made, "i-new", "/dev/sdf")

    held = look(ec2, CommandKind.DISCARD_VOLUMES, {"move_id": "move-1"})
    ec2.volumes.detach(made, "i-new", is_forced=False)
    ec2.volumes.settle()
    other = look(ec2, CommandKind.DISCARD_VOLUMES, {"move_id": "move-2"})
    free = look(ec2, CommandKind.DISCARD_VOLUMES, {"move_id": "move-1"})

    assert isinstance(held, NotYet)
    assert (other, free) == (Done({"deleted": []}), Done({"deleted": [made]}))
    assert set(ec2.volumes.known) == {"vol-1"}


def test_an_instance_is_not_ended_before_its_data_volumes_are_kept(ec2: FakeEc2) -> None:
    tags = {"spot-optimizer:managed": "true", "spot-optimizer:agent-id": "agent-1"}
    ec2.instances["i-old"] = replace(ec2.instances["i-old"], tags=tags, going_volumes=(AttachedVolume("vol-1", "/dev/sdf"),))
    order = {"instance_id": "i-old", "keep_data_volumes": True}
    task = Task(CommandKind.TERMINATE_INSTANCE, order, 0.0, START, tags)
    ec2.refusals["keep_volumes"] = [failure("UnauthorizedOperation")]

    with pytest.raises(ActFailed):
        HANDLERS[CommandKind.TERMINATE_INSTANCE](task, ec2)
    state_then = ec2.instances["i-old"].state
    HANDLERS[CommandKind.TERMINATE_INSTANCE](task, ec2)

    assert state_then == "running"
    assert ec2.volumes.kept == [("i-old", ("/dev/sdf",))]
    assert ec2.instances["i-old"].state == "shutting-down"


OWNER = {
    "spot-optimizer:managed": "true",
    "spot-optimizer:client-id": "client-1",
    "spot-optimizer:agent-id": "agent-1",
    "spot-optimizer:logical-agent-id": "web",
}
KEEP_ROOT: dict[str, Any] = {"instance_id": "i-old", "keep_root": True, "tags": OWNER}


def ending(ec2: FakeEc2, order: dict[str, Any], *refusals: str) -> Handled:
    """End an instance whose root and data volume would go with it; EC2 refuses to keep them."""
    going = (AttachedVolume("vol-1", "/dev/sdf"),)
    root = AttachedVolume("vol-root", "/dev/xvda")
    ec2.instances["i-old"] = replace(ec2.instances["i-old"], tags=OWNER, going_volumes=going, going_root=root)
    ec2.refusals["keep_volumes"] = [failure(code) for code in refusals]
    return HANDLERS[CommandKind.TERMINATE_INSTANCE](Task(CommandKind.TERMINATE_INSTANCE, order, 0.0, START, OWNER), ec2)


def test_a_root_with_the_last_writes_outlives_its_instance_and_says_whose_it_is(ec2: FakeEc2) -> None:
    done = ending(ec2, KEEP_ROOT)

    assert done == Done({"state": "shutting-down", "kept_volume_ids": ["vol-root"]})
    assert ec2.volumes.kept == [("i-old", ("/dev/xvda",))]
    assert ec2.volumes.tagged["vol-root"] == {
        "spot-optimizer:client-id": "client-1",
        "spot-optimizer:agent-id": "agent-1",
        "spot-optimizer:logical-agent-id": "web",
        "spot-optimizer:salvaged-from": "i-old",
    }


def test_a_root_that_may_not_be_kept_holds_up_no_fence(ec2: FakeEc2) -> None:
    done = ending(ec2, KEEP_ROOT, "UnauthorizedOperation")

    assert done == Done({"state": "shutting-down", "unkept_volume_ids": ["vol-root"]})


def test_a_root_is_kept_also_where_it_cannot_be_tagged(ec2: FakeEc2) -> None:
    ec2.refusals["tag_volume"] = [failure("UnauthorizedOperation")]

    ending(ec2, KEEP_ROOT)

    assert ec2.volumes.kept == [("i-old", ("/dev/xvda",))]


def test_nothing_is_ended_while_ec2_only_asks_for_patience(ec2: FakeEc2) -> None:
    with pytest.raises(ActFailed):
        ending(ec2, KEEP_ROOT, "RequestLimitExceeded")

    assert ec2.instances["i-old"].state == "running"


@pytest.mark.parametrize("is_announced", [True, False])
def test_data_that_may_not_be_kept_goes_only_where_ec2_takes_it_anyway(ec2: FakeEc2, *, is_announced: bool) -> None:
    order = {**KEEP_ROOT, "keep_data_volumes": True, **({"end_unkept": True} if is_announced else {})}

    if is_announced:
        ending(ec2, order, "UnauthorizedOperation")
    else:
        with pytest.raises(ActFailed):
            ending(ec2, order, "UnauthorizedOperation")

    assert ec2.instances["i-old"].state == ("shutting-down" if is_announced else "running")
