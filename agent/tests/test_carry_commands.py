"""Commands of the rsync carry: what they need, what they refuse, and what they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_fakes.memory import FAKE_PUBLIC_KEY, command_json
from agent_fakes.world import World, journal_of
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Role
from spot_agent.ports import HookName

DOOR = {"host": "10.0.0.9", "port": 7022, "user": "root", "host_key": FAKE_PUBLIC_KEY}
PASS: dict[str, Any] = {"move_id": "move-1", "pass": "first", **DOOR, "trusted_before": None, "bound_seconds": 60}
OPEN: dict[str, Any] = {"move_id": "move-1", "public_key": FAKE_PUBLIC_KEY, "session_seconds": 600}


@pytest.fixture
def primary(tmp_path: Path) -> World:
    world = World(tmp_path, journal_of(Role.PRIMARY), CARRY="rsync", SYNC_PATHS="/var/lib/shop")
    world.boot()
    return world


@pytest.fixture
def replica(tmp_path: Path) -> World:
    world = World(tmp_path, journal_of(Role.REPLICA, quiesced=True), CARRY="rsync", SYNC_PATHS="/var/lib/shop")
    world.boot()
    return world


def test_the_old_side_answers_with_the_public_half_of_a_key(primary: World) -> None:
    answer = primary.execute(command_json("make_sync_key", {"move_id": "move-1", "session_seconds": 600}))

    assert answer["result"] == {"public_key": FAKE_PUBLIC_KEY}
    assert primary.carrier.calls == ["key move-1 for 600 s"]


def test_a_replica_opens_its_receiver_at_its_private_address(replica: World) -> None:
    answer = replica.execute(command_json("open_receiver", OPEN))

    assert answer["result"] == {"host": "10.0.0.5", "port": 7022, "user": "root", "host_key": FAKE_PUBLIC_KEY}


def test_an_instance_that_is_gone_back_to_receives_as_a_replica_does(tmp_path: Path) -> None:
    zombie = World(tmp_path, journal_of(Role.ZOMBIE, quiesced=True), CARRY="rsync", SYNC_PATHS="/var/lib/shop")
    zombie.boot()

    answer = zombie.execute(command_json("open_receiver", OPEN))

    assert answer["outcome"] == "succeeded"


def test_nothing_is_received_where_the_workload_may_serve(primary: World) -> None:
    answer = primary.execute(command_json("open_receiver", OPEN))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "not_a_replica")
    assert primary.carrier.calls == []


def test_a_pass_is_looked_at_until_it_is_over_and_told_of_now_and_then(primary: World) -> None:
    primary.carrier.looks_until_sent = 30

    answer = primary.execute(command_json("send_state", PASS))

    assert answer["result"] == {"pass": "first", "bytes_sent": 1024, "files_sent": 2, "took_seconds": 0.5, "is_whole": True}
    assert len(primary.carrier.calls) == 31


def test_a_pass_that_takes_long_tells_the_server_how_far_it_is(primary: World) -> None:
    primary.carrier.looks_until_sent = 5
    primary.carrier.on_look = lambda: primary.clock.advance(6)

    primary.execute(command_json("send_state", PASS))

    told = primary.api.bodies("switch-report")
    assert len(told) == 2
    assert told[0] == {"switch_id": "move-1", "timing": {}, "detail": {"step_progress": {"pass": "first", "bytes_sent": 512}}}


def test_a_last_pass_is_refused_while_the_workload_may_serve(primary: World) -> None:
    answer = primary.execute(command_json("send_state", {**PASS, "pass": "last"}))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "still_serving")
    assert primary.carrier.calls == []


def test_a_last_pass_is_made_by_a_primary_that_was_quiesced(primary: World) -> None:
    primary.execute(command_json("quiesce", {"bound_seconds": 10}))

    answer = primary.execute(command_json("send_state", {**PASS, "pass": "last"}))

    assert answer["result"]["pass"] == "last"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"host": "evil\nUser root"}, "host"),
        ({"port": "22"}, "port"),
        ({"port": 70000}, "port"),
        ({"user": "root -oProxyCommand=x"}, "user"),
        ({"host_key": f"{FAKE_PUBLIC_KEY}\nreceiver x"}, "host_key"),
        ({"pass": "middle"}, "pass"),
        ({"move_id": "../x"}, "move_id"),
    ],
)
def test_what_would_go_into_a_configuration_file_is_checked_first(primary: World, changed: dict[str, Any], said: str) -> None:
    answer = primary.execute(command_json("send_state", {**PASS, **changed}))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "bad_payload")
    assert answer["error"]["message"].startswith(said)
    assert primary.carrier.calls == []


def test_a_pass_that_broke_is_answered_with_its_class(primary: World) -> None:
    primary.carrier.refusals = [ActFailed(ErrorClass.CHECK_FAILED, "disk_full", "No space left on device")]

    answer = primary.execute(command_json("send_state", PASS))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("check_failed", "disk_full")


HOOK_PASS: dict[str, Any] = {
    "move_id": "move-1",
    "pass": "first",
    "means": "hook",
    "host": "10.0.0.9",
    "instance_id": "i-new",
    "bound_seconds": 60,
}


def test_a_pass_by_hook_is_looked_at_until_it_is_over(primary: World) -> None:
    primary.carrier.looks_until_sent = 3

    answer = primary.execute(command_json("send_state", HOOK_PASS))

    assert answer["result"] == {"pass": "first", "took_seconds": 0.5, "output": "done"}
    assert primary.carrier.calls == ["first pass by hook to i-new at 10.0.0.9"] * 4


def test_a_last_pass_by_hook_is_refused_too_while_the_workload_may_serve(primary: World) -> None:
    answer = primary.execute(command_json("send_state", {**HOOK_PASS, "pass": "last"}))

    assert answer["error"]["code"] == "still_serving"


def test_means_that_nobody_knows_are_refused(primary: World) -> None:
    answer = primary.execute(command_json("send_state", {**PASS, "means": "pigeon"}))

    assert (answer["error"]["class"], answer["error"]["message"]) == ("refused", "means must be rsync or hook")


def test_the_receiver_is_closed_before_the_workload_starts(replica: World) -> None:
    order: list[str] = []
    replica.hooks.before = lambda name: order.extend(
        ["closed"] * len(replica.carrier.calls[len(order) :]) if name is HookName.START else []
    )

    answer = replica.execute(command_json("start_serving", {"epoch": 2, "bound_seconds": 20}, epoch=2))

    assert answer["outcome"] == "succeeded"
    assert replica.carrier.calls == ["before serving"]
    assert order == ["closed"]


def test_a_move_is_forgotten_when_the_server_says_so(primary: World) -> None:
    answer = primary.execute(command_json("close_sync", {"move_id": "move-1"}))

    assert answer["outcome"] == "succeeded"
    assert primary.carrier.calls == ["close move-1"]


def test_the_standby_check_names_what_is_missing_for_the_carry(replica: World) -> None:
    replica.carrier.missing = ["rsync is not installed", "sshd is not installed"]

    answer = replica.execute(command_json("standby_check", {}))

    assert (answer["error"]["class"], answer["error"]["code"]) == ("check_failed", "carry")
    assert answer["error"]["message"] == "rsync is not installed; sshd is not installed"


def test_an_agent_with_another_carry_does_not_need_it(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.REPLICA, quiesced=True))
    world.boot()
    world.carrier.missing = ["rsync is not installed"]

    assert world.execute(command_json("standby_check", {}))["outcome"] == "succeeded"


def test_a_carrier_that_cannot_be_settled_holds_nothing_up(primary: World) -> None:
    primary.carrier.refusals = [ActFailed(ErrorClass.CHECK_FAILED, "receiver_not_listening", "address in use")]

    primary.step("replica_manager")

    assert "carry_not_settled" in primary.lines.text
