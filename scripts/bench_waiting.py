#!/usr/bin/env python3
"""Measure waiting requests: daemons that wait for commands, their heartbeats, and how soon a command reaches the one that waits.

Starts `spot-server web` on a free port of 127.0.0.1 and a load generator in this process; prints one JSON line. Both share the
machine, so read ratios. Figures and reading: docs/adr/0006-waiting-requests.md.

Usage: scripts/bench_waiting.py --worker-kind gevent|gthread [--database-url URL] [--agents 1000] [--seconds 40] [--processes 2]
The database must be empty: it is filled with agents. Without a URL, a SQLite file in a temporary directory is used.
"""

# ruff: noqa: E402 - the standard library is patched before anything else is imported

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import gevent
from gevent.pool import Group

from spot_server.clock import SystemClock
from spot_server.db.factory import build_database
from spot_server.db.runner import Database, Transaction
from spot_server.features.agent_config.service import Intervals
from spot_server.features.clients.service import NewClient, create_client
from spot_server.features.commands.ledger import NewCommand, issue
from spot_server.features.registration.arrivals import NewRegistration
from spot_server.features.registration.service import accept_or_raise, register
from spot_server.features.tokens.service import create_token
from spot_server.migrations import migrate
from spot_server.settings import Settings
from spot_server.words import Carry, CommandKind, Mode, TokenKind

CLOCK = SystemClock()
CHANCE = Random(1)  # noqa: S311 - a load, not a secret
PLAIN_POLLS_PER_SECOND = 10.0
COMMANDS_PER_SECOND = 5.0
WAIT_SECONDS = 20.0
REQUEST_PATIENCE_SECONDS = 90
MOST_AGENTS = 5000
MOST_SECONDS = 300


@dataclass(frozen=True)
class Daemon:
    """One made-up daemon."""

    client_id: str
    agent_id: str
    instance_id: str
    token: str


@dataclass
class Book:
    """What was seen, in milliseconds."""

    port: int
    is_over: bool = False
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    issued_seconds: dict[str, float] = field(default_factory=dict)

    def note(self, kind: str, milliseconds: float) -> None:
        """Add one measurement."""
        self.times_ms.setdefault(kind, []).append(milliseconds)

    def summary(self) -> dict[str, Any]:
        """Return count, p50, p99 and the largest of everything."""
        return {kind: _spread(values) for kind, values in sorted(self.times_ms.items())} | {"counts": dict(sorted(self.counts.items()))}


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {
        "count": len(ordered),
        "p50_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(p99, 1),
        "max_ms": round(ordered[-1], 1),
    }


class Caller:
    """One kept connection of one daemon."""

    def __init__(self, book: Book, daemon: Daemon) -> None:
        """Nothing is sent yet."""
        self._book = book
        self._daemon = daemon
        self._connection: http.client.HTTPConnection | None = None

    def call(self, kind: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send one request under /api/agents/<id>; return the answer, or {} when there was none."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._book.port, timeout=REQUEST_PATIENCE_SECONDS)
        headers = {"Authorization": f"Bearer {self._daemon.token}", "Content-Type": "application/json"}
        started_seconds = CLOCK.monotonic_seconds()
        try:
            self._connection.request(
                method, f"/api/agents/{self._daemon.agent_id}/{path}", body=None if body is None else json.dumps(body), headers=headers
            )
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._book.counts[f"{kind}: {type(error).__name__}"] += not self._book.is_over
            self._connection = None
            return {}
        self._book.counts[f"{kind}: {response.status}"] += 1
        if kind != "wait":
            self._book.note(kind, (CLOCK.monotonic_seconds() - started_seconds) * 1000)
        return json.loads(content) if response.status < http.HTTPStatus.BAD_REQUEST else {}


def wait_for_commands(book: Book, daemon: Daemon, delay_seconds: float) -> None:
    """Wait, answer, wait again: what a daemon's commands thread does."""
    gevent.sleep(delay_seconds)
    caller = Caller(book, daemon)
    while not book.is_over:
        answer = caller.call("wait", "GET", f"pending-commands?wait={WAIT_SECONDS}")
        for command in answer.get("commands", []):
            issued_seconds = book.issued_seconds.pop(command["command_id"], None)
            if issued_seconds is not None:
                book.note("delivery", (CLOCK.monotonic_seconds() - issued_seconds) * 1000)
            outcome = {"request_id": command["request_id"], "outcome": "succeeded", "error": None, "result": {}}
            caller.call("outcome", "POST", f"commands/{command['command_id']}/executed", outcome)
        if answer.get("wait_seconds") == 0:
            book.counts["wait: room full"] += 1
            gevent.sleep(5)
        elif not answer:
            gevent.sleep(1)


def beat(book: Book, daemon: Daemon, period_seconds: float) -> None:
    """Send heartbeats, the next one a period after the answer to the last."""
    gevent.sleep(period_seconds * CHANCE.random())
    caller = Caller(book, daemon)
    while not book.is_over:
        body = {
            "instance_id": daemon.instance_id,
            "epoch": 1,
            "role": "PRIMARY",
            "serving": True,
            "quiesced": False,
            "mode": "spot",
            "daemon_version": "0.1.0",
            "sent_at": CLOCK.now().isoformat(),
            "uptime_seconds": 100,
            "settings": {},
            "metadata_failures": 0,
            "unknown_fields": 0,
            "resources": {"instances": [], "images": [], "volumes": []},
        }
        caller.call("heartbeat", "POST", "heartbeat", body)
        gevent.sleep(period_seconds)


def poll_plainly(book: Book, daemons: list[Daemon]) -> None:
    """Ask without waiting, as daemons do that found the room full."""
    caller = Caller(book, daemons[0])
    while not book.is_over:
        caller.call("poll", "GET", "pending-commands")
        gevent.sleep(1 / PLAIN_POLLS_PER_SECOND)


def issue_commands(book: Book, database: Database, daemons: list[Daemon]) -> None:
    """Give random daemons something to do, and remember when that was committed."""
    while not book.is_over:
        daemon = CHANCE.choice(daemons[1:])
        new = NewCommand(
            client_id=daemon.client_id,
            agent_id=daemon.agent_id,
            instance_id=daemon.instance_id,
            request_id=str(uuid.uuid4()),
            kind=CommandKind.STANDBY_CHECK,
            priority=50,
            epoch=1,
        )
        command_id = database.write(lambda tx, new=new: issue(tx, new))  # type: ignore[misc]
        book.issued_seconds[command_id] = CLOCK.monotonic_seconds()
        gevent.sleep(1 / COMMANDS_PER_SECOND)


def make_daemons(database: Database, count: int) -> list[Daemon]:
    """Register that many agents of one client."""
    client = database.write(lambda tx: create_client(tx, NewClient(name="bench")))
    enrolment = database.write(
        lambda tx: create_token(tx, TokenKind.ENROLMENT, created_by="bench", client_id=client.client_id, logical_agent_id_pattern="*")
    )

    def take_in(tx: Transaction, number: int) -> Daemon:
        request = NewRegistration(
            logical_agent_id=f"bench-{number}",
            instance_id=f"i-{number:017x}",
            instance_type="m5.large",
            region="us-east-1",
            az_id="use1-az1",
            az_name="us-east-1a",
            product="Linux/UNIX",
            architecture="x86_64",
            mode=Mode.SPOT,
            daemon_version="0.1.0",
            mode_evidence={"metadata": "spot", "api": "spot"},
            settings={"carry": Carry.STATELESS},
        )
        registered = accept_or_raise(register(tx, enrolment, request, Intervals()))
        return Daemon(client.client_id, registered.config.agent.agent_id, request.instance_id, registered.token)

    return [database.write(lambda tx, number=number: take_in(tx, number)) for number in range(count)]  # type: ignore[misc]


def start_server(options: argparse.Namespace, database_url: str, port: int, log_path: Path) -> subprocess.Popen[bytes]:
    """Start the web processes and wait until they are ready."""
    environment = os.environ | {
        "SPOT_DATABASE_URL": database_url,
        "SPOT_BIND_PORT": str(port),
        "SPOT_WEB_PROCESSES": str(options.processes),
        "SPOT_WEB_WORKER_KIND": options.worker_kind,
        "SPOT_WAITING_ROOM_SEATS": str(options.seats),
        "SPOT_LOG_LEVEL": "warning",
    }
    command = [str(Path(sys.executable).with_name("spot-server")), "web"]
    with log_path.open("wb") as log:
        server = subprocess.Popen(command, env=environment, stderr=log, start_new_session=True)
    for _ in range(100):
        gevent.sleep(0.2)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return server
        except OSError:
            continue
    raise SystemExit(f"the server did not become ready: {log_path.read_text()}")


def cost_of(server_pid: int) -> dict[str, float]:
    """Return the processor seconds and the memory of the web processes so far."""
    seconds, memory_mib = 0.0, 0.0
    children = Path(f"/proc/{server_pid}/task/{server_pid}/children").read_text(encoding="ascii").split()
    for pid in children:
        values = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        seconds += (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")
        memory_mib += int(values[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return {"cpu_seconds": seconds, "memory_mib": round(memory_mib)}


def load(book: Book, options: argparse.Namespace, database: Database, daemons: list[Daemon], server_pid: int) -> dict[str, Any]:
    """Put the load on, measure for the time asked for, and take it off."""
    group = Group()
    for number, daemon in enumerate(daemons):
        group.spawn(wait_for_commands, book, daemon, 10 * number / len(daemons))
        group.spawn(beat, book, daemon, options.heartbeat_period)
    gevent.sleep(12)  # all have sat down; what came before is not measured
    book.times_ms.clear()
    book.counts.clear()
    group.spawn(poll_plainly, book, daemons)
    group.spawn(issue_commands, book, database, daemons)
    before = cost_of(server_pid)
    gevent.sleep(options.seconds)
    after = cost_of(server_pid)
    result = book.summary()
    book.is_over = True
    group.kill(block=True, timeout=10)
    used_cores = round((after["cpu_seconds"] - before["cpu_seconds"]) / options.seconds, 2)
    return result | {"server_cores_used": used_cores, "server_memory_mib": after["memory_mib"]}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure waiting requests.")
    parser.add_argument("--worker-kind", choices=["gevent", "gthread"], required=True)
    parser.add_argument("--database-url")
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--heartbeat-period", type=float, default=30.0, help="seconds; a short one finds the most that the server can do")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seats", type=int, default=1000, help="waiting requests that one process has room for")
    options = parser.parse_args()
    options.agents, options.seconds = min(options.agents, MOST_AGENTS), min(options.seconds, MOST_SECONDS)
    with tempfile.TemporaryDirectory() as directory:
        database_url = options.database_url or f"sqlite:///{directory}/bench.db"
        database = build_database(Settings(database_url=database_url), CLOCK)
        migrate(database.engine, clock=CLOCK, sleeper=CLOCK)
        daemons = make_daemons(database, options.agents)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = start_server(options, database_url, port, Path(directory) / "server.log")
        try:
            result = load(Book(port), options, database, daemons, server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
        warnings = (Path(directory) / "server.log").read_text(encoding="utf-8").splitlines()
    setup = {
        "worker": options.worker_kind,
        "database": database.engine.dialect.name,
        "agents": options.agents,
        "processes": options.processes,
    }
    print(json.dumps(setup | result | {"server_log_lines": len(warnings), "first_log_line": (warnings or [""])[0][-300:]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
