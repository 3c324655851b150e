"""Coming back from hibernation, or from the stop that EC2 announced: silent until the server says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_fakes.memory import command_json
from agent_fakes.virtual import CountingBell
from agent_fakes.world import World, journal_of
from spot_agent.clock import SystemClock
from spot_agent.errors import ServerUnreachable
from spot_agent.journal_contents import JournalContents
from spot_agent.model import Role
from spot_agent.ports import Found, HookName, HookResult

ACTION = "meta-data/spot/instance-action"
HIBERNATE = '{"action": "hibernate", "time": "2026-01-01T00:00:00Z"}'
START_SERVING = command_json("start_serving", {"epoch": 1, "bound_seconds": 30})


@pytest.fixture
def serving(world: World) -> World:
    world.registered()
    assert world.workload.serves
    return world


def test_a_primary_that_comes_back_from_hibernation_is_silent_within_one_look_at_the_notices(serving: World) -> None:
    serving.clock.suspend(3600)

    next_seconds = serving.step("notices")

    assert not serving.workload.serves
    assert not serving.guard.granted
    assert serving.journal.read().quiesced
    assert next_seconds == 0.0


def test_the_server_is_asked_at_once_with_a_heartbeat_that_says_so(serving: World) -> None:
    bell = serving.workers["heartbeat"].bell
    assert isinstance(bell, CountingBell)
    serving.clock.suspend(3600)

    serving.step("notices")
    serving.step("heartbeat")

    said = serving.api.bodies("heartbeat")[-1]
    assert bell.rings == 1
    assert (said["role"], said["serving"], said["quiesced"]) == ("PRIMARY", False, True)


def test_a_view_that_still_names_it_primary_is_not_enough_to_serve_again(serving: World) -> None:
    # A handover that is under way would look just the same: its promotion is yet to come.
    serving.clock.suspend(3600)
    serving.step("notices")

    for _ in range(3):
        serving.step("heartbeat")
        serving.step("replica_manager")

    assert not serving.workload.serves


def test_it_serves_again_when_the_server_says_so(serving: World) -> None:
    serving.clock.suspend(3600)
    serving.step("notices")

    answer = serving.execute(START_SERVING)

    assert answer["result"]["serving"] is True
    assert serving.workload.serves


def test_a_server_that_cannot_be_reached_leaves_it_silent_across_a_restart(serving: World) -> None:
    serving.clock.suspend(3600)
    serving.step("notices")

    serving.restart()
    serving.boot()
    serving.step("replica_manager")

    assert not serving.workload.serves


def test_a_newer_epoch_makes_it_a_zombie_as_ever(serving: World) -> None:
    serving.clock.suspend(3600)
    serving.step("notices")
    serving.api.view("zombie", is_primary=False, epoch=2)

    serving.step("heartbeat")

    assert serving.journal.read().role is Role.ZOMBIE
    assert not serving.workload.serves


@pytest.mark.parametrize("away_seconds", [0.0, 0.5, 1.9])
def test_what_is_no_absence_leaves_the_workload_alone(serving: World, away_seconds: float) -> None:
    serving.clock.suspend(away_seconds)

    serving.step("notices")

    assert serving.workload.serves


def test_time_that_merely_passes_is_no_absence(serving: World) -> None:
    serving.clock.advance(86_400)

    serving.step("notices")

    assert serving.workload.serves


def test_each_absence_counts_once(serving: World) -> None:
    serving.clock.suspend(3600)
    serving.step("notices")
    serving.execute(START_SERVING)

    serving.step("notices")
    serves_after_the_first = serving.workload.serves
    serving.clock.suspend(60)
    serving.step("notices")

    assert serves_after_the_first
    assert not serving.workload.serves


def test_a_disk_that_is_full_does_not_keep_the_workload_from_being_stopped(serving: World) -> None:
    serving.journal.is_full = True
    serving.clock.suspend(3600)

    serving.step("notices")

    assert not serving.workload.serves


@pytest.mark.parametrize("unset", [set(), {HookName.SERVING_CHECK}])
def test_a_workload_that_cannot_be_stopped_is_stopped_again_soon(serving: World, unset: set[HookName]) -> None:
    serving.hooks.unset = unset
    serving.hooks.scripted[HookName.STOP] = [HookResult(1, "busy")]
    serving.clock.suspend(3600)
    serving.step("notices")
    serves_at_first = serving.workload.serves

    serving.step("replica_manager")

    assert serves_at_first
    assert not serving.workload.serves


@pytest.mark.parametrize("role", [Role.REPLICA, Role.ZOMBIE])
def test_an_instance_that_does_not_serve_is_left_as_it_is(tmp_path: Path, role: Role) -> None:
    world = World(tmp_path, journal_of(role, quiesced=True))
    world.boot()
    before = world.journal.read()
    world.clock.suspend(3600)

    world.step("notices")

    assert world.journal.read() == before
    assert HookName.STOP not in world.hooks.calls


def test_the_notices_are_looked_at_right_after(serving: World) -> None:
    serving.imds.readings[ACTION] = Found(HIBERNATE)
    serving.clock.suspend(3600)

    serving.step("notices")
    serving.step("notices")

    assert len(serving.api.bodies("termination-imminent")) == 1


def after_a_stop(world: World, directory: Path) -> World:
    """EC2 has announced an end to `world`, and has carried it out; this is the next boot of the same disk."""
    world.imds.readings[ACTION] = Found(HIBERNATE)
    world.step("notices")
    booted = World(directory, world.journal.read())
    booted.boot()
    return booted


def test_a_primary_that_boots_after_an_announced_end_waits_to_be_told(serving: World, tmp_path: Path) -> None:
    booted = after_a_stop(serving, tmp_path)

    silent = (booted.workload.serves, booted.guard.granted)
    booted.execute(START_SERVING)

    assert silent == (False, False)
    assert booted.workload.serves


def test_the_boot_after_that_serves_without_a_server_again(serving: World, tmp_path: Path) -> None:
    booted = after_a_stop(serving, tmp_path)
    booted.execute(START_SERVING)

    again = World(tmp_path, booted.journal.read())
    again.api.failures["heartbeat"] = [ServerUnreachable("down")]
    again.boot()
    again.step("heartbeat")

    assert again.workload.serves


def test_a_daemon_that_restarts_between_a_notice_and_the_end_leaves_the_workload_alone(serving: World) -> None:
    serving.imds.readings[ACTION] = Found(HIBERNATE)
    serving.step("notices")

    serving.restart()
    serving.boot()

    assert serving.workload.serves
    assert HookName.STOP not in serving.hooks.calls


def test_an_image_that_an_announced_end_is_written_in_says_nothing_of_its_clone(tmp_path: Path) -> None:
    clone = World(tmp_path, JournalContents(instance_id="i-parent", role=Role.PRIMARY, quiesced=False, end_announced=True))

    clone.boot()

    assert not clone.journal.read().end_announced


def test_this_machine_was_not_suspended_while_this_test_ran() -> None:
    clock = SystemClock()

    readings = [clock.suspended_seconds() for _ in range(200)]

    assert min(readings) > -0.1
    assert max(readings) - min(readings) < 1.0
