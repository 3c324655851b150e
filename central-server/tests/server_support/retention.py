"""Running the retention sweep, and what it leaves."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import func, select

from server_support.clock import FakeClock
from server_support.history import ROWS_PER_MOVE
from server_support.story import Story
from spot_server.db.runner import Database, Transaction
from spot_server.features.retention.jobs import RetentionSweep
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings

DAY = timedelta(days=1)
AGES = [400 * DAY, 300 * DAY, 200 * DAY, 181 * DAY, 179 * DAY, 60 * DAY, 31 * DAY, 1 * DAY]
"""Four of each are older than history is kept, and one than interruptions are."""

NAMED = [f"old-{number:04}" for number in range(len(AGES))]


def job_context(database: Database, clock: FakeClock, **settings: Any) -> JobContext:
    return JobContext(database, clock, Settings(**settings), Metrics(), structlog.get_logger())


def sweep(context: JobContext, clock: FakeClock) -> str:
    """One run; pauses pass on the test's clock."""
    return RetentionSweep(clock)(context)


def counts(story: Story) -> Counter[str]:
    """How many rows are in each table that history is kept in."""

    def count(tx: Transaction) -> Counter[str]:
        return Counter({table.name: tx.execute(select(func.count()).select_from(table)).scalar_one() for table in ROWS_PER_MOVE})

    return story.database.read(count)


def metered(context: JobContext) -> Counter[str]:
    """What the metrics say was deleted, by table."""
    (metric,) = context.metrics.retention_deleted_rows.collect()
    return Counter({sample.labels["table"]: int(sample.value) for sample in metric.samples if sample.name.endswith("_total")})


def names(story: Story, column: Any) -> list[str]:
    """Those of the moves of these ages that have a row left in the table of this column."""
    found = set(story.fleet.scalars(select(column)))
    return [name for name in NAMED if name in found or f"i-{name}" in found]


def run(story: Story, clock: FakeClock, **settings: Any) -> str:
    """One run with these settings."""
    return sweep(job_context(story.database, clock, **settings), clock)
