"""Heartbeats: what they say, and what the answer makes the daemon do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from agent_fakes.virtual import CountingBell
from agent_fakes.world import World, journal_of
from spot_agent.errors import ServerUnreachable
from spot_agent.model import Role
from spot_agent.ports import HookName, HookResult
from spot_agent.processor import read_processor_times
from spot_agent.rules.processor import ProcessorTimes


def test_a_heartbeat_says_what_the_workload_does_and_not_what_it_was_told(world: World) -> None:
    world.registered()
    world.workload.is_broken = True

    world.step("heartbeat")

    body = world.api.bodies("heartbeat")[-1]
    assert (body["role"], body["epoch"], body["serving"]) == ("PRIMARY", 1, False)


def test_a_workload_that_a_person_stopped_is_not_quiesced(world: World) -> None:
    world.registered()
    world.workload.is_broken = True

    world.step("heartbeat")

    assert world.api.bodies("heartbeat")[-1]["quiesced"] is False


def test_a_primary_that_lost_its_journal_says_that_it_waits_to_be_told(world: World) -> None:
    world.api.is_new = False
    world.api.view("running_primary", is_primary=True, epoch=4)
    world.registered()

    world.step("heartbeat")

    assert world.api.bodies("heartbeat")[-1]["quiesced"] is True


def test_without_a_serving_check_serving_is_not_known(world: World) -> None:
    world.hooks.unset = {HookName.SERVING_CHECK}
    world.registered()

    world.step("heartbeat")

    assert world.api.bodies("heartbeat")[-1]["serving"] is None


def test_a_primary_that_reads_a_newer_epoch_without_being_primary_demotes_itself(world: World) -> None:
    world.registered()
    world.api.view("zombie", is_primary=False, epoch=2)

    world.step("heartbeat")

    contents = world.journal.read()
    assert (contents.role, contents.epoch, contents.quiesced) == (Role.ZOMBIE, 2, True)
    assert not world.guard.granted
    assert not world.workload.serves


def test_a_demotion_whose_stop_fails_stands_and_the_stop_is_tried_again(world: World) -> None:
    world.registered()
    world.step("heartbeat")
    world.hooks.scripted[HookName.STOP] = [HookResult(1, "no"), HookResult(1, "no")]
    world.api.view("zombie", is_primary=False, epoch=2)

    world.step("heartbeat")
    world.step("heartbeat")
    world.steps("replica_manager", lambda: not world.workload.serves)

    assert world.journal.read().role is Role.ZOMBIE
    assert not world.guard.granted


def test_the_same_epoch_never_takes_a_workload_down(world: World) -> None:
    world.registered()
    world.api.view("zombie", is_primary=False, epoch=1)

    world.step("heartbeat")

    assert world.workload.serves


def test_a_server_that_is_down_takes_nothing_down(world: World) -> None:
    world.registered()
    world.api.failures["heartbeat"] = [ServerUnreachable("status 500")] * 40

    delays = [world.step("heartbeat") for _ in range(40)]

    assert world.workload.serves
    assert max(delays) <= 60
    assert world.lines.text.count('"event": "server_unreachable"') < 8


def test_a_replica_that_was_promoted_in_the_books_waits_for_the_command(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.REPLICA, quiesced=True))
    world.boot()
    world.api.view("running_primary", is_primary=True, epoch=2)

    world.step("heartbeat")
    world.restart()
    world.boot()

    contents = world.journal.read()
    assert (contents.role, contents.epoch) == (Role.PRIMARY, 2)
    assert not world.guard.granted


def test_a_new_config_version_is_fetched_once_and_its_intervals_hold(world: World) -> None:
    world.registered()
    world.api.answers["heartbeat"]["config_version"] = 2
    world.api.answers["config"] |= {"config_version": 2, "heartbeat_interval_seconds": 7}

    world.step("heartbeat")
    delay_seconds = world.step("heartbeat")

    assert len(world.api.bodies("config")) == 1
    assert delay_seconds == 7


def test_waiting_commands_wake_the_commands_thread(world: World) -> None:
    world.registered()
    world.api.answers["heartbeat"]["commands_waiting"] = True
    bell = world.workers["commands"].bell
    assert isinstance(bell, CountingBell)
    before = bell.rings

    world.step("heartbeat")

    assert bell.rings == before + 1


def test_an_answer_without_an_epoch_is_no_answer(world: World) -> None:
    world.registered()
    del world.api.answers["heartbeat"]["epoch"]

    world.step("heartbeat")

    assert world.live.read().last_heartbeat_at is None
    assert world.workload.serves


def test_unknown_fields_are_counted_and_told(world: World) -> None:
    world.registered()
    world.api.answers["heartbeat"]["mood"] = "fine"

    world.step("heartbeat")
    world.step("heartbeat")

    assert world.api.bodies("heartbeat")[-1]["unknown_fields"] == 1


def test_the_servers_clock_is_learnt(world: World) -> None:
    world.registered()
    world.clock.advance(100)

    world.step("heartbeat")

    assert world.live.server_now() == world.clock.now() - timedelta(seconds=100)


def test_a_heartbeat_says_how_busy_the_instance_was_since_the_one_before(world: World) -> None:
    world.registered()
    said = []
    for busy_ticks, idle_ticks in ((25, 75), (30, 170), (30, 170)):
        world.processor_times = ProcessorTimes(busy_ticks, idle_ticks)
        world.step("heartbeat")
        said.append(world.api.bodies("heartbeat")[-1].get("cpu_busy_ratio"))

    assert said == [0.25, 0.05, None]


def test_where_nothing_counts_the_processors_a_heartbeat_says_nothing_of_them(world: World) -> None:
    world.processor_times = None
    world.registered()

    world.step("heartbeat")

    assert "cpu_busy_ratio" not in world.api.bodies("heartbeat")[-1]


def test_the_counts_are_read_below_the_machines_root_and_a_missing_file_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu  1 2 3 4 5 6 7 8 0 0\n")

    assert read_processor_times(tmp_path) == ProcessorTimes(busy_ticks=19, idle_ticks=9)
    assert read_processor_times(tmp_path / "elsewhere") is None
