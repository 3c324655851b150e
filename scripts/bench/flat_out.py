"""One page alone, as fast as it answers: a few connections, each of which sends again as soon as it was answered."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from bench.connection import Connection
from bench.plan import Plan, Seen
from bench.recorder import Recorder
from bench.wire import Daemon, agent_request, heartbeat_body, price_report_body, request_bytes

NO_OP = "no-op"
PAGES = (NO_OP, "heartbeat", "config", "poll", "price report")


def request_of(page: str) -> Callable[[Daemon, str], bytes]:
    """Return what makes one daemon's request to this page, at a time of day."""
    made: dict[str, Callable[[Daemon, str], bytes]] = {
        NO_OP: lambda _daemon, _now: request_bytes("GET", "/healthz"),
        "heartbeat": lambda daemon, now: agent_request(daemon, "POST", "heartbeat", heartbeat_body(daemon.instance_id, now)),
        "config": lambda daemon, _now: agent_request(daemon, "GET", "config"),
        "poll": lambda daemon, _now: agent_request(daemon, "GET", "pending-commands"),
        "price report": lambda daemon, now: agent_request(
            daemon, "POST", "pricing-report", price_report_body(daemon.instance_id, f"{daemon.instance_id}/{now}", now)
        ),
    }
    return made[page]


async def run_flat_out(plan: Plan) -> Seen:
    """Send until the plan's end; the requests are made beforehand, and go round all daemons."""
    loop = asyncio.get_running_loop()
    began_at = datetime.now(UTC)  # noqa: TID251 - daemons tell the time of day
    moments = [began_at.isoformat(), (began_at + timedelta(microseconds=1)).isoformat()]
    make = request_of(plan.kind)
    # Two rounds in turn: an instance's last report of prices, sent again, is not stored.
    requests = itertools.cycle([make(daemon, now) for now in moments for daemon in plan.daemons])
    recorder = Recorder(plan.window)
    await asyncio.sleep(max(0.0, plan.window.start_seconds - loop.time()))
    await asyncio.gather(*(_send_on(Connection(plan.port), requests, recorder, plan.kind) for _ in range(plan.connections)))
    return recorder.seen


async def _send_on(connection: Connection, requests: Iterator[bytes], recorder: Recorder, kind: str) -> None:
    loop = asyncio.get_running_loop()
    while loop.time() < recorder.window.end_seconds:
        if await recorder.send(kind, connection, next(requests)) is None:
            await asyncio.sleep(0.1)  # a server that is gone is not asked in a tight loop
    connection.close()
