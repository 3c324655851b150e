"""Runs the real workload as a process of its own, as the region's init does, for the tests of what speaks to it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

STOP_BOUND_SECONDS = 10.0


class WorkloadProcess:
    """One workload on 127.0.0.1, on a port of its own choice unless one is given, with ``root`` as its disk."""

    def __init__(self, root: Path, instance_id: str = "i-1", port: int = 0, **settings: str) -> None:
        """Start it; ``wait_serving`` tells when it listens."""
        env = {"INSTANCE_IP": "127.0.0.1", "INSTANCE_ROOT": str(root), "INSTANCE_ID": instance_id, "WORKLOAD_PORT": str(port)}
        command = [sys.executable, "-m", "spot_simulator.workload"]
        self.port = port
        self._process = subprocess.Popen(command, env={**os.environ, **env, **settings}, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        """Serve as a context manager."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave no process behind."""
        self._process.kill()
        self._process.communicate()

    def event(self) -> dict[str, Any]:
        """Wait for its next event line; an empty object when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else {}

    def wait_serving(self) -> Self:
        """Wait until it listens."""
        event = self.event()
        assert event["event"] == "serving", event
        self.port = event["port"]
        return self

    def signal(self, wanted: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(wanted)

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        return self._process.wait(STOP_BOUND_SECONDS)

    def stop(self) -> int:
        """Ask it to stop and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def request(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Make one request on a new connection."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.load(response)
        finally:
            connection.close()

    def write(self, number: int) -> tuple[int, dict[str, Any]]:
        """Send one numbered write."""
        return self.request("POST", "/writes", {"number": number, "sent_at": "2026-01-01T00:00:00Z"})


@contextmanager
def serving_workload(root: Path, instance_id: str = "i-1", port: int = 0, **settings: str) -> Iterator[WorkloadProcess]:
    """Give a workload that listens, and leave no process behind."""
    with WorkloadProcess(root, instance_id, port, **settings) as workload:
        yield workload.wait_serving()
