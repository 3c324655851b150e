"""Commands that start and stop the workload."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World, journal_of
from spot_agent.errors import Stopping
from spot_agent.model import Role
from spot_agent.ports import HookName, HookResult

START = command_json("start_serving", {"epoch": 2, "bound_seconds": 20}, epoch=2)
QUIESCE = command_json("quiesce", {"bound_seconds": 10})


@pytest.fixture
def replica(tmp_path: Path) -> World:
    world = World(tmp_path, journal_of(Role.REPLICA, quiesced=True))
    world.boot()
    return world


def test_a_promoted_replica_writes_the_guard_starts_and_passes_its_check(replica: World) -> None:
    replica.workload.start_seconds = 3

    answer = replica.execute(START)

    assert answer["result"]["serving"] is True
    assert answer["result"]["serving_at"] >= "2026-01-01T00:00:03"
    contents = replica.journal.read()
    assert (contents.role, contents.epoch, contents.quiesced) == (Role.PRIMARY, 2, False)


def test_a_workload_that_never_passes_its_check_is_stopped_again(replica: World) -> None:
    replica.workload.is_broken = True

    answer = replica.execute(START)

    assert (answer["error"]["class"], answer["error"]["message"]) == ("check_failed", "connection refused")
    assert not replica.guard.granted
    assert replica.hooks.calls[-2] is HookName.STOP
    assert not replica.journal.read().may_serve


def test_a_primary_that_may_serve_is_not_stopped_because_its_workload_takes_long(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.boot()
    world.workload.is_broken = True

    answer = world.execute(command_json("start_serving", {"epoch": 1, "bound_seconds": 5}))

    assert answer["error"]["class"] == "check_failed"
    assert world.guard.granted
    assert world.journal.read().may_serve
    assert HookName.STOP not in world.hooks.calls


def test_a_check_that_says_it_is_final_is_not_waited_for(replica: World) -> None:
    replica.hooks.scripted[HookName.SERVING_CHECK] = [HookResult(1, ""), HookResult(3, "exited with 1")]
    began_seconds = replica.clock.passed_seconds

    answer = replica.execute(START)

    assert (answer["error"]["class"], answer["error"]["code"]) == ("check_failed", "workload_failed")
    assert replica.clock.passed_seconds - began_seconds < 1


@pytest.mark.parametrize(
    ("result", "error_class", "message"),
    [
        (HookResult(3, "port in use"), "hook_failed", "port in use"),
        (HookResult(None, "still loading"), "hook_timed_out", "still loading"),
    ],
)
def test_a_start_hook_that_fails_is_answered_with_its_output(replica: World, result: HookResult, error_class: str, message: str) -> None:
    replica.hooks.scripted[HookName.START] = [result]

    answer = replica.execute(START)

    assert (answer["error"]["class"], answer["error"]["message"]) == (error_class, message)
    assert not replica.guard.granted


def test_start_serving_repeated_finds_it_serving(replica: World) -> None:
    replica.execute(START)

    again = replica.execute({**START, "command_id": "c2", "request_id": "r2"})

    assert again["outcome"] == "succeeded"
    assert replica.hooks.calls.count(HookName.START) == 1


def test_quiesce_confirms_that_it_serves_no_more_and_stays_primary(world: World) -> None:
    world.registered()

    answer = world.execute(QUIESCE)

    assert answer["result"]["serving"] is False
    assert not world.guard.granted
    assert world.journal.read().role is Role.PRIMARY


def test_the_guard_and_the_permission_go_before_the_stop_hook_runs(world: World) -> None:
    world.registered()
    seen: list[tuple[bool, bool]] = []

    def note(name: HookName) -> None:
        if name is HookName.STOP:
            seen.append((world.guard.granted, world.journal.read().may_serve))

    world.hooks.before = note

    world.execute(QUIESCE)

    assert seen == [(False, False)]


def test_a_quiesce_that_cannot_be_confirmed_fails_and_leaves_the_primary_serving(world: World) -> None:
    world.registered()
    world.workload.ignores_stop = True

    answer = world.execute(QUIESCE)

    assert (answer["error"]["class"], answer["error"]["code"]) == ("check_failed", "still_serving")
    assert world.guard.granted
    assert world.workload.serves
    assert world.journal.read().may_serve


def test_without_a_stop_command_a_quiesce_is_never_claimed(world: World) -> None:
    world.hooks.unset = {HookName.STOP}
    world.registered()

    answer = world.execute(QUIESCE)

    assert (answer["error"]["class"], answer["error"]["code"]) == ("hook_failed", "no_stop_command")


def test_start_serving_undoes_a_quiesce(world: World) -> None:
    world.registered()
    world.execute(QUIESCE)

    answer = world.execute(command_json("start_serving", {"epoch": 1, "bound_seconds": 10}))

    assert answer["outcome"] == "succeeded"
    assert world.journal.read().may_serve


def test_demote_makes_a_zombie_for_good_at_this_epoch(world: World) -> None:
    world.registered()

    answer = world.execute(command_json("demote", {"bound_seconds": 10}))
    world.step("heartbeat")

    assert answer["result"]["serving"] is False
    assert world.journal.read().role is Role.ZOMBIE
    assert not world.guard.granted


def test_a_demote_that_cannot_be_confirmed_gives_the_role_up_and_says_so(world: World) -> None:
    world.registered()
    world.workload.ignores_stop = True

    answer = world.execute(command_json("demote", {"bound_seconds": 10}))

    assert answer["outcome"] == "failed"
    assert world.journal.read().role is Role.ZOMBIE
    assert not world.guard.granted


DEMOTE = command_json("demote", {"epoch": 2, "bound_seconds": 20}, epoch=2)


def test_a_demoted_side_that_was_never_started_under_the_epoch_says_that_it_did_not_serve(replica: World) -> None:
    replica.step("heartbeat")

    answer = replica.execute(DEMOTE)

    assert answer["result"]["served"] is False


def test_a_demoted_side_that_passed_its_check_says_that_it_served(replica: World) -> None:
    replica.step("heartbeat")
    replica.execute(START)

    answer = replica.execute(DEMOTE)

    assert answer["result"]["served"] is True


def test_a_daemon_that_dies_while_it_starts_the_workload_says_that_it_may_have_served(replica: World) -> None:
    """What the hook began goes on without the daemon, and nobody looked whether clients reached it."""
    replica.step("heartbeat")

    def die(name: HookName) -> None:
        if name is HookName.START:
            raise Stopping

    replica.hooks.before = die
    replica.api.commands = [START]
    replica.step("commands")
    replica.step("commands")
    replica.hooks.before = lambda _name: None
    replica.guard.revoke()
    replica.restart()
    replica.boot()

    answer = replica.execute(DEMOTE)

    assert answer["result"]["served"] is True


def test_a_start_whose_check_said_no_throughout_did_not_serve(replica: World) -> None:
    replica.step("heartbeat")
    replica.workload.is_broken = True
    replica.execute(START)

    answer = replica.execute(DEMOTE)

    assert answer["result"]["served"] is False


@pytest.mark.parametrize("unclear", [HookResult(None, "no end"), HookResult(0, "serving")], ids=["timed_out", "passed"])
def test_a_start_hook_that_failed_while_the_check_gave_no_clear_no_may_have_served(replica: World, unclear: HookResult) -> None:
    """The check is asked once more after the hook, before the workload is stopped."""
    replica.step("heartbeat")
    replica.hooks.scripted[HookName.START] = [HookResult(None, "still loading")]
    replica.hooks.scripted[HookName.SERVING_CHECK] = [HookResult(1, ""), unclear]
    replica.execute(START)

    answer = replica.execute(DEMOTE)

    assert answer["result"]["served"] is True


def test_a_start_that_failed_and_could_not_be_stopped_may_have_served(replica: World) -> None:
    replica.step("heartbeat")
    replica.hooks.scripted[HookName.START] = [HookResult(1, "port in use")]
    replica.hooks.scripted[HookName.STOP] = [HookResult(1, "busy")]
    replica.execute(START)

    answer = replica.execute(DEMOTE)

    assert answer["result"]["served"] is True


def test_a_second_start_that_fails_does_not_hide_that_the_first_one_served(replica: World) -> None:
    """A move that goes forward again starts the workload under the same epoch."""
    replica.step("heartbeat")
    replica.execute(START)
    replica.execute(DEMOTE)
    replica.workload.is_broken = True
    replica.execute({**START, "command_id": "c2", "request_id": "r2"})

    answer = replica.execute({**DEMOTE, "command_id": "c3", "request_id": "r3"})

    assert answer["result"]["served"] is True


def test_a_daemon_whose_journal_began_after_the_promotion_does_not_know_whether_it_served(tmp_path: Path) -> None:
    world = World(tmp_path, replace(journal_of(Role.PRIMARY, epoch=2, quiesced=True), served_known_from=None))
    world.boot()
    world.api.view("running_primary", is_primary=True, epoch=2)
    world.step("heartbeat")

    answer = world.execute(DEMOTE)

    assert answer["result"]["served"] is None


def test_a_demotion_in_the_middle_of_a_start_wins(replica: World) -> None:
    replica.workload.is_broken = True

    def overtake() -> None:
        replica.api.view("zombie", is_primary=False, epoch=3)
        replica.stop.on_wait = lambda: None
        replica.step("heartbeat")

    replica.stop.on_wait = overtake

    answer = replica.execute(START)

    assert (answer["error"]["class"], answer["error"]["code"]) == ("refused", "overtaken")
    assert replica.journal.read().role is Role.ZOMBIE
    assert not replica.guard.granted


def test_a_released_daemon_remembers_it_and_leaves_the_workload_running(world: World) -> None:
    world.registered()

    answer = world.execute(command_json("release"))

    assert answer["outcome"] == "succeeded"
    assert world.journal.read().released
    assert world.workload.serves


def test_a_failed_standby_check_carries_its_output(replica: World) -> None:
    replica.hooks.scripted[HookName.STANDBY_CHECK] = [HookResult(1, "disk missing")]

    answer = replica.execute(command_json("standby_check"))

    assert (answer["error"]["class"], answer["error"]["message"]) == ("check_failed", "disk missing")


def test_a_released_instance_is_tagged_so_that_no_sweep_takes_it_for_ours(world: World) -> None:
    world.registered()

    answer = world.execute(command_json("release", {"tags": {"spot-optimizer:managed": "released"}}))

    assert answer["result"] == {"tagged": True}
    assert list(world.ec2.tagged.values()) == [{"spot-optimizer:managed": "released"}]


def test_a_missing_right_to_tag_does_not_hold_up_the_release(world: World) -> None:
    world.registered()
    world.ec2.failures["tag"] = ["UnauthorizedOperation"]

    answer = world.execute(command_json("release", {"tags": {"spot-optimizer:managed": "released"}}))

    assert (answer["outcome"], answer["result"]["tagged"]) == ("succeeded", False)
    assert world.journal.read().released
