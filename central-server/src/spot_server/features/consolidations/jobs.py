"""The job that consolidates prices twice a day, a few pools per transaction."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from spot_server.features.consolidations import service
from spot_server.features.consolidations.queries import Consolidation
from spot_server.features.consolidations.rules import Counts
from spot_server.jobs.registry import JobContext

POOLS_PER_BATCH = 10
"""Of half a day: about 1,500 rows written, and their pools held, for some 100 ms."""

LOOK_PERIOD_SECONDS = 60.0
"""Between two looks whether it is time: what was left half done is taken up soon, and a restart of the server delays nothing."""


def consolidate_prices(context: JobContext) -> str:
    """Take up the job that is due, if any, and carry it through. Ended anywhere, the next run goes on with the pools that are left."""
    period = timedelta(seconds=context.settings.consolidation_period_seconds)
    if not context.database.read(partial(service.is_due, period=period)):
        return ""
    job = context.database.write(partial(service.take_up, period=period))
    return "" if job is None else _carry_through(context, job)


def _carry_through(context: JobContext, job: Consolidation) -> str:
    counts, after, lap_seconds = Counts(), 0, 0.0
    while True:
        began_seconds = context.clock.monotonic_seconds()
        act = partial(service.consolidate_batch, job=job, after=after, most=POOLS_PER_BATCH, seconds=lap_seconds)
        batch = context.database.write(act)
        if batch.last_pool_id is None:
            break
        lap_seconds = context.clock.monotonic_seconds() - began_seconds
        counts, after = counts + batch.counts, batch.last_pool_id
    if not context.database.write(partial(service.finish, job=job, seconds=lap_seconds)):
        return ""
    return (
        f"consolidated {counts.pools} pools up to {job.window_until.isoformat()}: {counts.rows_in} rows in, {counts.rows_merged} merged, "
        f"{counts.rows_refused} refused, {counts.rows_interpolated} interpolated, {counts.rows_out} out"
    )
