"""The real processes: they refuse to start on a wrong database, serve, wake waiters, and stop cleanly."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from server_support.databases import sqlite_engine
from server_support.processes import PROGRAM, environment, running, wait_until_parked, wait_until_ready
from server_support.tenants import Tenant, create_tenant
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.features.commands.ledger import NewCommand, issue
from spot_server.jobs.lease import database_now, read_lease
from spot_server.words import CommandKind, TokenKind

pytestmark = pytest.mark.server

PATIENCE_SECONDS = 30.0
WORKER_KINDS = ["gevent", "gthread"]


@pytest.fixture
def real_database(engine: Engine) -> Database:
    """The fixture's database on the wall clock, as the processes see it."""
    return Database(engine, clock=SystemClock(), sleeper=SystemClock())


@pytest.fixture
def url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture
def tenant(real_database: Database) -> Tenant:
    return create_tenant(real_database, "i-1")


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/empty.db"


def issue_command(database: Database, tenant: Tenant) -> str:
    new = NewCommand(tenant.client_id, tenant.agent_id, tenant.instance_id, str(uuid.uuid4()), CommandKind.STANDBY_CHECK, 50, 1)
    return database.write(lambda tx: issue(tx, new))


def run_to_the_end(command: str, database_url: str) -> tuple[int, str]:
    done = subprocess.run([PROGRAM, command], env=environment(database_url), capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["web", "jobs"])
def test_a_database_without_schema_is_refused_in_one_line(command: str, empty_sqlite_url: str) -> None:
    assert run_to_the_end(command, empty_sqlite_url) == (
        3,
        "spot-server: the database has no schema yet: run `spot-server migrate`\n",
    )


@pytest.mark.parametrize("command", ["web", "jobs"])
def test_a_database_that_cannot_be_reached_is_refused_in_one_line(command: str) -> None:
    code, said = run_to_the_end(command, "mysql+pymysql://nobody@127.0.0.1:1/spot")

    assert (code, said.count("\n")) == (3, 1)
    assert said.startswith("spot-server: the database cannot be reached: ")


@pytest.mark.parametrize("worker_kind", WORKER_KINDS)
def test_a_command_reaches_the_daemon_that_waits_for_it_over_http(
    real_database: Database, url: str, tenant: Tenant, tmp_path: Path, worker_kind: str
) -> None:
    with running("web", url, tmp_path, SPOT_WEB_WORKER_KIND=worker_kind, SPOT_POLLER_PERIOD_MS="50") as server:
        wait_until_ready(server)
        answers: list[Any] = []
        path = f"/api/agents/{tenant.agent_id}/pending-commands?wait=30"
        waiting = threading.Thread(target=lambda: answers.append(server.call(path, tenant.tokens[TokenKind.AGENT])))
        waiting.start()
        wait_until_parked(server)

        command_id = issue_command(real_database, tenant)

        waiting.join(PATIENCE_SECONDS)
        code = server.stop()

    ((status, answer),) = answers
    assert (status, [command["command_id"] for command in answer["commands"]], code) == (200, [command_id], 0)


@pytest.mark.parametrize("worker_kind", WORKER_KINDS)
def test_a_server_that_stops_sends_its_waiters_home_with_an_answer(url: str, tenant: Tenant, tmp_path: Path, worker_kind: str) -> None:
    with running("web", url, tmp_path, SPOT_WEB_WORKER_KIND=worker_kind) as server:
        wait_until_ready(server)
        answers: list[Any] = []
        path = f"/api/agents/{tenant.agent_id}/pending-commands?wait=60"
        waiting = threading.Thread(target=lambda: answers.append(server.call(path, tenant.tokens[TokenKind.AGENT])))
        waiting.start()
        wait_until_parked(server)

        code = server.stop()

        waiting.join(PATIENCE_SECONDS)

    assert (code, answers) == (0, [(200, {"commands": [], "wait_seconds": 50})])


@pytest.mark.parametrize("worker_kind", WORKER_KINDS)
def test_a_worker_whose_master_was_killed_sends_its_waiters_home(url: str, tenant: Tenant, tmp_path: Path, worker_kind: str) -> None:
    with running("web", url, tmp_path, SPOT_WEB_WORKER_KIND=worker_kind) as server:
        wait_until_ready(server)
        answers: list[Any] = []
        path = f"/api/agents/{tenant.agent_id}/pending-commands?wait=60"
        waiting = threading.Thread(target=lambda: answers.append(server.call(path, tenant.tokens[TokenKind.AGENT])))
        waiting.start()
        wait_until_parked(server)

        server.process.kill()

        waiting.join(PATIENCE_SECONDS)

    assert answers == [(200, {"commands": [], "wait_seconds": 50})]


def test_the_metrics_of_all_web_processes_are_added_up(url: str, tmp_path: Path) -> None:
    with running("web", url, tmp_path, SPOT_WEB_PROCESSES="2") as server:
        wait_until_ready(server)
        for _ in range(20):
            server.call("/healthz")

        _status, text = server.call("/metrics")
        server.stop()

    counted = [line for line in text.splitlines() if line.startswith('spot_http_requests_total{endpoint="health.healthz"')]
    assert [line.rpartition(" ")[2] for line in counted] == ["20.0"]


@pytest.fixture
def jobs(url: str, tmp_path: Path) -> Iterator[Any]:
    with running("jobs", url, tmp_path, SPOT_LEASE_SECONDS="5", SPOT_LEASE_RENEW_PERIOD_SECONDS="0.2") as process:
        yield process


def test_the_jobs_process_leads_and_gives_the_lease_back_when_told_to_stop(jobs: Any, real_database: Database) -> None:
    jobs.wait_until_logged("jobs_leading")

    code = jobs.stop()

    row, now = real_database.read(lambda tx: (read_lease(tx), database_now(tx)))
    assert row is not None
    assert (code, row.expires_at <= now) == (0, True)


def test_a_second_jobs_process_takes_over_when_the_first_is_killed(jobs: Any, url: str, tmp_path: Path, real_database: Database) -> None:
    jobs.wait_until_logged("jobs_leading")
    with running("jobs", url, tmp_path, SPOT_LEASE_SECONDS="5", SPOT_LEASE_RENEW_PERIOD_SECONDS="0.2") as second:
        second.wait_until_logged("jobs_standing_by")

        jobs.process.kill()

        second.wait_until_logged("jobs_leading")
        second.stop()

    row = real_database.read(read_lease)
    assert row is not None
    assert row.epoch == 2


def test_sqlite_is_used_as_it_was_left(sqlite_template: Path, tmp_path: Path) -> None:
    with sqlite_engine(sqlite_template, tmp_path / "left.db") as engine:
        url = engine.url.render_as_string()
    with running("web", url, tmp_path) as server:
        wait_until_ready(server)
        assert server.stop() == 0
