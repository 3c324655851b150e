"""Each act of the control role: what it does, what it adopts of an earlier try, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server_support.clock import START
from server_support.memory_aws import FakeEc2, failure
from spot_server.aws.errors import ActFailed, AwsFailed, ErrorClass
from spot_server.aws.ports import TAG_AGENT_ID, TAG_MANAGED, AddressFacts
from spot_server.features.control_role.acting import Done, Handled, NotYet, Task
from spot_server.features.control_role.acts import HANDLERS
from spot_server.features.control_role.rules import LookOnly
from spot_server.words import CommandKind, TerminationRefusal

STALE = LookOnly(ErrorClass.STALE_EPOCH, "stale_epoch", "epoch 1 is older than 2")

LAUNCH: dict[str, Any] = {
    "client_token": "token-1",
    "image_id": "ami-base",
    "instance_type": "m5.large",
    "az_id": "use1-az1",
    "subnet_id": "subnet-1",
    "mode": "spot",
    "security_group_ids": ["sg-1"],
    "iam_instance_profile_arn": None,
    "key_name": "ops",
    "metadata_options": {"HttpTokens": "required"},
    "user_data": "{}",
    "tags": {"team": "shop"},
}
IMAGE: dict[str, Any] = {"instance_id": "i-old", "image_name": "image-1", "no_reboot": True, "tags": {"a": "b"}, "wait_seconds": 1200}
TERMINATE: dict[str, Any] = {"instance_id": "i-old", "handle_allocation_ids": ["eipalloc-1"]}
OWNER = {TAG_MANAGED: "true", TAG_AGENT_ID: "agent-1"}
MOVE: dict[str, Any] = {"allocation_id": "eipalloc-1", "instance_id": "i-new", "allow_reassociation": True, "wait_seconds": 120}


@pytest.fixture
def ec2() -> FakeEc2:
    fake = FakeEc2()
    fake.add_instance("i-old", tags=OWNER)
    fake.add_instance("i-new", tags=OWNER)
    return fake


def task(kind: CommandKind, payload: dict[str, Any], **members: Any) -> Task:
    base = Task(kind=kind, payload=payload, waited_seconds=0.0, now=START, default_tags=OWNER)
    return replace(base, **members)


def handle(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any], **members: Any) -> Handled:
    return HANDLERS[kind](task(kind, payload, **members), ec2)


def fail(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any], **members: Any) -> ActFailed:
    with pytest.raises(ActFailed) as failed:
        handle(ec2, kind, payload, **members)
    return failed.value


def result(handled: Handled) -> dict[str, Any]:
    assert isinstance(handled, Done), handled
    return handled.result


def test_a_launch_is_asked_for_as_the_command_says(ec2: FakeEc2) -> None:
    made = result(handle(ec2, CommandKind.LAUNCH_INSTANCE, LAUNCH))

    request, instance_id = ec2.launches["token-1"]
    assert made == {"instance_id": instance_id, "launched_at": "2026-01-01T00:00:00Z"}
    assert (request.is_spot, request.key_name, request.security_group_ids, request.tags) == (True, "ops", ("sg-1",), {"team": "shop"})


def test_a_launch_of_an_earlier_try_is_adopted_without_another(ec2: FakeEc2) -> None:
    first = result(handle(ec2, CommandKind.LAUNCH_INSTANCE, LAUNCH))

    second = result(handle(ec2, CommandKind.LAUNCH_INSTANCE, LAUNCH))
    stale = result(handle(ec2, CommandKind.LAUNCH_INSTANCE, LAUNCH, only_look=STALE))

    assert first == second == stale
    assert ec2.calls.count("run_instance") == 1


def test_a_launch_whose_instance_has_ended_needs_another_token(ec2: FakeEc2) -> None:
    made = result(handle(ec2, CommandKind.LAUNCH_INSTANCE, LAUNCH))
    ec2.terminate_instance(made["instance_id"])

    assert fail(ec2, CommandKind.LAUNCH_INSTANCE, LAUNCH).error_class is ErrorClass.IDEMPOTENCY


def test_a_launch_that_cannot_be_understood_has_no_effect(ec2: FakeEc2) -> None:
    for name, value in [("subnet_id", None), ("mode", "unknown"), ("image_id", "")]:
        failed = fail(ec2, CommandKind.LAUNCH_INSTANCE, {**LAUNCH, name: value})

        assert (failed.error_class, failed.code) == (ErrorClass.REFUSED, "bad_payload")
    assert ec2.calls == []


def test_an_image_is_begun_once_and_done_when_it_is_available(ec2: FakeEc2) -> None:
    first, second = handle(ec2, CommandKind.CREATE_IMAGE, IMAGE), handle(ec2, CommandKind.CREATE_IMAGE, IMAGE)
    ec2.settle()

    made = result(handle(ec2, CommandKind.CREATE_IMAGE, IMAGE))

    (image,) = ec2.images.values()
    assert isinstance(first, NotYet)
    assert first == second
    assert (made["image_id"], made["snapshot_ids"]) == (image.image_id, list(image.snapshot_ids))
    assert ec2.image_tags[image.image_id] == {"a": "b"}


def test_an_image_that_somebody_else_has_just_begun_is_adopted(ec2: FakeEc2) -> None:
    ec2.refusals["create_image"].append(failure("InvalidAMIName.Duplicate"))

    assert isinstance(handle(ec2, CommandKind.CREATE_IMAGE, IMAGE), NotYet)


def test_a_failed_image_and_one_that_would_reboot_are_failures(ec2: FakeEc2) -> None:
    ec2.create_image("i-old", "image-1", {})
    ec2.images = {key: replace(image, state="failed") for key, image in ec2.images.items()}

    assert fail(ec2, CommandKind.CREATE_IMAGE, IMAGE).code == "image_failed"
    assert fail(ec2, CommandKind.CREATE_IMAGE, {**IMAGE, "no_reboot": False}).code == "bad_payload"


def test_ec2s_word_about_an_instance_and_gone_only_after_several_looks(ec2: FakeEc2) -> None:
    known = result(handle(ec2, CommandKind.DESCRIBE_INSTANCE, {"instance_id": "i-old"}))
    early = handle(ec2, CommandKind.DESCRIBE_INSTANCE, {"instance_id": "i-none"})

    late = result(handle(ec2, CommandKind.DESCRIBE_INSTANCE, {"instance_id": "i-none"}, waited_seconds=4.0))

    assert known == {"state": "running", "state_reason_code": None, "launched_at": "2026-01-01T00:00:00Z"}
    assert isinstance(early, NotYet)
    assert late["state"] == "gone"


@pytest.mark.parametrize("kind", [CommandKind.DESCRIBE_INSTANCE, CommandKind.WAIT_TERMINATED, CommandKind.TERMINATE_INSTANCE])
def test_that_ec2_knows_none_is_said_with_the_account_that_was_asked(ec2: FakeEc2, kind: CommandKind) -> None:
    task = Task(kind, {"instance_id": "i-none"}, 60.0, START, {}, account_id="123456789012")

    said = result(HANDLERS[kind](task, ec2))

    assert (said["state"], said["account_id"]) == ("gone", "123456789012")


def test_terminating_is_once_and_repeats_find_it_done(ec2: FakeEc2) -> None:
    states = [result(handle(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-old"}))["state"] for _ in range(2)]

    assert (states, ec2.calls.count("terminate_instance")) == (["shutting-down", "shutting-down"], 1)


def test_an_instance_that_ec2_does_not_know_yet_is_not_taken_for_gone(ec2: FakeEc2) -> None:
    ec2.hidden.add("i-new")
    first = handle(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-new"})
    ec2.hidden.clear()

    second = result(handle(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-new"}, waited_seconds=2.0))
    never_known = result(handle(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-none"}, waited_seconds=60.0))

    assert isinstance(first, NotYet)
    assert (second["state"], never_known["state"]) == ("shutting-down", "gone")


@pytest.mark.parametrize(
    "tags",
    [{}, {TAG_MANAGED: "true"}, {**OWNER, TAG_AGENT_ID: "agent-2"}, {**OWNER, TAG_MANAGED: "released"}, {**OWNER, TAG_MANAGED: "false"}],
)
def test_what_does_not_carry_its_owners_tags_is_left_alone(ec2: FakeEc2, tags: dict[str, str]) -> None:
    ec2.add_instance("i-old", spot_request_id="sir-1", tags=tags)
    ec2.persistent_requests.add("sir-1")

    refused = fail(ec2, CommandKind.TERMINATE_INSTANCE, TERMINATE)

    assert (refused.error_class, refused.code) == (ErrorClass.REFUSED, TerminationRefusal.NOT_OURS)
    assert f"{TAG_AGENT_ID}=agent-1" in refused.message
    assert not {"terminate_instance", "cancel_spot_request"} & set(ec2.calls)


def test_what_holds_a_handle_is_left_alone_until_it_holds_it_no_more(ec2: FakeEc2) -> None:
    ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "192.0.2.1", "i-old", "eipassoc-1")
    refused = fail(ec2, CommandKind.TERMINATE_INSTANCE, TERMINATE)
    calls_then = list(ec2.calls)
    ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "192.0.2.1", "i-new", "eipassoc-1")

    made = result(handle(ec2, CommandKind.TERMINATE_INSTANCE, TERMINATE))

    assert (refused.error_class, refused.code) == (ErrorClass.REFUSED, TerminationRefusal.HOLDS_HANDLE)
    assert "terminate_instance" not in calls_then
    assert made == {"state": "shutting-down"}


def test_an_address_that_aws_does_not_tell_of_is_no_leave_and_one_that_is_gone_holds_up_nothing(ec2: FakeEc2) -> None:
    ec2.refusals["describe_address"].append(failure("UnauthorizedOperation"))

    denied = fail(ec2, CommandKind.TERMINATE_INSTANCE, TERMINATE)
    made = result(handle(ec2, CommandKind.TERMINATE_INSTANCE, {**TERMINATE, "handle_allocation_ids": ["eipalloc-9"]}))

    assert denied.error_class is ErrorClass.NOT_AUTHORIZED
    assert made == {"state": "shutting-down"}


def test_handles_that_cannot_be_understood_forbid_the_termination(ec2: FakeEc2) -> None:
    assert fail(ec2, CommandKind.TERMINATE_INSTANCE, {**TERMINATE, "handle_allocation_ids": "eipalloc-1"}).code == "bad_payload"
    assert "terminate_instance" not in ec2.calls


def test_a_persistent_spot_request_is_cancelled_first_and_a_one_time_one_is_left(ec2: FakeEc2) -> None:
    ec2.add_instance("i-persistent", spot_request_id="sir-1", tags=OWNER)
    ec2.add_instance("i-once", spot_request_id="sir-2", tags=OWNER)
    ec2.persistent_requests.add("sir-1")

    handle(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-persistent"})
    persistent_calls, ec2.calls = ec2.calls, []
    handle(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-once"})

    assert persistent_calls.index("cancel_spot_request") < persistent_calls.index("terminate_instance")
    assert "cancel_spot_request" not in ec2.calls


def test_a_termination_that_ec2_answers_with_unknown_is_tried_again_and_a_refusal_is_a_failure(ec2: FakeEc2) -> None:
    ec2.refusals["terminate_instance"] += [failure("InvalidInstanceID.NotFound"), failure("OperationNotPermitted")]

    unknown = fail(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-old"})
    refused = fail(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-old"})
    again = result(handle(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-old"}))

    assert (unknown.error_class, refused.error_class) == (ErrorClass.RACE, ErrorClass.REFUSED)
    assert again["state"] == "shutting-down"


def test_only_terminated_is_the_end_of_the_wait(ec2: FakeEc2) -> None:
    payload = {"instance_id": "i-old", "wait_seconds": 30}
    waits = [handle(ec2, CommandKind.WAIT_TERMINATED, payload)]
    ec2.terminate_instance("i-old")
    waits.append(handle(ec2, CommandKind.WAIT_TERMINATED, payload))
    ec2.settle()

    ended = result(handle(ec2, CommandKind.WAIT_TERMINATED, payload))

    assert [wait.reason for wait in waits if isinstance(wait, NotYet)] == ["still_running", "still_shutting_down"]
    assert ended == {"state": "terminated", "observed_at": "2026-01-01T00:00:00Z"}


def test_an_address_is_moved_once_and_confirmed(ec2: FakeEc2) -> None:
    first = result(handle(ec2, CommandKind.MOVE_ADDRESS, MOVE))
    asked_first = list(ec2.calls)
    second = result(handle(ec2, CommandKind.MOVE_ADDRESS, MOVE, waited_seconds=5.0))

    assert first == second
    assert first["public_ip"] == "192.0.2.1"
    assert asked_first == ["associate_address", "describe_address"]  # the workload is down meanwhile: no look before
    assert ec2.calls.count("associate_address") == 1


def test_an_address_that_another_holds_is_taken_only_with_leave(ec2: FakeEc2) -> None:
    ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "192.0.2.1", "i-old", "eipassoc-1")

    refused = fail(ec2, CommandKind.MOVE_ADDRESS, {**MOVE, "allow_reassociation": False})
    result(handle(ec2, CommandKind.MOVE_ADDRESS, MOVE))

    assert (refused.error_class, ec2.addresses["eipalloc-1"].instance_id) == (ErrorClass.REFUSED, "i-new")


def test_an_unknown_address_is_not_found(ec2: FakeEc2) -> None:
    assert fail(ec2, CommandKind.MOVE_ADDRESS, {**MOVE, "allocation_id": "eipalloc-2"}).error_class is ErrorClass.NOT_FOUND


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (CommandKind.LAUNCH_INSTANCE, LAUNCH),
        (CommandKind.CREATE_IMAGE, IMAGE),
        (CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-old"}),
        (CommandKind.MOVE_ADDRESS, MOVE),
    ],
)
def test_nothing_is_begun_for_a_command_whose_world_is_gone(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any]) -> None:
    failed = fail(ec2, kind, payload, only_look=STALE)

    changing = {"run_instance", "create_image", "terminate_instance", "associate_address", "cancel_spot_request"}
    assert (failed.error_class, changing & set(ec2.calls)) == (ErrorClass.STALE_EPOCH, set())


def test_a_lost_answer_leaves_the_act_to_be_found(ec2: FakeEc2) -> None:
    ec2.lost |= {"run_instance", "create_image", "terminate_instance", "associate_address"}
    orders = [
        (CommandKind.LAUNCH_INSTANCE, LAUNCH),
        (CommandKind.CREATE_IMAGE, IMAGE),
        (CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-old"}),
        (CommandKind.MOVE_ADDRESS, MOVE),
    ]
    lost = [fail(ec2, kind, payload) for kind, payload in orders]
    ec2.settle()

    again = [handle(ec2, kind, payload, waited_seconds=5.0) for kind, payload in orders]

    assert all(isinstance(error, AwsFailed) and error.may_have_acted for error in lost)
    assert all(isinstance(handled, Done) for handled in again)
    assert len(ec2.launches) == len(ec2.images) == ec2.calls.count("terminate_instance") == ec2.calls.count("associate_address") == 1
