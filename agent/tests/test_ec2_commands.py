"""Commands that act on EC2: each finds the result of an earlier try first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent_fakes.memory import command_json
from agent_fakes.virtual import START
from agent_fakes.world import World
from spot_agent.ec2_facts import AddressFacts, SnapshotFacts, VolumeFacts
from spot_agent.journal_contents import CommandRecord, with_started
from spot_agent.model import TAG_AGENT_ID, TAG_MANAGED, JsonObject
from spot_agent.timestamps import to_wire

IMAGE = {
    "instance_id": "i-own",
    "image_name": "web-1-s1",
    "no_reboot": True,
    "tags": {"spot-optimizer:managed": "true"},
    "wait_seconds": 600,
}
LAUNCH = {
    "client_token": "tok-1",
    "image_id": "ami-1",
    "instance_type": "m5.large",
    "az_id": "use1-az1",
    "subnet_id": "subnet-1",
    "mode": "spot",
    "tags": {},
}
MOVE = {"allocation_id": "eipalloc-1", "instance_id": "i-own", "allow_reassociation": True, "wait_seconds": 20}


@pytest.fixture
def running(world: World) -> World:
    world.ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "127.20.0.1", None, None)
    return world.registered()


def _again(command: JsonObject) -> JsonObject:
    return {**command, "command_id": "again", "request_id": "again"}


def test_an_image_is_waited_for_in_slices_while_the_fast_lane_stays_open(running: World) -> None:
    running.ec2.new_image_state = "pending"
    running.api.commands = [command_json("create_image", IMAGE)]
    running.step("commands")
    running.step("replica_manager")

    between = running.execute(command_json("standby_check"))
    made = next(iter(running.ec2.images.values()))
    running.ec2.images[made.image_id] = replace(made, state="available")
    running.clock.advance(5)
    running.step("replica_manager")

    assert between["outcome"] == "succeeded"
    answer = running.api.bodies("executed")[-1]
    assert answer["result"]["image_id"] == made.image_id
    assert answer["result"]["snapshot_ids"] == list(made.snapshot_ids)


def test_an_image_of_the_same_name_is_adopted(running: World) -> None:
    first = running.execute(command_json("create_image", IMAGE))

    again = running.execute(_again(command_json("create_image", IMAGE)))

    assert again["result"]["image_id"] == first["result"]["image_id"]
    assert running.ec2.calls.count("create_image") == 1


def test_an_image_whose_answer_was_lost_is_found_by_its_name(running: World) -> None:
    running.ec2.lost = {"create_image"}

    answer = running.execute(command_json("create_image", IMAGE))

    assert answer["outcome"] == "succeeded"
    assert len(running.ec2.images) == 1


def test_an_image_that_is_not_done_in_time_is_a_race_and_not_a_success(running: World) -> None:
    running.ec2.new_image_state = "pending"

    answer = running.execute(command_json("create_image", {**IMAGE, "wait_seconds": 30}))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("race", "image_pending")


def test_an_image_with_a_reboot_is_refused(running: World) -> None:
    answer = running.execute(command_json("create_image", {**IMAGE, "no_reboot": False}))

    assert answer["error"]["class"] == "refused"
    assert running.ec2.images == {}


def test_missing_rights_are_answered_at_once(running: World) -> None:
    running.ec2.failures["create_image"] = ["UnauthorizedOperation"]

    answer = running.execute(command_json("create_image", IMAGE))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("not_authorized", "UnauthorizedOperation")


def test_a_throttled_image_is_tried_again(running: World) -> None:
    running.ec2.failures["find_image"] = ["RequestLimitExceeded", "RequestLimitExceeded"]

    assert running.execute(command_json("create_image", IMAGE))["outcome"] == "succeeded"


def test_a_launch_whose_answer_was_lost_makes_one_instance(running: World) -> None:
    running.ec2.lost = {"run_instance"}

    answer = running.execute(command_json("launch_instance", LAUNCH))

    assert answer["result"]["instance_id"] in running.ec2.instances
    assert len(running.ec2.launch_requests) == 1


def test_a_launch_asks_for_one_spot_instance_with_its_token(running: World) -> None:
    running.execute(command_json("launch_instance", {**LAUNCH, "user_data": {"spot_optimizer": {"nonce": "n"}}}))

    request = running.ec2.launch_requests[0]
    assert (request.is_spot, request.client_token, request.subnet_id) == (True, "tok-1", "subnet-1")
    assert request.user_data == '{"spot_optimizer": {"nonce": "n"}}'


def test_another_attempt_with_the_token_of_a_dead_instance_is_told_so(running: World) -> None:
    first = running.execute(command_json("launch_instance", LAUNCH))
    running.ec2.set_state(first["result"]["instance_id"], "terminated")

    answer = running.execute(_again(command_json("launch_instance", LAUNCH)))

    assert answer["error"]["class"] == "idempotency"


@pytest.mark.parametrize(
    ("code", "error_class"),
    [("InsufficientInstanceCapacity", "capacity"), ("MaxSpotInstanceCountExceeded", "quota"), ("Unsupported", "pool_invalid")],
)
def test_what_ec2_says_of_a_pool_reaches_the_server(running: World, code: str, error_class: str) -> None:
    running.ec2.failures["run_instance"] = [code]

    answer = running.execute(command_json("launch_instance", LAUNCH))

    assert (answer["error"]["class"], answer["error"]["code"]) == (error_class, code)


def test_a_payload_that_lacks_something_is_refused_by_name(running: World) -> None:
    answer = running.execute(command_json("launch_instance", {**LAUNCH, "image_id": None}))

    assert answer["error"] == {"class": "refused", "code": "bad_payload", "message": "image_id must be a non-empty string"}


def test_an_address_moves_and_is_confirmed(running: World) -> None:
    answer = running.execute(command_json("move_address", MOVE))

    assert answer["result"]["public_ip"] == "127.20.0.1"
    assert running.ec2.addresses["eipalloc-1"].instance_id == "i-own"


def test_the_first_try_takes_an_address_without_a_look_for_the_workload_is_down_meanwhile(running: World) -> None:
    running.ec2.calls.clear()

    running.execute(command_json("move_address", MOVE))

    asked = [call for call in running.ec2.calls if "address" in call]
    assert asked == ["associate_address", "describe_address"]


def test_one_that_was_cut_short_adopts_an_address_that_is_there_already(running: World) -> None:
    command = command_json("move_address", MOVE)
    running.ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "127.20.0.1", "i-own", "eipassoc-7")
    started_at = to_wire(running.clock.now() - timedelta(seconds=5))
    running.journal.change(
        lambda now: with_started(now, CommandRecord(command["request_id"], command["command_id"], "move_address", started_at))
    )

    answer = running.execute(command)

    assert answer["result"]["association_id"] == "eipassoc-7"
    assert running.ec2.calls.count("associate_address") == 0


def test_an_address_that_another_holds_is_not_taken_without_leave(running: World) -> None:
    running.ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "127.20.0.1", "i-other", "eipassoc-1")

    answer = running.execute(command_json("move_address", {**MOVE, "allow_reassociation": False}))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "Resource.AlreadyAssociated")
    assert running.ec2.addresses["eipalloc-1"].instance_id == "i-other"


def test_an_address_that_ec2_does_not_know_is_not_found(running: World) -> None:
    answer = running.execute(command_json("move_address", {**MOVE, "allocation_id": "eipalloc-9"}))

    assert answer["error"]["class"] == "not_found"


def test_a_persistent_spot_request_is_cancelled_before_its_instance_goes(running: World) -> None:
    running.ec2.add_instance("i-old", spot_request_id="sir-1", tags={TAG_MANAGED: "true", TAG_AGENT_ID: "agent-1"})
    running.ec2.persistent_requests = {"sir-1"}

    answer = running.execute(command_json("terminate_instance", {"instance_id": "i-old"}))

    assert answer["result"]["state"] == "shutting-down"
    assert [call for call in running.ec2.calls if "spot" in call or "terminate" in call] == ["cancel_spot_request", "terminate_instance"]


def test_an_instance_that_ec2_does_not_know_yet_is_not_called_gone_at_the_first_look(running: World) -> None:
    def launched() -> None:
        running.ec2.add_instance("i-new", state="pending")

    running.stop.on_wait = launched

    answer = running.execute(command_json("describe_instance", {"instance_id": "i-new"}))

    assert answer["result"]["state"] == "pending"


def test_an_instance_that_stays_unknown_is_gone(running: World) -> None:
    answer = running.execute(command_json("describe_instance", {"instance_id": "i-gone"}))

    assert answer["result"]["state"] == "gone"


ROOT_AND_DATA = (
    VolumeFacts("vol-root", "/dev/xvda", delete_on_termination=True),
    VolumeFacts("vol-data", "/dev/sdf", delete_on_termination=True),
    VolumeFacts("vol-kept", "/dev/sdg", delete_on_termination=False),
)
OWNER_TAGS = {
    "spot-optimizer:managed": "true",
    "spot-optimizer:client-id": "client-1",
    "spot-optimizer:agent-id": "agent-1",
    "spot-optimizer:logical-agent-id": "web-1",
    "spot-optimizer:epoch": "3",
}
OWNER_OF_KEPT = {
    "spot-optimizer:client-id": "client-1",
    "spot-optimizer:agent-id": "agent-1",
    "spot-optimizer:logical-agent-id": "web-1",
    "spot-optimizer:salvaged-from": "i-old",
}


def _salvage(*, keep_root: bool | None = None) -> dict[str, Any]:
    payload: dict[str, Any] = {"instance_id": "i-old", "tags": OWNER_TAGS}
    return command_json("salvage_volumes", payload if keep_root is None else {**payload, "keep_root": keep_root})


def _outliving(world: World) -> set[str]:
    return {volume.volume_id for volume in world.ec2.instances["i-old"].volumes if not volume.delete_on_termination}


def test_salvage_keeps_the_volumes_and_snapshots_each_once(running: World) -> None:
    """A server that does not say whether the root is needed gets all of them."""
    running.ec2.add_instance("i-old", volumes=ROOT_AND_DATA)
    salvage = _salvage()
    first = running.execute(salvage)

    again = running.execute(_again(salvage))

    assert first["result"]["snapshot_ids"] == again["result"]["snapshot_ids"]
    assert len(first["result"]["snapshot_ids"]) == 3
    assert _outliving(running) == {"vol-root", "vol-data", "vol-kept"}


def test_a_volume_that_is_made_to_outlive_its_instance_says_whose_it_is_and_gives_no_right(running: World) -> None:
    """Also one of a first instance, whose volumes carry no tags of ours. What a person had kept before stays the person's."""
    running.ec2.add_instance("i-old", volumes=ROOT_AND_DATA)

    answer = running.execute(_salvage(keep_root=True))

    assert answer["result"]["kept_volume_ids"] == ["vol-root", "vol-data"]
    assert {name: tags for name, tags in running.ec2.tagged.items() if name.startswith("vol-")} == {
        "vol-root": OWNER_OF_KEPT,
        "vol-data": OWNER_OF_KEPT,
    }
    assert running.ec2.calls.index("tag") < running.ec2.calls.index("keep_volumes")


def test_a_root_that_nobody_needs_goes_with_its_instance_once_its_snapshot_is_begun(running: World) -> None:
    running.ec2.add_instance("i-old", volumes=ROOT_AND_DATA)

    answer = running.execute(_salvage(keep_root=False))

    assert answer["result"]["kept_volume_ids"] == ["vol-data"]
    assert _outliving(running) == {"vol-data", "vol-kept"}
    assert {snapshot.volume_id for snapshot in running.ec2.snapshots.values()} == {"vol-root", "vol-data", "vol-kept"}


def test_a_root_without_a_snapshot_is_kept_whoever_needs_it(running: World) -> None:
    running.ec2.add_instance("i-old", volumes=ROOT_AND_DATA)
    running.ec2.failures["create_snapshots"] = ["UnauthorizedOperation"]

    answer = running.execute(_salvage(keep_root=False))

    assert answer["error"]["class"] == "not_authorized"
    assert _outliving(running) == {"vol-root", "vol-data", "vol-kept"}
    assert running.ec2.tagged["vol-root"] == OWNER_OF_KEPT


def test_a_root_whose_earlier_snapshot_failed_gets_another_before_it_may_go(running: World) -> None:
    running.ec2.add_instance("i-old", volumes=ROOT_AND_DATA)
    marked = {**OWNER_TAGS, "spot-optimizer:salvaged-from": "i-old"}
    running.ec2.snapshots["snap-bad"] = SnapshotFacts("snap-bad", "vol-root", START, marked, state="error")

    answer = running.execute(_salvage(keep_root=False))

    assert len(answer["result"]["snapshot_ids"]) == 3
    assert "snap-bad" not in answer["result"]["snapshot_ids"]


def test_salvage_keeps_and_snapshots_also_where_the_volumes_cannot_be_tagged(running: World) -> None:
    running.ec2.add_instance("i-old", volumes=ROOT_AND_DATA)
    running.ec2.failures["tag"] = ["UnauthorizedOperation"]

    answer = running.execute(_salvage(keep_root=False))

    assert answer["error"]["class"] == "not_authorized"
    assert _outliving(running) == {"vol-data", "vol-kept"}
    assert len(running.ec2.snapshots) == 3


def test_salvage_snapshots_also_if_the_volumes_cannot_be_kept(running: World) -> None:
    running.ec2.add_instance("i-old")
    running.ec2.failures["keep_volumes"] = ["UnauthorizedOperation"]

    answer = running.execute(command_json("salvage_volumes", {"instance_id": "i-old", "tags": {}}))

    assert answer["error"]["class"] == "not_authorized"
    assert len(running.ec2.snapshots) == 1
    assert next(iter(running.ec2.snapshots)) in answer["error"]["message"]
