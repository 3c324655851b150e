"""Who may report prices, which of several is current, and into which bucket an observation falls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spot_server.errors import FieldInvalid, RoleZombie
from spot_server.words import PriceSource, Role

BUCKET_SECONDS = 300
BUCKET = timedelta(seconds=BUCKET_SECONDS)
_MICRO = Decimal("0.000001")

REPORT_AGE_MAX = timedelta(days=7)
"""A report says what is true now, and is tried again for minutes: one that is older by a week comes from a clock that is wrong."""

SOURCE_ORDER = {PriceSource.PRIMARY: 0, PriceSource.REPLICA: 1, PriceSource.SERVER: 2}
"""Who is believed first when several saw different prices at the same time."""

SOURCE_OF_ROLE = {Role.PRIMARY: PriceSource.PRIMARY, Role.REPLICA: PriceSource.REPLICA}


@dataclass(frozen=True, slots=True)
class ReportedPrice:
    """One row of a report: what EC2's price history showed a daemon."""

    region: str
    az_id: str
    instance_type: str
    product: str
    usd_per_hour: Decimal
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was left out: which, and what is wrong with it."""

    index: int
    field: str
    value: object
    reason: str


@dataclass(frozen=True, slots=True)
class Observation:
    """A price that somebody saw: one row of the staging tier."""

    pool_id: int
    bucket_at: datetime
    source: PriceSource
    usd_per_hour: Decimal
    observation_count: int
    effective_at: datetime
    last_observed_at: datetime


def source_of(role: Role) -> PriceSource:
    """Return as whom an instance in this role reports; RoleZombie when it may not."""
    try:
        return SOURCE_OF_ROLE[role]
    except KeyError:
        raise RoleZombie(f"an instance that is {role} reports no prices", role=role) from None


def whole_micros(usd_per_hour: Decimal) -> Decimal:
    """Return the price in the six decimals that EC2 tells and the tables keep."""
    return usd_per_hour.quantize(_MICRO)


def bucket_of(moment: datetime, width_seconds: int = BUCKET_SECONDS) -> datetime:
    """Return the start of the bucket that `moment` falls into; buckets are aligned to the epoch, in UTC."""
    seconds = int(moment.timestamp()) // width_seconds * width_seconds
    return datetime.fromtimestamp(seconds, UTC)


def bucket_from(moment: datetime) -> datetime:
    """Return the start of the first bucket that begins at `moment` or later: buckets before it are those that begin before `moment`."""
    begun = bucket_of(moment)
    return begun if begun == moment else begun + BUCKET


def observed_at_or_now(observed_at: datetime, now: datetime) -> datetime:
    """Return when a report's prices were seen; a daemon whose clock runs ahead saw them now. FieldInvalid beyond REPORT_AGE_MAX."""
    if observed_at < now - REPORT_AGE_MAX:
        raise FieldInvalid("observed_at", observed_at.isoformat(), f"at most {REPORT_AGE_MAX.days} days ago")
    return min(observed_at, now)


def choose_current(observations: Sequence[Observation]) -> Observation:
    """Return the price to show and decide by: the newest change, the best source among equals, the dearer one in doubt."""
    return min(
        observations,
        key=lambda seen: (-seen.effective_at.timestamp(), SOURCE_ORDER[seen.source], -seen.observation_count, -seen.usd_per_hour),
    )


def merge_observations(observations: Iterable[Observation]) -> list[Observation]:
    """Return one observation per (pool, bucket, source, price), with counts added: a statement may name a row only once."""
    merged: dict[tuple[int, datetime, PriceSource, Decimal], Observation] = {}
    for seen in observations:
        key = (seen.pool_id, seen.bucket_at, seen.source, seen.usd_per_hour)
        earlier = merged.get(key)
        if earlier is None:
            merged[key] = seen
            continue
        merged[key] = Observation(
            *key,
            observation_count=earlier.observation_count + seen.observation_count,
            effective_at=max(earlier.effective_at, seen.effective_at),
            last_observed_at=max(earlier.last_observed_at, seen.last_observed_at),
        )
    return list(merged.values())
