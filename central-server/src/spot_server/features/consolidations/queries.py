"""Consolidations and their prices in the database, read and written as the bare numbers that the tables hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Integer, and_, bindparam, column, func, or_, select, table, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import consolidation_jobs, on_demand_prices, spot_pools
from spot_server.db.upsert import insert_or_ignore, insert_or_update
from spot_server.features.consolidations.rules import LONGEST_GAP_BUCKETS, Counts, Point
from spot_server.features.pricing.market_rules import LINUX
from spot_server.words import ConsolidationStatus

ACTIVE_KEY = "consolidation"
"""What the one job that runs holds in its unique column."""


@dataclass(frozen=True, slots=True)
class Consolidation:
    """One job. `seconds` is the time of its work so far, `finished_at` None while it runs or waits to be taken up again."""

    job_id: str
    status: ConsolidationStatus
    window_until: datetime
    started_at: datetime
    finished_at: datetime | None
    pools: int
    rows_in: int
    rows_merged: int
    rows_refused: int
    rows_interpolated: int
    rows_out: int
    seconds: float


@dataclass(frozen=True, slots=True)
class OpenPool:
    """A pool whose prices are consolidated up to a bucket (left out); None: not at all."""

    pool_id: int
    until: int | None


_JOB = [consolidation_jobs.c[name] for name in Consolidation.__dataclass_fields__]
_ACTIVE = select(*_JOB).where(consolidation_jobs.c.active_key == ACTIVE_KEY)
_LAST_END = select(func.max(consolidation_jobs.c.window_until))


def find_active(tx: Transaction) -> Consolidation | None:
    """Return the job that runs, or that somebody left half done."""
    row = tx.execute(_ACTIVE).one_or_none()
    return None if row is None else Consolidation(*row)


def last_end(tx: Transaction) -> datetime | None:
    """Return up to where the last job went, done or not."""
    end: datetime | None = tx.execute(_LAST_END).scalar_one()
    return end


def add_job(tx: Transaction, job_id: str, window_until: datetime) -> None:
    """Begin a job, unless another one runs."""
    zeros = dict.fromkeys(Counts.__dataclass_fields__, 0)
    status = ConsolidationStatus.RUNNING
    row = {"job_id": job_id, "active_key": ACTIVE_KEY, "status": status, "window_until": window_until, "started_at": tx.now}
    insert_or_ignore(tx.connection, consolidation_jobs, [{**row, **zeros, "seconds": 0.0}], key=["active_key"])


def add_counts(tx: Transaction, job_id: str, counts: Counts, seconds: float) -> None:
    """Add to the job's row what a batch came to."""
    job = consolidation_jobs
    grown = {name: job.c[name] + getattr(counts, name) for name in Counts.__dataclass_fields__}
    tx.execute(update(job).where(job.c.job_id == job_id).values(**grown, seconds=job.c.seconds + seconds))


def close_job(tx: Transaction, job_id: str, seconds: float) -> bool:
    """End a job; False when somebody else has done so."""
    job = consolidation_jobs
    where = (job.c.job_id == job_id, job.c.active_key.is_not(None))
    done = {"status": ConsolidationStatus.DONE, "active_key": None, "finished_at": tx.now, "seconds": job.c.seconds + seconds}
    return tx.execute(update(job).where(*where).values(done)).rowcount == 1


def list_jobs(tx: Transaction, *, after: tuple[datetime, str] | None, most: int) -> list[Consolidation]:
    """Return up to `most` jobs, newest first, from after (started_at, job_id) on."""
    job = consolidation_jobs
    statement = select(*_JOB).order_by(job.c.started_at.desc(), job.c.job_id.desc()).limit(most)
    if after is not None:
        started_at, job_id = after
        is_next = and_(job.c.started_at == started_at, job.c.job_id < job_id)
        statement = statement.where(or_(job.c.started_at < started_at, is_next))
    return [Consolidation(*row) for row in tx.execute(statement)]


_progress = table("price_progress", column("pool_id", Integer), column("consolidated_until", Integer))
_canonical = table(
    "pricing_canonical",
    *(column(name, Integer) for name in ("pool_id", "bucket_at", "usd_per_hour", "source", "is_interpolated", "distinct_price_count")),
)
"""Without its types: what they convert costs as much as the rest, for rows in such numbers."""

_IS_OPEN = or_(_progress.c.consolidated_until.is_(None), _progress.c.consolidated_until < bindparam("until", type_=Integer))
_OPEN_POOLS = (
    select(_progress.c.pool_id, _progress.c.consolidated_until)
    .where(_progress.c.pool_id > bindparam("after", type_=Integer), _IS_OPEN)
    .order_by(_progress.c.pool_id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update()
)


def hold_open_pools(tx: Transaction, until: int, *, after: int, most: int) -> list[OpenPool]:
    """Return the next pools that are not consolidated up to `until`, and hold them: nobody else consolidates them, or opens them again."""
    return [OpenPool(*row) for row in tx.execute(_OPEN_POOLS, {"until": until, "after": after, "most": most})]


_earlier = _canonical.alias("earlier")
_last_seen = (
    select(_earlier.c.bucket_at)
    .where(
        _earlier.c.pool_id == _progress.c.pool_id,
        _earlier.c.bucket_at < bindparam("before", type_=Integer),
        _earlier.c.bucket_at >= bindparam("since", type_=Integer),
        _earlier.c.is_interpolated == 0,
    )
    .order_by(_earlier.c.bucket_at.desc())
    .limit(1)
    .scalar_subquery()
)
_PREVIOUS = (
    select(_canonical.c.pool_id, _canonical.c.bucket_at, _canonical.c.usd_per_hour, _canonical.c.source)
    .join_from(_progress, _canonical, and_(_canonical.c.pool_id == _progress.c.pool_id, _canonical.c.bucket_at == _last_seen))
    .where(_progress.c.pool_id.in_(bindparam("pool_ids", expanding=True, type_=Integer)))
)


def previous_points(tx: Transaction, pool_ids: Sequence[int], before: int) -> dict[int, Point]:
    """Return the last point before the bucket that somebody saw, of those pools that have one no longer ago than a gap may be."""
    asked = {"pool_ids": list(pool_ids), "before": before, "since": before - LONGEST_GAP_BUCKETS}
    return {row.pool_id: Point(row.bucket_at, row.usd_per_hour, row.source, False, 1) for row in tx.execute(_PREVIOUS, asked)}


_on_demand_of_pool = and_(
    on_demand_prices.c.region == spot_pools.c.region,
    on_demand_prices.c.instance_type == spot_pools.c.instance_type,
    on_demand_prices.c.product == spot_pools.c.product,
)
_ON_DEMAND = (
    select(spot_pools.c.pool_id, spot_pools.c.region, spot_pools.c.instance_type, spot_pools.c.product, on_demand_prices.c.usd_per_hour)
    .select_from(spot_pools.outerjoin(on_demand_prices, _on_demand_of_pool))
    .where(spot_pools.c.pool_id.in_(bindparam("pool_ids", expanding=True)))
)


def on_demand_of_pools(tx: Transaction, pool_ids: Sequence[int]) -> dict[int, Decimal]:
    """Return what the pools' types cost on demand, of those for which that is known."""
    catalogue = {(instance_type, region, LINUX): price for (instance_type, region), price in tx.policy.on_demand_usd_per_hour.items()}
    rows = tx.execute(_ON_DEMAND, {"pool_ids": list(pool_ids)})
    prices = {row.pool_id: row.usd_per_hour or catalogue.get((row.instance_type, row.region, row.product)) for row in rows}
    return {pool_id: price for pool_id, price in prices.items() if price is not None}


def store_points(tx: Transaction, points: Mapping[int, Iterable[Point]]) -> None:
    """Write points of pools; what was written before for the same buckets is written anew."""
    rows = [
        {
            "pool_id": pool_id,
            "bucket_at": point.bucket,
            "usd_per_hour": point.micros,
            "source": point.rank,
            "is_interpolated": int(point.is_interpolated),
            "distinct_price_count": min(point.distinct_price_count, 127),
        }
        for pool_id in sorted(points)
        for point in points[pool_id]
    ]
    told = ["usd_per_hour", "source", "is_interpolated", "distinct_price_count"]
    insert_or_update(tx.connection, _canonical, rows, key=["pool_id", "bucket_at"], replace=told)


_CLOSE_POOLS = (
    update(_progress)
    .where(_progress.c.pool_id.in_(bindparam("pool_ids", expanding=True, type_=Integer)))
    .values(consolidated_until=bindparam("until", type_=Integer))
)


def close_pools(tx: Transaction, pool_ids: Sequence[int], until: int) -> None:
    """Note that these pools, which the caller holds, are consolidated up to the bucket."""
    tx.execute(_CLOSE_POOLS, {"pool_ids": list(pool_ids), "until": until})
