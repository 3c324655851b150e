"""The prober against real workloads, and against servers that misbehave."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from spot_simulator import prober
from spot_simulator.prober import ProbeLog, Target, read_answer
from workload_process import serving_workload

pytestmark = pytest.mark.server


def probe(port: int, log: Path, *options: str) -> list[dict[str, Any]]:
    """Run the prober as a process to its end and return its log, in the order of sending."""
    command = [sys.executable, "-m", "spot_simulator.prober", "--url", f"http://127.0.0.1:{port}", "--log", str(log), *options]
    subprocess.run(command, check=True, timeout=30)
    return sorted((json.loads(line) for line in log.read_text().splitlines()), key=lambda line: line["number"])


@contextmanager
def misbehaving_server(answer: bytes | None) -> Iterator[int]:
    """Give the port of a server that answers every connection with these bytes, or (None) holds it open and says nothing."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                if answer is not None:
                    connection.recv(4096)
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in held:
        connection.close()


def sent_gaps_seconds(lines: list[dict[str, Any]]) -> list[float]:
    times = [datetime.fromisoformat(line["sent_at"]) for line in lines]
    return [(later - earlier).total_seconds() for earlier, later in pairwise(times)]


def test_writes_are_numbered_acknowledged_and_held_by_the_workload(tmp_path: Path) -> None:
    with serving_workload(tmp_path, "i-3") as workload:
        lines = probe(workload.port, tmp_path / "probe.log", "--max-writes", "10")
        _, held = workload.request("GET", "/writes")

    assert [line["number"] for line in lines] == held["numbers"] == list(range(1, 11))
    assert {(line["ok"], line["instance_id"], line["error"]) for line in lines} == {(True, "i-3", None)}
    assert all(line["sent_at"] <= line["answered_at"] for line in lines)


def test_a_hanging_write_never_delays_the_next(tmp_path: Path) -> None:
    with misbehaving_server(None) as port:
        lines = probe(port, tmp_path / "probe.log", "--max-writes", "15", "--timeout-seconds", "0.5")

    assert {(line["ok"], line["answered_at"], line["error"]) for line in lines} == {(False, None, "timed out")}
    assert sorted(sent_gaps_seconds(lines))[len(lines) // 2] < 0.4  # a tenth of a second apart, and each hangs for half a one


def test_nobody_listening_is_logged_as_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    lines = probe(port, tmp_path / "probe.log", "--max-writes", "2")

    assert [line["error"] for line in lines] == ["Connection refused", "Connection refused"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "closed without an answer"),
        (b"HTTP/1.0 503 no\r\nContent-Length: 0\r\n\r\n", "answered 503"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 40\r\n\r\n{", "answered without a whole body"),
        (b'HTTP/1.0 200 OK\r\n\r\n{"number": 999, "instance_id": "i-1"}', "answered for another write"),
        (b"hello", "answered no HTTP answer"),
    ],
)
def test_an_answer_that_acknowledges_nothing_is_not_good(tmp_path: Path, answer: bytes, error: str) -> None:
    with misbehaving_server(answer) as port:
        lines = probe(port, tmp_path / "probe.log", "--max-writes", "1")

    assert (lines[0]["ok"], lines[0]["instance_id"], lines[0]["error"]) == (False, None, error)


def test_sigterm_ends_it_cleanly_with_every_line_whole(tmp_path: Path) -> None:
    log = tmp_path / "probe.log"
    with serving_workload(tmp_path) as workload:
        command = [sys.executable, "-m", "spot_simulator.prober", "--url", f"http://127.0.0.1:{workload.port}", "--log", str(log)]
        process = subprocess.Popen(command)
        while not workload.request("GET", "/writes")[1]["numbers"]:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
        assert all(json.loads(line)["ok"] for line in log.read_text().splitlines())


def test_numbering_goes_on_after_a_restart_and_a_torn_line(tmp_path: Path) -> None:
    log = tmp_path / "probe.log"
    log.write_text('{"number": 41, "ok": true}\n{"number": 42, "o')

    opened = ProbeLog(log)
    opened.record(opened.last_number + 1, "now", read_answer(b"", 42, "later"))
    opened.close()

    assert opened.last_number == 41
    assert [json.loads(line)["number"] for line in log.read_text().splitlines()[::2]] == [41, 42]


@pytest.mark.parametrize("url", ["https://127.0.0.1", "127.0.0.1:8080", "http://example.com"])
def test_only_a_plain_http_ip_address_is_a_target(url: str) -> None:
    with pytest.raises((ValueError, OSError)):
        Target.from_url(url)


def test_main_returns_0_after_the_last_write(tmp_path: Path) -> None:
    with serving_workload(tmp_path) as workload:
        url = f"http://127.0.0.1:{workload.port}"

        assert prober.main(["--url", url, "--log", str(tmp_path / "p.log"), "--max-writes", "1"]) == 0
