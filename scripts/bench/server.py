"""The server under test: real web processes and a real jobs process on 127.0.0.1, and what they say of themselves."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from prometheus_client.parser import text_string_to_metric_families

from bench.proc import children_of, total_cpu_seconds
from bench.wire import HOST
from spot_server.clock import SystemClock
from spot_simulator.demo.processes import Processes

START_SECONDS = 60.0
LOOK_SECONDS = 0.2
ANSWER_SECONDS = 30.0
SPOT_SERVER = (str(Path(sys.executable).with_name("spot-server")),)


class ServerFailed(Exception):
    """The server under test did not start or does not answer."""


@dataclass(frozen=True, slots=True)
class PageCounts:
    """What the server has counted of each page since it started."""

    requests: dict[str, float] = field(default_factory=dict)
    statements: dict[str, float] = field(default_factory=dict)

    def since(self, earlier: PageCounts, endpoint: str) -> tuple[float, float]:
        """Return the statements and the requests of one page since an earlier look."""
        return (
            self.statements.get(endpoint, 0.0) - earlier.statements.get(endpoint, 0.0),
            self.requests.get(endpoint, 0.0) - earlier.requests.get(endpoint, 0.0),
        )


def page_counts(metrics_text: str) -> PageCounts:
    """Read the two counters from the server's metrics, added up over methods and statuses."""
    counts = PageCounts()
    wanted = {"spot_http_requests_total": counts.requests, "spot_http_sql_statements_total": counts.statements}
    for family in text_string_to_metric_families(metrics_text):
        for sample in family.samples:
            if sample.name in wanted:
                endpoint = sample.labels["endpoint"]
                wanted[sample.name][endpoint] = wanted[sample.name].get(endpoint, 0.0) + sample.value
    return counts


class Server:
    """`spot-server web` with two processes, and `spot-server jobs`."""

    def __init__(self, processes: Processes, database_url: str, port: int, settings: Mapping[str, str]) -> None:
        """Nothing runs yet. `settings` are environment variables beyond what the measurement itself sets."""
        self._processes = processes
        self._clock = SystemClock()
        self._environment = {
            "SPOT_DATABASE_URL": database_url,
            "SPOT_BIND_ADDRESS": HOST,
            "SPOT_BIND_PORT": str(port),
            "SPOT_WEB_PROCESSES": "2",
            "SPOT_WEB_STOP_SECONDS": "3",
            "SPOT_LOG_LEVEL": "warning",
            **settings,
        }
        self.port = port

    def start(self, *, with_jobs: bool = True) -> None:
        """Start and wait until it can serve."""
        self._master = self._processes.start("web", [*SPOT_SERVER, "web"], self._environment)
        if with_jobs:
            self.start_jobs()
        until_seconds = self._clock.monotonic_seconds() + START_SECONDS
        while not self._is_ready():
            self._processes.check()
            if self._clock.monotonic_seconds() > until_seconds:
                raise ServerFailed(f"not ready within {START_SECONDS:g} s:\n{self._processes.tail('web')}")
            self._clock.sleep(LOOK_SECONDS)

    def start_jobs(self) -> None:
        """Start the jobs process."""
        self._jobs: Popen[bytes] = self._processes.start("jobs", [*SPOT_SERVER, "jobs"], self._environment)

    def stop_jobs(self) -> None:
        """End the jobs process, so that one page can be measured alone."""
        self._processes.kill("jobs")

    def counts(self) -> PageCounts:
        """Return what it has counted up to now."""
        return page_counts(self._get("/metrics")[1])

    def web_cpu_seconds(self) -> float:
        """Return the processor time of the web processes so far."""
        return total_cpu_seconds([self._master.pid, *children_of(self._master.pid)])

    def jobs_cpu_seconds(self) -> float:
        """Return the processor time of the jobs process so far."""
        return total_cpu_seconds([self._jobs.pid])

    def warnings(self) -> list[str]:
        """Return what it logged: warnings and errors only."""
        logs = [self._processes.log_dir / f"{name}.log" for name in ("web", "jobs")]
        return [line for log in logs if log.exists() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]

    def _is_ready(self) -> bool:
        try:
            return self._get("/readyz")[0] == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def _get(self, path: str) -> tuple[int, str]:
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_SECONDS)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
