"""The first step of all: who am I, whose journal is this, may I serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_fakes.world import World, journal_of
from spot_agent.errors import ServerFailed, ServerUnreachable, TokenRefused
from spot_agent.journal_contents import UnsentReport, with_unsent
from spot_agent.model import Role
from spot_agent.ports import Found, HookName, HookResult, Unknown

IDENTITY_PATH = "dynamic/instance-identity/document"


def test_a_primary_whose_daemon_restarts_serves_on_without_any_server(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.guard.granted = True

    world.boot()

    assert world.workload.serves
    assert world.api.sent == []


def test_a_rebooted_primary_serves_once_the_server_has_had_its_word(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.boot()
    world.step("replica_manager")
    before = world.workload.serves

    world.step("heartbeat")

    assert (before, world.workload.serves) == (False, True)
    assert len(world.api.bodies("heartbeat")) == 1


@pytest.mark.parametrize("error", [ServerUnreachable("down"), TokenRefused(401, "token-invalid", "unknown")], ids=["down", "token-refused"])
def test_a_rebooted_primary_serves_without_an_answer_of_the_server(tmp_path: Path, error: ServerFailed) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.api.failures["heartbeat"] = [error]
    world.boot()

    world.step("heartbeat")

    assert world.workload.serves


def test_a_primary_that_was_stopped_and_replaced_never_serves_when_it_is_started_again(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.api.view("zombie", is_primary=False, epoch=2)
    world.boot()

    for name in ("replica_manager", "heartbeat", "replica_manager"):
        world.step(name)

    assert HookName.START not in world.hooks.calls
    assert not world.guard.granted
    assert world.journal.read().role is Role.ZOMBIE


def test_a_rebooted_primary_that_was_quiesced_stays_silent(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY, quiesced=True))

    world.boot()

    assert not world.guard.granted
    assert HookName.START not in world.hooks.calls


def test_a_zombie_and_a_replica_never_start_on_their_own(tmp_path: Path) -> None:
    for role in (Role.ZOMBIE, Role.REPLICA, Role.TERMINATED):
        world = World(tmp_path, journal_of(role, quiesced=True))

        world.boot()
        world.steps("replica_manager", lambda: True)

        assert not world.guard.granted
        assert not world.workload.serves


def test_a_clone_discards_its_parents_journal_before_anything_else(tmp_path: Path) -> None:
    inherited = with_unsent(journal_of(Role.PRIMARY, instance_id="i-parent"), UnsentReport("n", "termination-imminent", {"notice_id": "n"}))
    world = World(tmp_path, inherited)

    world.boot()

    kept = world.journal.read()
    assert (kept.instance_id, kept.token, kept.role, kept.unsent) == ("i-own", None, None, ())
    assert not world.workload.serves


def test_a_clone_whose_workload_was_started_by_the_image_stops_it(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY, instance_id="i-parent"))
    world.guard.granted = True
    world.workload.start()

    world.boot()

    assert not world.guard.granted
    assert not world.workload.serves


def test_a_first_installation_leaves_a_running_workload_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.guard.granted = True
    world.workload.start()

    world.boot()

    assert world.workload.serves


def test_without_metadata_nothing_is_acted_on_and_it_keeps_trying(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    identity = world.imds.readings[IDENTITY_PATH]
    world.imds.readings[IDENTITY_PATH] = Unknown("ConnectTimeout")

    delays = [world.boot() for _ in range(3)]

    assert all(0 < delay <= 10 for delay in delays)
    assert not world.guard.granted
    assert world.api.sent == []
    world.imds.readings[IDENTITY_PATH] = identity
    world.boot()
    world.step("heartbeat")
    assert world.workload.serves


def test_a_truncated_identity_document_is_no_identity(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.imds.readings[IDENTITY_PATH] = Found('{"instanceId": "i-o')

    world.boot()

    assert world.workers == {}


def test_a_crash_in_the_middle_of_a_quiesce_leaves_a_silent_instance(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY, quiesced=True))
    world.guard.granted = True
    world.workload.start()

    world.boot()

    assert not world.guard.granted
    assert not world.workload.serves


def test_a_failed_start_is_tried_again_until_it_works(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.hooks.scripted[HookName.START] = [HookResult(1, "port in use"), HookResult(None, "")]
    world.boot()
    world.step("heartbeat")
    assert not world.workload.serves

    world.steps("replica_manager", lambda: world.workload.serves)

    assert world.guard.granted
