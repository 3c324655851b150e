"""Running the jobs of prices in this process, with the time that they spend in the database, and a writer beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine, event

from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.features.consolidations.jobs import consolidate_prices
from spot_server.features.pricing.jobs import PriceSweep
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings


@dataclass(frozen=True, slots=True)
class Ran:
    """A job's run: how long it took, of that how long it waited for the database, and what it said."""

    seconds: float
    database_seconds: float
    sentence: str


@contextmanager
def database_time(engine: Engine) -> Iterator[list[float]]:
    """Note how long each statement and commit took, its answer's way included, in seconds."""
    clock, taken, began = SystemClock(), [], {}

    def before(_connection: Any, cursor: Any, *_rest: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        began[id(cursor)] = clock.monotonic_seconds()

    def after(_connection: Any, cursor: Any, *_rest: Any) -> None:  # noqa: ANN401 - as above
        taken.append(clock.monotonic_seconds() - began.pop(id(cursor)))

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    try:
        yield taken
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)


def run_consolidation(database: Database) -> Ran:
    """Consolidate what is not."""
    return _run(database, Settings(), consolidate_prices)


def run_retention(database: Database, keep_days: int) -> Ran:
    """Delete what is older than that, all of it in one run."""
    settings = Settings(price_retention_days=keep_days, retention_run_rows=10_000_000)
    return _run(database, settings, PriceSweep(SystemClock()))


def _run(database: Database, settings: Settings, job: Callable[[JobContext], str]) -> Ran:
    clock = SystemClock()
    context = JobContext(database, clock, settings, Metrics(), structlog.get_logger())
    with database_time(database.engine) as taken:
        began_seconds = clock.monotonic_seconds()
        sentence = job(context)
        seconds = clock.monotonic_seconds() - began_seconds
    return Ran(seconds, sum(taken), sentence)


@contextmanager
def writer_beside(directory: Path, plan: dict[str, Any]) -> Iterator[list[float]]:
    """Have another process write prices meanwhile; the list has each write's milliseconds, ascending, once the block has ended."""
    clock = SystemClock()
    ready, stop, path = directory / "writing", directory / "stop-writing", directory / "writer.json"
    for mark in (ready, stop):
        mark.unlink(missing_ok=True)
    path.write_text(json.dumps({**plan, "ready": str(ready), "stop": str(stop)}), encoding="utf-8")
    writer = subprocess.Popen([sys.executable, "-m", "bench.prices.writer", str(path)], stdout=subprocess.PIPE, text=True)
    taken_ms: list[float] = []
    try:
        while not ready.exists() and writer.poll() is None:
            clock.sleep(0.05)
        yield taken_ms
    finally:
        stop.touch()
        told, _ = writer.communicate(timeout=60)
        taken_ms += sorted(json.loads(told))
