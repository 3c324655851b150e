"""Where the time of a request goes, without a network and without anybody else: one thread, one call after the other."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from bench.figures import percentile
from bench.server import ServerFailed
from bench.wire import Daemon, heartbeat_body, price_report_body
from spot_server.bootstrap import build_app, build_context
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.db.statement_count import begin_count
from spot_server.features.agent_config.schemas import DaemonConfigAnswer
from spot_server.features.agent_config.service import Intervals, read_daemon_config
from spot_server.features.commands.service import take_pending
from spot_server.features.heartbeats.schemas import HeartbeatSchema
from spot_server.features.heartbeats.service import record_heartbeat
from spot_server.features.pricing.schemas import PriceReportSchema
from spot_server.features.pricing.service import report_prices
from spot_server.settings import Settings

WARM_UP_CALLS = 20
MOST_CALLS = 2000


@dataclass(frozen=True, slots=True)
class HotPath:
    """One part of a request, in microseconds. `statements` of one call; 0 for a whole request, which counts its own in the metrics."""

    database: str
    name: str
    median_us: float
    p99_us: float
    statements: int


def measure_hot_paths(database_name: str, url: str, database: Database, daemons: tuple[Daemon, ...], *, seconds: float) -> list[HotPath]:
    """Measure each part for `seconds` or MOST_CALLS calls, whichever is less."""
    app = build_app(build_context(Settings(database_url=url)))
    now = datetime.now(UTC).isoformat()  # noqa: TID251 - daemons tell the time of day
    return [_measure(database_name, name, call, seconds) for name, call in _parts(app, database, daemons, now)]


def _parts(app: Flask, database: Database, daemons: tuple[Daemon, ...], now: str) -> Iterator[tuple[str, Callable[[], object]]]:
    one = daemons[0]
    beat_body = heartbeat_body(one.instance_id, now)
    # Two in turn: an instance's last report, sent again, is not stored.
    price_bodies = [price_report_body(one.instance_id, f"report-{number}", now) for number in (1, 2)]
    beat = HeartbeatSchema().load(beat_body)[1]
    reports = itertools.cycle(PriceReportSchema().load(body)[1] for body in price_bodies)
    config = database.read(lambda tx: read_daemon_config(tx, one.agent_id, one.instance_id, Intervals()))
    beat_schema, config_schema, price_schema = HeartbeatSchema(), DaemonConfigAnswer(), PriceReportSchema()
    turns = itertools.cycle(daemons)

    def with_next(use_case: Callable[[Any, Daemon], object], *, is_write: bool) -> Callable[[], object]:
        run = database.write if is_write else database.read

        def call() -> object:
            daemon = next(turns)
            return run(lambda tx: use_case(tx, daemon))

        return call

    yield "an empty transaction", with_next(lambda _tx, _daemon: None, is_write=True)
    yield "heartbeat: body", lambda: beat_schema.load(beat_body)
    yield "heartbeat: service", with_next(lambda tx, daemon: record_heartbeat(tx, daemon.agent_id, daemon.instance_id, beat), is_write=True)
    yield "heartbeat: request", _request(app, one, "POST", "heartbeat", beat_body)
    yield (
        "config: service",
        with_next(lambda tx, daemon: read_daemon_config(tx, daemon.agent_id, daemon.instance_id, Intervals()), is_write=False),
    )
    yield "config: answer", lambda: config_schema.dump(config)
    yield "config: request", _request(app, one, "GET", "config")
    yield "poll: service", with_next(lambda tx, daemon: take_pending(tx, daemon.agent_id, daemon.instance_id), is_write=True)
    yield "poll: request", _request(app, one, "GET", "pending-commands")
    yield "price report: body", lambda: price_schema.load(price_bodies[0])
    yield (
        "price report: service",
        with_next(lambda tx, daemon: report_prices(tx, daemon.agent_id, daemon.instance_id, next(reports)), is_write=True),
    )
    yield "price report: request", _request(app, one, "POST", "pricing-report", *price_bodies)
    yield "no-op: request", _request(app, one, "GET", None)


def _request(app: Flask, daemon: Daemon, method: str, page: str | None, *bodies: object) -> Callable[[], object]:
    """Return a call of the whole application, as gunicorn makes it: no socket, no test client. `bodies`, all as long, go out in turn."""
    path = "/healthz" if page is None else f"/api/agents/{daemon.agent_id}/{page}"
    contents = [json.dumps(body).encode() for body in bodies] or [b""]
    turns, content = itertools.cycle(contents), contents[0]
    builder = EnvironBuilder(path, method=method, data=content or None, headers=[("Authorization", f"Bearer {daemon.token}")])
    if content:
        builder.content_type = "application/json"
    environment: dict[str, Any] = builder.get_environ()

    def call() -> object:
        statuses: list[str] = []

        def start_response(status: str, _headers: object, _error: object = None, /) -> Callable[[bytes], object]:
            statuses.append(status)
            return lambda _data: None

        answer = b"".join(app.wsgi_app({**environment, "wsgi.input": io.BytesIO(next(turns))}, start_response))
        if not statuses[0].startswith("2"):
            raise ServerFailed(f"{method} {path}: {statuses[0]}: {answer[:200]!r}")
        return answer

    return call


def _measure(database_name: str, name: str, call: Callable[[], object], seconds: float) -> HotPath:
    clock = SystemClock()
    for _ in range(WARM_UP_CALLS):
        call()
    count = begin_count()
    call()
    # A request begins a count of its own, which the one above does not see.
    statements = count.statements
    times_us: list[float] = []
    until_seconds = clock.monotonic_seconds() + seconds
    while len(times_us) < MOST_CALLS and clock.monotonic_seconds() < until_seconds:
        started_seconds = clock.monotonic_seconds()
        call()
        times_us.append((clock.monotonic_seconds() - started_seconds) * 1e6)
    ordered = sorted(times_us)
    return HotPath(database_name, name, percentile(ordered, 0.5), percentile(ordered, 0.99), statements)
