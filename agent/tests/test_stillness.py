"""The workload is held still for the moment of an image, and is never left so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World, journal_of
from spot_agent.model import JsonObject, Role
from spot_agent.ports import HookName, HookResult

IMAGE = {"instance_id": "i-own", "image_name": "web-1-r1", "no_reboot": True, "freeze": True, "tags": {}, "wait_seconds": 600}


@pytest.fixture
def running(world: World) -> World:
    world.freezer.set = True
    return world.registered()


def make_image(world: World, **changes: object) -> JsonObject:
    return world.execute(command_json("create_image", {**IMAGE, **changes}))


def begin_image(world: World) -> None:
    """Until EC2 has begun it and shows no snapshot yet."""
    world.ec2.new_image_state = "pending"
    world.ec2.shows_snapshots = False
    world.api.commands = [command_json("create_image", IMAGE)]
    world.step("commands")
    world.step("replica_manager")


def show_snapshots(world: World) -> None:
    for image_id, made in world.ec2.images.items():
        world.ec2.images[image_id] = replace(made, snapshot_ids=("snap-shown",))


def test_the_workload_is_frozen_before_the_image_is_begun_and_thawed_after(running: World) -> None:
    order: list[str] = []
    running.ec2.before = lambda call: order.append(f"{call} {'frozen' if running.freezer.is_frozen else 'free'}")

    answer = make_image(running)

    assert "create_image frozen" in order
    assert (answer["result"]["consistency"], answer["result"]["freeze_problem"]) == ("frozen", None)
    assert running.freezer.calls == ["freeze", "thaw"]
    assert not running.journal.read().freezing


def test_without_a_freeze_or_unasked_nothing_is_frozen(running: World) -> None:
    unasked = make_image(running, freeze=False)
    running.freezer.set = False
    unset = running.execute(command_json("create_image", {**IMAGE, "image_name": "web-1-r2"}, request_id="r-2", command_id="c-2"))

    assert running.freezer.calls == []
    assert "consistency" not in unasked["result"]
    assert "consistency" not in unset["result"]


def test_it_is_held_until_ec2_shows_a_snapshot_of_each_volume_and_no_longer(running: World) -> None:
    begin_image(running)
    held = running.freezer.is_frozen
    running.clock.advance(1)
    running.step("replica_manager")
    still_held = running.freezer.is_frozen
    show_snapshots(running)
    running.clock.advance(1)
    running.step("replica_manager")

    assert (held, still_held, running.freezer.is_frozen) == (True, True, False)
    assert running.api.bodies("executed") == []


def test_an_image_whose_snapshots_show_too_late_is_made_and_said_not_to_be_still(running: World) -> None:
    begin_image(running)
    running.clock.advance(11)
    show_snapshots(running)
    running.ec2.finish_images()
    running.step("replica_manager")

    answer = running.api.bodies("executed")[-1]
    assert answer["result"]["consistency"] == "crash"
    assert "10 s after the freeze" in answer["result"]["freeze_problem"]
    assert not running.journal.read().freezing


def test_a_freeze_that_fails_is_thawed_at_once_and_the_image_made_all_the_same(running: World) -> None:
    running.freezer.freezes = [HookResult(None, "waiting for a lock")]

    answer = make_image(running)

    assert running.freezer.calls == ["freeze", "thaw"]
    assert answer["result"]["consistency"] == "crash"
    assert answer["result"]["freeze_problem"] == "FREEZE_COMMAND did not end in time: waiting for a lock"


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InternalError"])
def test_an_image_that_ec2_refuses_leaves_nothing_frozen(running: World, code: str) -> None:
    running.ec2.failures["create_image"] = [code]

    running.api.commands = [command_json("create_image", IMAGE)]
    running.step("commands")
    running.step("replica_manager")

    assert running.freezer.calls == ["freeze", "thaw"]
    assert not running.freezer.is_frozen


def test_a_throttled_image_is_frozen_again_for_its_next_try(running: World) -> None:
    running.ec2.failures["create_image"] = ["RequestLimitExceeded"]

    answer = make_image(running)

    assert answer["result"]["consistency"] == "frozen"
    assert running.freezer.calls == ["freeze", "thaw", "freeze", "thaw"]


def test_an_image_whose_answer_was_lost_is_found_and_nothing_stays_frozen(running: World) -> None:
    running.ec2.lost = {"create_image"}

    answer = make_image(running)

    assert answer["outcome"] == "succeeded"
    assert len(running.ec2.images) == 1
    assert not running.freezer.is_frozen


def test_a_quiesce_thaws_what_is_held_before_it_stops_the_workload(running: World) -> None:
    begin_image(running)
    seen: list[bool] = []
    running.hooks.before = lambda name: seen.append(running.freezer.is_frozen) if name is HookName.STOP else None

    answer = running.execute(command_json("quiesce", {"bound_seconds": 30}))

    assert answer["outcome"] == "succeeded"
    assert seen == [False]


def test_a_daemon_that_died_in_the_freeze_thaws_at_its_start_before_it_asks_who_it_is(running: World) -> None:
    begin_image(running)
    assert running.journal.read().freezing
    running.freezer.forget()
    running.imds.readings.clear()

    running.restart()
    running.boot()

    assert not running.freezer.is_frozen
    assert not running.journal.read().freezing


def test_the_command_that_a_crash_cut_short_is_finished_and_promises_no_stillness(running: World) -> None:
    begin_image(running)
    running.freezer.forget()
    running.restart()
    running.boot()
    running.ec2.finish_images()

    answer = make_image(running)

    assert answer["outcome"] == "succeeded"
    assert "consistency" not in answer["result"]
    assert running.ec2.calls.count("create_image") == 1


def test_a_crash_before_the_freeze_costs_one_thaw_more(running: World) -> None:
    running.journal.change(lambda now: replace(now, freezing=True))

    running.restart()
    running.boot()

    assert running.freezer.calls == ["thaw"]
    assert not running.journal.read().freezing


def test_a_thaw_that_fails_is_tried_until_it_passes(running: World) -> None:
    failed = HookResult(1, "device busy")
    running.freezer.thaws = [failed, failed]

    make_image(running)
    for _ in range(2):
        running.clock.advance(5)
        running.step("replica_manager")

    assert not running.freezer.is_frozen
    assert not running.journal.read().freezing
    assert "device busy" in running.lines.text


def test_a_clone_that_was_made_in_a_freeze_thaws_what_the_disk_remembers(world: World) -> None:
    parent = replace(journal_of(Role.PRIMARY, instance_id="i-parent"), freezing=True)
    world.journal.change(lambda _now: parent)
    world.freezer.thaws = [HookResult(1, "not yet")]

    world.restart()
    world.boot()
    still_due = world.journal.read().freezing
    world.step("replica_manager")

    assert still_due
    assert world.freezer.calls == ["thaw", "thaw"]
    assert not world.journal.read().freezing


def test_nothing_is_frozen_that_the_journal_could_not_remember(running: World) -> None:
    running.journal.is_full = True

    running.api.commands = [command_json("create_image", IMAGE)]
    running.step("commands")
    running.step("replica_manager")

    assert running.freezer.calls == []


def test_the_journal_is_not_written_while_the_disk_may_be_what_is_frozen(running: World) -> None:
    saved_while_frozen: list[bool] = []
    running.journal.on_save = lambda: saved_while_frozen.append(running.freezer.is_frozen)

    make_image(running)

    assert not any(saved_while_frozen)
