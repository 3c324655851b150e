"""Asking the API for prices, one request after the other, and the database for the same statements by itself."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Engine, event

from bench.figures import percentile
from bench.wire import HOST
from spot_server.clock import SystemClock

ANSWER_SECONDS = 60.0
PROFILES_KEPT = 100
"""The most that MariaDB keeps. Source: profiling_history_size."""


class AskingFailed(Exception):
    """The server answered something else than 200."""


def time_page(port: int, token: str, path: str, query: dict[str, Any], *, times: int) -> list[float]:
    """Return how long each answer took in milliseconds, in ascending order, from the first byte sent to the last received."""
    clock, target = SystemClock(), f"{path}?{urlencode(query)}" if query else path
    taken_ms = []
    with closing(http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)) as connection:
        for _ in range(times):
            began_seconds = clock.monotonic_seconds()
            connection.request("GET", target, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            body = answer.read()
            taken_ms.append((clock.monotonic_seconds() - began_seconds) * 1000)
            if answer.status != http.HTTPStatus.OK:
                raise AskingFailed(f"{target}: {answer.status} {body[:200].decode(errors='replace')}")
    return sorted(taken_ms)


def p50_p95(ordered_ms: list[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile."""
    return percentile(ordered_ms, 0.5), percentile(ordered_ms, 0.95)


@contextmanager
def statements_of(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Note every statement that is executed meanwhile, with its parameters."""
    noted: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        noted.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield noted
    finally:
        event.remove(engine, "before_cursor_execute", note)


def database_ms(engine: Engine, act: Callable[[], object], *, times: int) -> float:
    """Return the median of what the database itself took for all SELECTs of `act`, by its own profile, in milliseconds."""
    with statements_of(engine) as noted:
        act()
    reading = [(statement, parameters) for statement, parameters in noted if statement.lstrip().startswith("SELECT")]
    totals = []
    with engine.connect() as connection:
        raw: Any = connection.connection.cursor()
        for _ in range(times):
            raw.execute(f"SET profiling_history_size = {PROFILES_KEPT}")
            raw.execute("SET profiling = 1")
            for statement, parameters in reading:
                raw.execute(statement, parameters)
                raw.fetchall()
            raw.execute("SET profiling = 0")
            raw.execute("SHOW PROFILES")
            selects = [float(row[1]) for row in raw.fetchall() if str(row[2]).lstrip().startswith("SELECT")]
            totals.append(sum(selects[-len(reading) :]) * 1000)
        raw.close()
    return percentile(sorted(totals), 0.5)
