"""Web processes that are killed, told to stop, or end by themselves: the port is free again at once, and the rest goes on serving."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path

import pytest

from server_support.databases import sqlite_engine
from server_support.processes import Running, running, wait_until_ready
from server_support.tenants import Tenant, create_tenant
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.words import TokenKind

pytestmark = pytest.mark.server

PATIENCE_SECONDS = 60.0
STUCK_SECONDS = 300
"""How long a web process keeps a request that hangs: longer than any start takes on a slow machine."""


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> Iterator[str]:
    with sqlite_engine(sqlite_template, tmp_path / "spot.db") as engine:
        yield engine.url.render_as_string()


@pytest.fixture
def tenant(sqlite_template: Path, tmp_path: Path, url: str) -> Iterator[Tenant]:
    with sqlite_engine(sqlite_template, tmp_path / "spot.db") as engine:
        yield create_tenant(Database(engine, clock=SystemClock(), sleeper=SystemClock()), "i-1")


def until(what: str, is_so: Callable[[], bool]) -> None:
    """Wait; AssertionError when it takes too long."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.05)):
        if is_so():
            return
        pause.wait(0.05)
    raise AssertionError(f"never: {what}")


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def kill_all(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_gone(pid: int) -> bool:
    """Whether a process that is not ours has ended; one that nobody reaped yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until_ready_itself(server: Running) -> None:
    """Return when this master serves: an orphan of the one before may answer once more on the same port."""
    said = f"({server.process.pid})"
    until("it listens", lambda: any(line["event"].startswith("Listening at") and said in line["event"] for line in server.log()))
    wait_until_ready(server)


def wait_for_commands(server: Running, tenant: Tenant) -> threading.Thread:
    """Wait in a thread, as a daemon does; what the request ends with does not matter."""

    def wait() -> None:
        with suppress(OSError):
            server.call(f"/api/agents/{tenant.agent_id}/pending-commands?wait=60", tenant.tokens[TokenKind.AGENT])

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def hang(port: int, hold: ExitStack) -> None:
    """Begin a request and never end it: it keeps its web process busy for all its time to stop."""
    half = hold.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
    half.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")


@pytest.mark.parametrize(("worker_kind", "restarts"), [("gthread", 4), ("gevent", 2)])
def test_a_killed_master_is_followed_at_once_whatever_its_orphans_still_do(
    url: str, tenant: Tenant, tmp_path: Path, worker_kind: str, restarts: int
) -> None:
    hung: list[int] = []
    with ExitStack() as hold:
        hold.callback(kill_all, hung)
        start = partial(running, "web", url, tmp_path, SPOT_WEB_WORKER_KIND=worker_kind, SPOT_WEB_STOP_SECONDS=str(STUCK_SECONDS))
        server = hold.enter_context(start())
        wait_until_ready(server)
        for _ in range(restarts):
            waiting = wait_for_commands(server, tenant)
            hang(server.port, hold)
            waiting.join(0.3)
            orphans = children_of(server.process.pid)

            server.process.kill()
            server = hold.enter_context(start(port=server.port))
            wait_until_ready_itself(server)

            still_there = [pid for pid in orphans if not is_gone(pid)]
            assert still_there or worker_kind == "gevent"  # whose processes break off what hangs
            hung += still_there
            waiting.join(PATIENCE_SECONDS)
        server.stop()


def test_an_orphan_ends_in_its_time_to_stop_though_a_request_hangs(url: str, tmp_path: Path) -> None:
    with ExitStack() as hold:
        server = hold.enter_context(running("web", url, tmp_path, SPOT_WEB_STOP_SECONDS="1"))
        wait_until_ready(server)
        workers = children_of(server.process.pid)
        hang(server.port, hold)

        server.process.kill()

        until("the orphans end", lambda: all(is_gone(worker) for worker in workers))


def test_a_start_waits_for_a_port_that_a_stuck_orphan_holds(url: str, tmp_path: Path) -> None:
    with running("web", url, tmp_path, SPOT_WEB_PROCESSES="1") as server:
        wait_until_ready(server)
        (worker,) = children_of(server.process.pid)
        os.kill(worker, signal.SIGSTOP)
        server.process.kill()
        with running("web", url, tmp_path, port=server.port) as successor:
            successor.wait_until_logged("port_in_use")

            os.kill(worker, signal.SIGCONT)

            wait_until_ready_itself(successor)
            code = successor.stop()

    assert code == 0


def test_a_start_that_cannot_listen_ends_with_one_line(url: str, tmp_path: Path) -> None:
    with running("web", url, tmp_path, SPOT_BIND_ADDRESS="192.0.2.1") as server:
        code = server.process.wait(PATIENCE_SECONDS)

    said = server.log_path.read_text().splitlines()
    assert (code, len(said), said[-1].startswith("spot-server: SPOT_BIND_ADDRESS=192.0.2.1 SPOT_BIND_PORT=")) == (1, 1, True)


def test_a_web_process_that_ends_by_itself_is_replaced_and_takes_nothing_along(url: str, tmp_path: Path) -> None:
    with running("web", url, tmp_path, SPOT_WEB_PROCESSES="2") as server:
        wait_until_ready(server)
        until("two web processes", lambda: len(children_of(server.process.pid)) == 2)
        first = min(children_of(server.process.pid))

        os.kill(first, signal.SIGABRT)  # what gunicorn does to one whose loop stands still

        until("its successor", lambda: first not in (now := children_of(server.process.pid)) and len(now) == 2)
        status, text = server.call("/metrics")
        wait_until_ready(server)
        code = server.stop()

    assert (status, "spot_http_requests_total" in text, code) == (200, True, 0)


def test_a_web_process_that_is_told_to_stop_before_it_has_begun_ends_at_once() -> None:
    # As after gunicorn's fork: the handler is the master's, which only notes the signal, in a queue that nobody reads here.
    forked = "import os, signal; from spot_server.web import after_fork; signal.signal(signal.SIGTERM, lambda *_: None)"
    told = "after_fork(None, None); os.kill(os.getpid(), signal.SIGTERM)"

    done = subprocess.run([sys.executable, "-c", f"{forked}; {told}"], check=False, timeout=PATIENCE_SECONDS)

    assert done.returncode == -signal.SIGTERM
