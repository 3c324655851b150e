"""Every periodic job of the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from spot_server.clock import Clock
from spot_server.db.runner import Database
from spot_server.metrics import Metrics
from spot_server.settings import Settings


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job works with. `database` writes only while this process leads."""

    database: Database
    clock: Clock
    settings: Settings
    metrics: Metrics
    log: FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class Job:
    """Something done every `period_seconds`, one run at a time.

    `run` returns one sentence about what it did, or "" when there was nothing to do. It may be ended between two transactions and is
    run again, so each run starts from what the database says.
    """

    name: str
    period_seconds: float
    run: Callable[[JobContext], str]
    settle: Callable[[], None] | None = None
    """For a job that leaves work under way between its runs: called when no run goes on any more and the lease is about to be given back.

    Must return within a few seconds; the lease is not renewed meanwhile.
    """
