"""Real `spot-server` processes for tests marked `server`."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sys.executable).with_name("spot-server"))
START_SECONDS = 40.0
STOP_SECONDS = 30.0
RETRY_SECONDS = 0.05


@dataclass(frozen=True)
class Running:
    """A process that runs, and where its log is."""

    process: subprocess.Popen[bytes]
    port: int
    log_path: Path

    def call(self, path: str, token: str | None = None, *, patience_seconds: float = 30.0) -> tuple[int, Any]:
        """GET one page; the status and the JSON (or text) of the answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience_seconds)) as connection:
            connection.request("GET", path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            text = response.read().decode()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, json.loads(text) if is_json else text

    def stop(self) -> int:
        """Tell it to stop and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def log(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log_path.read_text(encoding="utf-8").splitlines() if line.startswith("{")]

    def wait_until_logged(self, event: str) -> None:
        """Return when a line with this event is there; fail the test when it never comes."""
        pause = threading.Event()
        for _ in range(int(START_SECONDS / RETRY_SECONDS)):
            if any(line["event"] == event for line in self.log()):
                return
            pause.wait(RETRY_SECONDS)
        raise AssertionError(f"{event} was never logged: {self.log_path.read_text(encoding='utf-8')}")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(database_url: str, **settings: str) -> dict[str, str]:
    """This process's environment with the server's settings in place of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPOT_")}
    return inherited | {"SPOT_DATABASE_URL": database_url} | settings


@contextmanager
def running(command: str, database_url: str, directory: Path, *, port: int | None = None, **settings: str) -> Iterator[Running]:
    """Run `spot-server web` or `jobs` for the length of the block, on `port` or on a free one; a second one there goes on in its log."""
    port = free_port() if port is None else port
    log_path = directory / f"{command}-{port}.log"
    with log_path.open("ab") as log:
        variables = environment(database_url, SPOT_BIND_PORT=str(port), **settings)
        process = subprocess.Popen([PROGRAM, command], env=variables, stderr=log, stdout=log)
    lent = Running(process, port, log_path)
    try:
        yield lent
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(STOP_SECONDS)


def wait_until_ready(server: Running) -> None:
    """Return when the web process answers that it is ready."""
    pause = threading.Event()
    for _ in range(int(START_SECONDS / RETRY_SECONDS)):
        try:
            if server.call("/readyz")[0] == http.HTTPStatus.OK:
                return
        except OSError:
            pass
        pause.wait(RETRY_SECONDS)
    raise AssertionError(f"not ready: {server.log_path.read_text(encoding='utf-8')}")


def wait_until_parked(server: Running) -> None:
    """Return when a request waits for commands: on a busy machine that takes longer than any pause that one would dare to choose."""
    pause = threading.Event()
    for _ in range(int(START_SECONDS / RETRY_SECONDS)):
        _status, text = server.call("/metrics")
        if any(line.startswith("spot_waiting_requests") and float(line.rpartition(" ")[2]) >= 1 for line in text.splitlines()):
            return
        pause.wait(RETRY_SECONDS)
    raise AssertionError("no request waits")
