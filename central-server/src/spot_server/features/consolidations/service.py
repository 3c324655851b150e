"""Consolidating a batch of pools in one transaction: what is written, how far it went, and the counts of the job go together."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import reduce

from spot_server.db.runner import Transaction
from spot_server.features.consolidations import queries
from spot_server.features.consolidations.queries import Consolidation, OpenPool
from spot_server.features.consolidations.rules import Counts, Point, Seen, bucket_number, consolidate, due_window_end
from spot_server.features.consolidations.seen_queries import read_seen
from spot_server.features.pricing.market_rules import ON_DEMAND_MULTIPLE_MAX

MICROS_PER_USD = 1_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction did. `last_pool_id` is where the next one begins, None when there was nothing left."""

    last_pool_id: int | None
    counts: Counts


def is_due(tx: Transaction, period: timedelta) -> bool:
    """Tell whether there is a job to take up. Reads only: most looks find nothing."""
    return queries.find_active(tx) is not None or due_window_end(tx.now, queries.last_end(tx), period) is not None


def take_up(tx: Transaction, period: timedelta) -> Consolidation | None:
    """Return the job that is to be worked on: one that was left half done, or a new one if it is time; None when there is nothing to do."""
    active = queries.find_active(tx)
    if active is not None:
        return active
    window_until = due_window_end(tx.now, queries.last_end(tx), period)
    if window_until is None:
        return None
    queries.add_job(tx, str(uuid.uuid4()), window_until)
    return queries.find_active(tx)


def consolidate_batch(tx: Transaction, job: Consolidation, *, after: int, most: int, seconds: float) -> Batch:
    """Consolidate the next `most` pools after pool `after`; `seconds` is how long the batch before took.

    Two that do so at once hold pools one after the other: the second finds them done. A batch that is repeated writes the same rows.
    """
    until = bucket_number(job.window_until)
    pools = queries.hold_open_pools(tx, until, after=after, most=most)
    if not pools:
        return Batch(None, Counts())
    points, counts = _consolidate_pools(tx, pools, until)
    queries.store_points(tx, points)
    queries.close_pools(tx, [pool.pool_id for pool in pools], until)
    queries.add_counts(tx, job.job_id, counts, seconds)
    return Batch(pools[-1].pool_id, counts)


def finish(tx: Transaction, job: Consolidation, seconds: float) -> bool:
    """End the job; False when another process has."""
    return queries.close_job(tx, job.job_id, seconds)


def _consolidate_pools(tx: Transaction, pools: list[OpenPool], until: int) -> tuple[dict[int, list[Point]], Counts]:
    on_demand = queries.on_demand_of_pools(tx, [pool.pool_id for pool in pools])
    points: dict[int, list[Point]] = {}
    results: list[Counts] = []
    for since in sorted({pool.until or 0 for pool in pools}):
        ids = [pool.pool_id for pool in pools if (pool.until or 0) == since]
        previous, seen = queries.previous_points(tx, ids, since), read_seen(tx, ids, since, until)
        for pool_id in ids:
            points[pool_id], counts = _consolidate_pool(seen[pool_id], previous.get(pool_id), on_demand.get(pool_id))
            results.append(counts)
    return points, reduce(Counts.__add__, results, Counts())


def _consolidate_pool(seen: list[Seen], previous: Point | None, on_demand_usd_per_hour: Decimal | None) -> tuple[list[Point], Counts]:
    most = None if on_demand_usd_per_hour is None else int(on_demand_usd_per_hour * ON_DEMAND_MULTIPLE_MAX * MICROS_PER_USD)
    return consolidate(seen, previous, most)
