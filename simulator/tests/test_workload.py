"""The workload as its clients, its init and its disk see it."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spot_simulator.workload import WriteLog
from workload_process import WorkloadProcess, serving_workload

pytestmark = pytest.mark.server


def held_on_disk(root: Path) -> list[int]:
    lines = (root / "srv" / "workload" / "writes.log").read_text().splitlines()
    return [json.loads(line)["number"] for line in lines]


def test_an_acknowledged_write_is_on_the_disk_and_answered_with_its_instance(tmp_path: Path) -> None:
    with serving_workload(tmp_path, "i-7") as workload:
        status, answer = workload.write(5)

        assert (status, answer) == (200, {"number": 5, "instance_id": "i-7", "count": 1})
        assert held_on_disk(tmp_path) == [5]


def test_every_acknowledged_write_survives_a_kill(tmp_path: Path) -> None:
    with serving_workload(tmp_path) as workload, ThreadPoolExecutor(8) as pool:
        acknowledged = [answer["number"] for status, answer in pool.map(workload.write, range(60)) if status == 200]
        workload.signal(signal.SIGKILL)
        workload.wait()

    assert sorted(held_on_disk(tmp_path)) == sorted(acknowledged) == list(range(60))


def test_a_restart_goes_on_with_what_the_disk_holds(tmp_path: Path) -> None:
    for number in (1, 2):
        with serving_workload(tmp_path) as workload:
            workload.write(number)
            assert workload.stop() == 0

    with serving_workload(tmp_path) as workload:
        _, answer = workload.request("GET", "/writes?after=1")

    assert answer == {"instance_id": "i-1", "numbers": [2], "count": 1}


def test_a_torn_last_line_is_dropped_and_the_next_write_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "srv" / "workload"
    folder.mkdir(parents=True)
    (folder / "writes.log").write_text('{"number": 1, "sent_at": "x"}\n{"number": 2, "se')

    with serving_workload(tmp_path) as workload:
        workload.write(3)

    assert held_on_disk(tmp_path) == [1, 3]


def test_damage_above_the_last_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "writes.log").write_text('{"number": 1}\ngarbage\n{"number": 3}\n')

    with pytest.raises(ValueError, match="Expecting value"):
        WriteLog(tmp_path / "writes.log")


def test_it_does_not_listen_before_the_start_delay_is_over(tmp_path: Path) -> None:
    with serving_workload(tmp_path) as first:
        port = first.port
        first.stop()

    with WorkloadProcess(tmp_path, port=port, WORKLOAD_START_SECONDS="0.5") as second:
        with pytest.raises(ConnectionRefusedError):
            second.request("GET", "/health")
        second.wait_serving()
        assert second.request("GET", "/health")[0] == 200


def test_a_planned_start_failure_exits_1_and_never_listens(tmp_path: Path) -> None:
    with WorkloadProcess(tmp_path, WORKLOAD_FAIL_START="1") as workload:
        assert workload.wait() == 1
        assert workload.event()["event"] == "failed"


def test_a_second_workload_on_the_same_address_exits_1(tmp_path: Path) -> None:
    with serving_workload(tmp_path / "a") as first, WorkloadProcess(tmp_path / "b", port=first.port) as second:
        assert second.wait() == 1
        assert "in use" in second.event()["reason"]


def test_a_stop_finishes_the_write_in_hand_and_accepts_no_other(tmp_path: Path) -> None:
    body = b'{"number": 9, "sent_at": "x"}'
    with serving_workload(tmp_path) as workload, socket.create_connection(("127.0.0.1", workload.port), timeout=5) as client:
        client.sendall(b"POST /writes HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
        workload.request("GET", "/health")  # the half-sent write was accepted before this one
        workload.signal(signal.SIGTERM)
        client.sendall(body[5:])

        assert b'"count": 1' in client.makefile("rb").read()
        assert workload.wait() == 0
        assert workload.event()["event"] == "stopped"
    assert held_on_disk(tmp_path) == [9]


def test_a_silent_client_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    with serving_workload(tmp_path) as workload, socket.create_connection(("127.0.0.1", workload.port), timeout=5):
        assert workload.stop() == 0


@pytest.mark.parametrize("body", [{"number": "5", "sent_at": "x"}, {"number": True, "sent_at": "x"}, {"number": 5}, [], None])
def test_a_malformed_write_is_400_and_not_kept(tmp_path: Path, body: object) -> None:
    with serving_workload(tmp_path) as workload:
        status, answer = workload.request("POST", "/writes", body)

        assert status == 400
        assert "number" in answer["error"]
        assert held_on_disk(tmp_path) == []


def test_unknown_paths_are_404(tmp_path: Path) -> None:
    with serving_workload(tmp_path) as workload:
        assert workload.request("GET", "/")[0] == 404
        assert workload.request("POST", "/health", {})[0] == 404
        assert workload.request("GET", "/writes?after=x")[0] == 400
