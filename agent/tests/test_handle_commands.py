"""How a daemon moves each kind of traffic handle: what an earlier try did is found first, and the service that routes is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World
from spot_agent.ec2_facts import RecordFacts, TargetFacts
from spot_agent.model import TAG_AGENT_ID, TAG_MANAGED, JsonObject
from spot_agent.ports import HookName, HookResult

GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop/1"
SHARED_IP = "10.0.0.200"
PRIVATE_IP: JsonObject = {"private_ip": SHARED_IP, "instance_id": "i-own", "wait_seconds": 20}
TARGET: JsonObject = {
    "target_group_arn": GROUP,
    "port": None,
    "instance_id": "i-own",
    "former_instance_id": "i-old",
    "wait_seconds": 20,
}
RECORD: JsonObject = {
    "hosted_zone_id": "Z1",
    "record_name": "www.example.com",
    "address": "public",
    "ttl_seconds": 30,
    "instance_id": "i-own",
}
HOOK: JsonObject = {"name": "ldap", "act": "take", "instance_id": "i-own", "former_instance_id": "i-old", "bound_seconds": 5}


@pytest.fixture
def running(world: World) -> World:
    world.ec2.add_instance("i-old", tags={TAG_MANAGED: "true", TAG_AGENT_ID: "agent-1"})
    world.ec2.assign_private_ip("eni-i-old", SHARED_IP)
    world.ec2.balancing.groups[GROUP] = {("i-old", None): TargetFacts("healthy")}
    world.ec2.dns.zones["Z1"] = {"www.example.com": RecordFacts(("203.0.113.1",), 30)}
    world.registered()
    world.ec2.calls.clear()
    return world


def again(command: JsonObject) -> JsonObject:
    return {**command, "command_id": "again", "request_id": "again"}


def later(world: World, seconds: float) -> JsonObject:
    """The last answer of the slow lane, that much later."""
    world.clock.advance(seconds)
    world.step("replica_manager")
    return world.api.bodies("executed")[-1]


def test_a_secondary_address_is_taken_once_and_shown_by_ec2(running: World) -> None:
    first = running.execute(command_json("move_private_ip", PRIVATE_IP))
    second = running.execute(again(command_json("move_private_ip", PRIVATE_IP)))

    assert first["result"]["network_interface_id"] == second["result"]["network_interface_id"] == "eni-i-own"
    assert SHARED_IP in running.ec2.instances["i-own"].private_ips
    assert SHARED_IP not in running.ec2.instances["i-old"].private_ips
    assert running.ec2.calls.count("assign_private_ip") == 1


def test_a_target_is_registered_before_the_other_is_drained(running: World) -> None:
    answer = running.execute(command_json("move_target", TARGET))

    assert answer["outcome"] == "succeeded"
    assert [call for call in running.ec2.calls if call.endswith("register_target")] == ["register_target", "deregister_target"]


def test_a_target_move_that_was_throttled_half_way_goes_on_with_the_rest(running: World) -> None:
    running.ec2.failures["deregister_target"].append("Throttling")

    first = running.execute(command_json("move_target", TARGET))
    second = running.execute(again(command_json("move_target", TARGET)))

    states = {instance_id: target.state for (instance_id, _port), target in running.ec2.balancing.groups[GROUP].items()}
    assert (first["error"]["class"], second["outcome"]) == ("throttled", "succeeded")
    assert running.ec2.calls.count("register_target") == 1
    assert states == {"i-own": "initial", "i-old": "draining"}


def test_a_target_is_confirmed_in_the_slow_lane_when_its_load_balancer_calls_it_healthy(running: World) -> None:
    running.execute(command_json("move_target", TARGET))
    running.api.commands = [command_json("confirm_target", TARGET, command_id="confirm", request_id="confirm")]
    running.step("commands")
    running.step("replica_manager")
    told_before = len(running.api.bodies("executed"))
    running.ec2.balancing.settle()

    answer = later(running, 5)

    assert len(running.api.bodies("executed")) == told_before + 1
    assert answer["result"] == {"target_state": "healthy", "former_target_state": None}


def test_a_target_that_never_becomes_healthy_is_told_with_the_load_balancers_reason(running: World) -> None:
    running.execute(command_json("move_target", TARGET))
    running.ec2.balancing.groups[GROUP]["i-own", None] = TargetFacts("unhealthy", "Target.Timeout: Request timed out")
    running.api.commands = [command_json("confirm_target", TARGET, command_id="confirm", request_id="confirm")]
    running.step("commands")
    running.step("replica_manager")

    answer = later(running, 21)

    assert (answer["error"]["class"], answer["error"]["code"]) == ("check_failed", "target_not_healthy")
    assert "Target.Timeout: Request timed out" in answer["error"]["message"]


def test_a_record_names_the_new_address_and_is_confirmed_when_all_servers_answer_with_it(running: World) -> None:
    moved = running.execute(command_json("move_record", RECORD))["result"]
    question = {**RECORD, "value": moved["value"], "change_id": moved["change_id"], "wait_seconds": 60}
    running.ec2.dns.settle()
    running.api.commands = [command_json("confirm_record", question, command_id="confirm", request_id="confirm")]
    running.step("commands")

    answer = later(running, 1)

    assert moved["value"] == running.ec2.instances["i-own"].public_ip
    assert answer["result"] == {"value": moved["value"]}


@pytest.mark.parametrize(
    ("kind", "payload", "call"),
    [
        ("move_private_ip", PRIVATE_IP, "assign_private_ip"),
        ("move_target", TARGET, "register_target"),
        ("move_target", TARGET, "deregister_target"),
        ("move_record", RECORD, "upsert_record"),
    ],
)
def test_a_move_whose_answer_is_lost_is_found_by_doing_it_again(running: World, kind: str, payload: JsonObject, call: str) -> None:
    running.ec2.lost.add(call)

    lost = running.execute(command_json(kind, payload))
    found = running.execute(again(command_json(kind, payload)))

    assert lost["error"]["class"] == "unreachable"
    assert found["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("kind", "payload", "call"),
    [
        ("move_private_ip", PRIVATE_IP, "assign_private_ip"),
        ("move_target", TARGET, "register_target"),
        ("move_record", RECORD, "upsert_record"),
    ],
)
def test_a_right_that_is_missing_is_told_as_such(running: World, kind: str, payload: JsonObject, call: str) -> None:
    running.ec2.failures[call].append("AccessDenied")

    assert running.execute(command_json(kind, payload))["error"]["class"] == "not_authorized"


def test_the_traffic_hook_is_told_what_to_do_with_which_handle(running: World) -> None:
    running.hooks.scripted[HookName.TRAFFIC] = [HookResult(0, "moved 1 entry")]

    answer = running.execute(command_json("traffic_hook", HOOK))

    assert answer["result"]["output"] == "moved 1 entry"
    assert running.hooks.variables[-1] == {
        "SPOT_HANDLE": "ldap",
        "SPOT_HANDLE_ACT": "take",
        "SPOT_INSTANCE_ID": "i-own",
        "SPOT_FORMER_INSTANCE_ID": "i-old",
    }


@pytest.mark.parametrize(
    ("ended", "error_class"), [(HookResult(3, "no route"), "hook_failed"), (HookResult(None, "still trying"), "hook_timed_out")]
)
def test_the_output_of_a_traffic_hook_that_failed_or_was_killed_is_kept(running: World, ended: HookResult, error_class: str) -> None:
    running.hooks.scripted[HookName.TRAFFIC] = [ended]

    answer = running.execute(command_json("traffic_hook", HOOK))

    assert answer["error"]["class"] == error_class
    assert ended.output in answer["error"]["message"]


def test_a_traffic_hook_that_is_not_set_is_refused_by_name(running: World) -> None:
    running.hooks.unset.add(HookName.TRAFFIC)

    answer = running.execute(command_json("traffic_hook", HOOK))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "no_hook")
    assert "TRAFFIC_COMMAND" in answer["error"]["message"]


HELD: list[JsonObject] = [
    {"kind": "secondary_private_ip", "private_ip": SHARED_IP},
    {"kind": "target_group", "target_group_arn": GROUP, "port": None},
    {"kind": "route53_record", "hosted_zone_id": "Z1", "record_name": "www.example.com"},
]


@pytest.mark.parametrize("held", HELD, ids=lambda held: str(held["kind"]))
def test_what_clients_still_reach_by_a_handle_is_not_terminated(running: World, held: JsonObject) -> None:
    old = running.ec2.instances["i-old"]
    agent_id = running.ports.journal.read().agent_id or ""
    running.ec2.instances["i-old"] = replace(old, public_ip="203.0.113.1", tags={TAG_MANAGED: "true", TAG_AGENT_ID: agent_id})

    answer = running.execute(command_json("terminate_instance", {"instance_id": "i-old", "handles": [held]}))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "holds_handle")
    assert "terminate_instance" not in running.ec2.calls


@pytest.mark.parametrize(
    ("kind", "payload", "name"),
    [
        ("move_private_ip", {**PRIVATE_IP, "private_ip": ""}, "private_ip"),
        ("move_target", {**TARGET, "port": "http"}, "port"),
        ("move_record", {**RECORD, "address": "elastic"}, "address"),
        ("traffic_hook", {**HOOK, "act": "give"}, "act"),
        ("terminate_instance", {"instance_id": "i-old", "handles": [{"kind": "pigeon"}]}, "handles"),
    ],
)
def test_a_command_that_cannot_be_understood_is_refused_by_the_members_name(
    running: World, kind: str, payload: JsonObject, name: str
) -> None:
    answer = running.execute(command_json(kind, payload))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "bad_payload")
    assert answer["error"]["message"].startswith(name)
