"""How the control role moves each kind of traffic handle, and what it says when the handle does not lead where it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server_support.clock import START
from server_support.memory_aws import FakeEc2, failure
from spot_server.aws.errors import ActFailed, AwsFailed, ErrorClass
from spot_server.aws.ports import TAG_AGENT_ID, TAG_MANAGED, RecordFacts, TargetFacts
from spot_server.features.control_role.acting import Done, Handled, NotYet, Task
from spot_server.features.control_role.acts import HANDLERS
from spot_server.features.control_role.rules import LookOnly
from spot_server.words import CommandKind, TerminationRefusal

OWNER = {TAG_MANAGED: "true", TAG_AGENT_ID: "agent-1"}
STALE = LookOnly(ErrorClass.STALE_EPOCH, "stale_epoch", "epoch 1 is older than 2")
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop/1"
SHARED_IP = "10.0.0.200"
PRIVATE_IP = {"private_ip": SHARED_IP, "instance_id": "i-new", "wait_seconds": 120}
TARGET = {"target_group_arn": GROUP, "port": None, "instance_id": "i-new", "former_instance_id": "i-old", "wait_seconds": 120}
RECORD = {"hosted_zone_id": "Z1", "record_name": "www.example.com", "address": "public", "ttl_seconds": 30, "instance_id": "i-new"}


@pytest.fixture
def ec2() -> FakeEc2:
    fake = FakeEc2()
    fake.add_instance("i-old", tags=OWNER)
    fake.add_instance("i-new", tags=OWNER)
    fake.assign_private_ip(str(fake.instances["i-old"].network.interface_id), SHARED_IP)
    fake.balancing.groups[GROUP] = {("i-old", None): TargetFacts("healthy")}
    fake.dns.zones["Z1"] = {"www.example.com": RecordFacts((str(fake.instances["i-old"].network.public_ip),), 30)}
    fake.calls.clear()
    return fake


def handle(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any], **members: Any) -> Handled:
    base = Task(kind=kind, payload=payload, waited_seconds=0.0, now=START, default_tags=OWNER)
    return HANDLERS[kind](replace(base, **members), ec2)


def fail(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any], **members: Any) -> ActFailed:
    with pytest.raises(ActFailed) as failed:
        handle(ec2, kind, payload, **members)
    return failed.value


def result(handled: Handled) -> dict[str, Any]:
    assert isinstance(handled, Done), handled
    return handled.result


def groups(ec2: FakeEc2) -> dict[str, str]:
    return {instance_id: target.state for (instance_id, _port), target in ec2.balancing.groups[GROUP].items()}


def test_a_secondary_address_moves_to_the_new_interface_and_is_not_moved_again(ec2: FakeEc2) -> None:
    first = result(handle(ec2, CommandKind.MOVE_PRIVATE_IP, PRIVATE_IP))
    second = result(handle(ec2, CommandKind.MOVE_PRIVATE_IP, PRIVATE_IP, only_look=STALE))

    assert first == second
    assert first["network_interface_id"] == ec2.instances["i-new"].network.interface_id
    assert SHARED_IP in ec2.instances["i-new"].network.private_ips
    assert SHARED_IP not in ec2.instances["i-old"].network.private_ips
    assert ec2.calls.count("assign_private_ip") == 1


def test_a_target_is_registered_before_the_other_one_is_drained(ec2: FakeEc2) -> None:
    result(handle(ec2, CommandKind.MOVE_TARGET, TARGET))

    assert [call for call in ec2.calls if call != "target_state"] == ["register_target", "deregister_target"]
    assert groups(ec2) == {"i-old": "draining", "i-new": "initial"}


def test_a_target_move_that_died_between_its_two_calls_goes_on_with_the_second(ec2: FakeEc2) -> None:
    ec2.refusals["deregister_target"] = [failure("Throttling")]
    failed = fail(ec2, CommandKind.MOVE_TARGET, TARGET)

    result(handle(ec2, CommandKind.MOVE_TARGET, TARGET))

    assert failed.error_class is ErrorClass.THROTTLED
    assert ec2.calls.count("register_target") == 1
    assert groups(ec2) == {"i-old": "draining", "i-new": "initial"}


def test_an_undo_brings_a_draining_target_back(ec2: FakeEc2) -> None:
    result(handle(ec2, CommandKind.MOVE_TARGET, TARGET))

    back = {**TARGET, "instance_id": "i-old", "former_instance_id": "i-new"}
    handled = [handle(ec2, CommandKind.MOVE_TARGET, back) for _ in range(2)]

    assert isinstance(handled[-1], Done)
    assert groups(ec2) == {"i-old": "initial", "i-new": "draining"}


def test_a_target_is_confirmed_when_its_load_balancer_calls_it_healthy(ec2: FakeEc2) -> None:
    handle(ec2, CommandKind.MOVE_TARGET, TARGET)
    waiting = handle(ec2, CommandKind.CONFIRM_TARGET, TARGET)
    ec2.balancing.settle()

    told = result(handle(ec2, CommandKind.CONFIRM_TARGET, TARGET))

    assert isinstance(waiting, NotYet)
    assert told == {"target_state": "healthy", "former_target_state": None}


def test_a_target_that_never_becomes_healthy_is_told_with_the_load_balancers_reason(ec2: FakeEc2) -> None:
    handle(ec2, CommandKind.MOVE_TARGET, TARGET)
    ec2.balancing.groups[GROUP]["i-new", None] = TargetFacts("unhealthy", "Target.ResponseCodeMismatch: 503")

    failed = fail(ec2, CommandKind.CONFIRM_TARGET, TARGET, waited_seconds=120.0)

    assert (failed.error_class, failed.code) == (ErrorClass.CHECK_FAILED, "target_not_healthy")
    assert "Target.ResponseCodeMismatch: 503" in failed.message


def test_a_record_names_the_new_address_and_is_confirmed_when_every_server_answers_with_it(ec2: FakeEc2) -> None:
    moved = result(handle(ec2, CommandKind.MOVE_RECORD, RECORD))
    question = {**RECORD, "value": moved["value"], "change_id": moved["change_id"], "wait_seconds": 120}
    waiting = handle(ec2, CommandKind.CONFIRM_RECORD, question)
    ec2.dns.settle()

    told = result(handle(ec2, CommandKind.CONFIRM_RECORD, question))

    assert moved["value"] == ec2.instances["i-new"].network.public_ip
    assert moved["ttl_seconds"] == 30
    assert isinstance(waiting, NotYet)
    assert told == {"value": moved["value"]}


def test_a_record_that_somebody_else_changed_meanwhile_is_not_called_confirmed(ec2: FakeEc2) -> None:
    moved = result(handle(ec2, CommandKind.MOVE_RECORD, RECORD))
    ec2.dns.settle()
    ec2.dns.zones["Z1"]["www.example.com"] = RecordFacts(("203.0.113.9",), 30)

    failed = fail(ec2, CommandKind.CONFIRM_RECORD, {**RECORD, "value": moved["value"], "change_id": moved["change_id"]})

    assert (failed.error_class, failed.code) == (ErrorClass.CHECK_FAILED, "record_differs")
    assert "203.0.113.9" in failed.message


def test_a_record_is_not_pointed_at_an_instance_without_such_an_address(ec2: FakeEc2) -> None:
    made = ec2.instances["i-new"]
    ec2.instances["i-new"] = replace(made, network=replace(made.network, public_ip=None))

    failed = fail(ec2, CommandKind.MOVE_RECORD, RECORD)

    assert (failed.error_class, failed.code) == (ErrorClass.REFUSED, "no_address")
    assert "upsert_record" not in ec2.calls


LOST = [
    (CommandKind.MOVE_PRIVATE_IP, PRIVATE_IP, "assign_private_ip"),
    (CommandKind.MOVE_TARGET, TARGET, "register_target"),
    (CommandKind.MOVE_TARGET, TARGET, "deregister_target"),
    (CommandKind.MOVE_RECORD, RECORD, "upsert_record"),
]


@pytest.mark.parametrize(("kind", "payload", "call"), LOST, ids=[call for _kind, _payload, call in LOST])
def test_a_move_whose_answer_is_lost_is_found_by_doing_it_again(
    ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any], call: str
) -> None:
    ec2.lost.add(call)
    lost = fail(ec2, kind, payload)

    result(handle(ec2, kind, payload))

    assert isinstance(lost, AwsFailed)
    assert lost.may_have_acted


@pytest.mark.parametrize(("kind", "payload", "call"), LOST, ids=[call for _kind, _payload, call in LOST])
def test_a_move_that_came_too_late_begins_nothing(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any], call: str) -> None:
    failed = fail(ec2, kind, payload, only_look=STALE)

    assert failed.error_class is ErrorClass.STALE_EPOCH
    assert call not in ec2.calls


HELD: list[tuple[dict[str, Any], str]] = [
    ({"kind": "secondary_private_ip", "private_ip": SHARED_IP}, SHARED_IP),
    ({"kind": "target_group", "target_group_arn": GROUP, "port": None}, GROUP),
    ({"kind": "route53_record", "hosted_zone_id": "Z1", "record_name": "www.example.com"}, "www.example.com"),
]


@pytest.mark.parametrize(("held", "told"), HELD, ids=[str(held["kind"]) for held, _told in HELD])
def test_what_clients_still_reach_by_a_handle_is_not_terminated(ec2: FakeEc2, held: dict[str, Any], told: str) -> None:
    payload = {"instance_id": "i-old", "handle_allocation_ids": [], "handles": [held]}

    failed = fail(ec2, CommandKind.TERMINATE_INSTANCE, payload)
    other = result(handle(ec2, CommandKind.TERMINATE_INSTANCE, {**payload, "instance_id": "i-new"}))

    assert (failed.error_class, failed.code) == (ErrorClass.REFUSED, TerminationRefusal.HOLDS_HANDLE)
    assert told in failed.message
    assert other == {"state": "shutting-down"}


def test_a_target_that_drains_holds_no_instance_back(ec2: FakeEc2) -> None:
    handle(ec2, CommandKind.MOVE_TARGET, TARGET)

    ended = handle(ec2, CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-old", "handles": [HELD[1][0]]})

    assert result(ended) == {"state": "shutting-down"}


BAD: list[tuple[CommandKind, dict[str, Any], str]] = [
    (CommandKind.MOVE_PRIVATE_IP, {**PRIVATE_IP, "private_ip": ""}, "private_ip"),
    (CommandKind.MOVE_TARGET, {**TARGET, "port": "http"}, "port"),
    (CommandKind.MOVE_RECORD, {**RECORD, "ttl_seconds": -1}, "ttl_seconds"),
    (CommandKind.MOVE_RECORD, {**RECORD, "address": "elastic"}, "address"),
    (CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-old", "handles": ["www"]}, "handles"),
]


@pytest.mark.parametrize(("kind", "payload", "name"), BAD)
def test_a_command_that_cannot_be_understood_has_no_effect(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any], name: str) -> None:
    failed = fail(ec2, kind, payload)

    assert (failed.error_class, failed.code) == (ErrorClass.REFUSED, "bad_payload")
    assert failed.message.startswith(name)
