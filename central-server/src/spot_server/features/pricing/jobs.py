"""Keeping the staging tier of prices small."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from spot_server.features.pricing.queries import delete_observations, list_pool_ids
from spot_server.jobs.registry import JobContext

KEEP_PRICES = timedelta(days=90)
"""Design, section 8."""


def sweep_prices(context: JobContext) -> str:
    """Delete prices older than KEEP_PRICES, one pool per transaction so that reports are not held up."""
    before = context.clock.now() - KEEP_PRICES
    pool_ids = context.database.read(list_pool_ids)
    count = sum(context.database.write(partial(delete_observations, pool_id=pool_id, before=before)) for pool_id in pool_ids)
    return f"deleted {count} old prices" if count else ""
