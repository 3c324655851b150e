"""A real daemon process against fakes over HTTP: what only a process can show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_fakes.http_central import FakeCentralServer
from agent_fakes.http_imds import FakeImdsServer
from agent_fakes.memory import command_json
from agent_fakes.moto_region import MotoRegion
from agent_fakes.process import DaemonProcess, eventually

pytestmark = pytest.mark.server


def _registered(daemon: DaemonProcess, central: FakeCentralServer) -> None:
    daemon.start()
    eventually(lambda: daemon.serves and bool(central.bodies("heartbeat")), why=lambda: daemon.log)


def test_a_new_agent_registers_with_what_it_found_out_and_starts_its_workload(
    daemon: DaemonProcess, central: FakeCentralServer, own_instance_id: str
) -> None:
    _registered(daemon, central)

    body = central.bodies("register")[0]
    assert body["instance_id"] == own_instance_id
    assert body["mode"] == "spot"
    assert body["mode_evidence"] == {"metadata": "spot", "api": "spot"}
    assert body["launch_specification"]["tags"] == {"team": "shop"}
    assert body["launch_specification"]["subnets"]["use1-az6"].startswith("subnet-")
    assert len(body["launch_specification"]["security_group_ids"]) == 1
    assert "so_agent_1" not in daemon.log
    assert "so_enrol_test" not in daemon.log
    assert (daemon.root / "state" / "journal.json").stat().st_mode & 0o777 == 0o600


def test_a_long_polled_command_is_answered_within_a_second(daemon: DaemonProcess, central: FakeCentralServer) -> None:
    _registered(daemon, central)
    eventually(lambda: bool(central.bodies("pending-commands")))

    central.issue(command_json("quiesce", {"bound_seconds": 5}))

    eventually(lambda: "c-quiesce" in central.answers, why=lambda: daemon.log)
    assert central.answers["c-quiesce"]["outcome"] == "succeeded"
    assert not daemon.serves


def test_a_command_cut_short_by_kill_9_is_recovered_and_not_repeated(
    daemon: DaemonProcess, central: FakeCentralServer, region: MotoRegion
) -> None:
    _registered(daemon, central)
    launch = {
        "client_token": daemon.root.name,
        "image_id": "ami-1",
        "instance_type": "m5.large",
        "az_id": "use1-az6",
        "subnet_id": next(iter(central.bodies("register")[0]["launch_specification"]["subnets"].values())),
        "mode": "spot",
        "tags": {"spot-optimizer:managed": "true"},
    }
    central.faults["commands/c-launch_instance/executed"] = "503"
    central.issue(command_json("launch_instance", launch))
    eventually(lambda: "RunInstances" in region.actions, why=lambda: daemon.log)
    daemon.kill()
    central.faults.clear()

    daemon.start()

    eventually(lambda: "c-launch_instance" in central.answers, why=lambda: daemon.log)
    assert central.answers["c-launch_instance"]["outcome"] == "succeeded"
    assert region.actions.count("RunInstances") == 1


def test_kill_9_in_the_middle_of_start_serving_leaves_a_daemon_that_finishes_it(daemon: DaemonProcess, central: FakeCentralServer) -> None:
    _registered(daemon, central)
    central.issue(command_json("quiesce", {"bound_seconds": 5}))
    eventually(lambda: "c-quiesce" in central.answers)
    (daemon.root / "hang-start").touch()
    central.view |= {"epoch": 2}
    central.issue(command_json("start_serving", {"epoch": 2, "bound_seconds": 20}, epoch=2))
    eventually(lambda: daemon.hooks_run().count("start") >= 2, why=lambda: daemon.log)
    daemon.kill()
    (daemon.root / "hang-start").unlink()

    daemon.start()

    eventually(lambda: "c-start_serving" in central.answers, why=lambda: daemon.log)
    assert central.answers["c-start_serving"]["outcome"] == "succeeded"
    assert daemon.serves
    assert daemon.journal()["epoch"] == 2


def test_it_stops_within_ten_seconds_while_a_long_poll_and_a_hook_hang(daemon: DaemonProcess, central: FakeCentralServer) -> None:
    _registered(daemon, central)
    (daemon.root / "hang-stop").touch()
    central.issue(command_json("quiesce", {"bound_seconds": 20}))
    eventually(lambda: "stop" in daemon.hooks_run(), why=lambda: daemon.log)
    central.faults["heartbeat"] = "hang"

    code, took_seconds = daemon.stop()

    assert code == 0
    assert took_seconds < 10
    assert "c-quiesce" not in central.answers


def test_it_stops_at_once_while_only_a_long_poll_is_parked(daemon: DaemonProcess, central: FakeCentralServer) -> None:
    _registered(daemon, central)
    eventually(lambda: bool(central.bodies("pending-commands")))

    code, took_seconds = daemon.stop()

    assert code == 0
    assert took_seconds < 7
    assert daemon.serves


def test_a_restart_without_any_server_keeps_the_primary_serving(daemon: DaemonProcess, central: FakeCentralServer) -> None:
    _registered(daemon, central)
    daemon.kill()
    (daemon.root / "serving").unlink()
    (daemon.root / "run" / "serve").unlink()
    central.faults["*"] = "503"

    daemon.start()

    eventually(lambda: daemon.serves, why=lambda: daemon.log)


def test_a_clone_with_its_parents_journal_serves_nothing_and_sends_nothing_of_it(
    tmp_path: Path, daemon: DaemonProcess, central: FakeCentralServer, region: MotoRegion
) -> None:
    _registered(daemon, central)
    daemon.kill()
    (daemon.root / "run" / "serve").unlink()
    calls_before = len(central.calls)

    with FakeImdsServer("i-the-clone") as metadata:
        daemon.environment["IMDS_ENDPOINT"] = metadata.url
        daemon.start()
        eventually(lambda: len(central.bodies("register")) >= 2, why=lambda: daemon.log)

        assert not daemon.serves
        assert {name for name, _ in central.calls[calls_before:]} == {"register"}
        assert daemon.journal()["token"] is None
        daemon.close()


def test_nothing_is_acted_on_while_the_metadata_service_hangs(
    daemon: DaemonProcess, central: FakeCentralServer, metadata: FakeImdsServer
) -> None:
    metadata.fault = "hang"
    daemon.start()
    eventually(lambda: "identity_unknown" in daemon.log, why=lambda: daemon.log)

    assert not central.calls
    assert not daemon.serves
    code, took_seconds = daemon.stop()
    assert (code, took_seconds < 5) == (0, True)


def test_a_notice_reaches_the_server_while_its_first_answers_are_errors(
    daemon: DaemonProcess, central: FakeCentralServer, metadata: FakeImdsServer
) -> None:
    _registered(daemon, central)
    central.faults["termination-imminent"] = "500"
    metadata.texts["meta-data/spot/instance-action"] = '{"action": "terminate", "time": "2030-01-01T00:02:00Z"}'
    eventually(lambda: "notice_not_delivered" in daemon.log, why=lambda: daemon.log)
    daemon.kill()
    central.faults.clear()

    daemon.start()

    eventually(lambda: bool(central.bodies("termination-imminent")), why=lambda: daemon.log)
    eventually(lambda: not daemon.journal()["unsent"])
    assert len({body["notice_id"] for body in central.bodies("termination-imminent")}) == 1


def test_a_revoked_token_is_replaced_without_a_break_in_serving(daemon: DaemonProcess, central: FakeCentralServer) -> None:
    _registered(daemon, central)

    central.token = "so_agent_2"

    eventually(lambda: daemon.journal()["token"] == "so_agent_2", why=lambda: daemon.log)
    assert daemon.hooks_run().count("start") == 1
    assert daemon.serves


def test_an_instance_without_rights_registers_with_the_mode_that_its_metadata_tells(
    daemon: DaemonProcess, central: FakeCentralServer, region: MotoRegion
) -> None:
    region.denied |= {"DescribeInstances", "DescribeSubnets", "DescribeSpotPriceHistory"}
    daemon.start()
    eventually(lambda: bool(central.bodies("heartbeat")), why=lambda: daemon.log)

    body = central.bodies("register")[0]
    assert (body["mode"], body["mode_evidence"]["api"]) == ("spot", "unknown")
    assert body["launch_specification"] is None
    assert "not_authorized" in daemon.log


def test_a_released_daemon_ends_and_stays_ended_while_its_workload_may_start(daemon: DaemonProcess, central: FakeCentralServer) -> None:
    _registered(daemon, central)
    central.issue(command_json("release"))
    assert daemon.exit_code() == 0
    (daemon.root / "run" / "serve").unlink()

    daemon.start()

    assert daemon.exit_code() == 0
    assert (daemon.root / "run" / "serve").exists()
    assert daemon.journal()["token"] is None


def test_status_tells_people_and_programs(daemon: DaemonProcess, central: FakeCentralServer) -> None:
    _registered(daemon, central)
    eventually(lambda: daemon.status().returncode == 0, why=lambda: daemon.status().stdout)

    human, machine = daemon.status().stdout, json.loads(daemon.status("--json").stdout)

    assert "role       PRIMARY, epoch 1" in human
    assert machine["serving"] is True
    assert "so_agent" not in human + json.dumps(machine)
    daemon.kill()
    assert daemon.status().returncode == 1
