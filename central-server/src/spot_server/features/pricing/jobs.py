"""Keeping prices for as long as they are wanted."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Table

from spot_server.clock import Sleeper
from spot_server.features.pricing.retention_queries import PRICE_TABLES, delete_slices, oldest_buckets
from spot_server.features.pricing.retention_rules import plan_batches
from spot_server.features.pricing.rules import bucket_from
from spot_server.jobs.registry import JobContext

PAUSE_SECONDS = 0.05
"""Between two batches: reports, which write to the same tables, have their turn."""

SWEEP_PERIOD_SECONDS = 300.0
"""Prices come every five minutes, and go so: a few of each pool at a time."""


class PriceSweep:
    """Deletes prices that are old enough, one batch of buckets per transaction, up to a number of rows per run.

    What is deleted is the beginning of each pool's prices, so a run that is cut off anywhere is simply followed by the next.
    """

    def __init__(self, sleeper: Sleeper) -> None:
        """`sleeper` waits between batches."""
        self._sleeper = sleeper

    def __call__(self, context: JobContext) -> str:
        """Delete, and say how many rows of which table."""
        before = bucket_from(context.clock.now() - timedelta(days=context.settings.price_retention_days))
        rows_left = context.settings.retention_run_rows
        told = []
        for table in PRICE_TABLES:
            count = self._sweep(context, table, before, rows_left)
            rows_left -= count
            if count:
                told.append(f"{count} {table.name}")
        return f"deleted {', '.join(told)}" if told else ""

    def _sweep(self, context: JobContext, table: Table, before: datetime, most: int) -> int:
        oldest = context.database.read(partial(oldest_buckets, table=table, before=before))
        count = 0
        for batch in plan_batches(oldest, before, context.settings.retention_batch_rows):
            if count >= most:
                break
            deleted = context.database.write(partial(delete_slices, table=table, slices=batch))
            context.metrics.retention_deleted_rows.labels(table.name).inc(deleted)
            count += deleted
            if deleted:
                self._sleeper.sleep(PAUSE_SECONDS)
        return count
