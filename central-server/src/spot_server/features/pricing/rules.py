"""Who may report prices, which of several is current, and into which bucket an observation falls."""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def market(self) -> tuple[str, str, str, str]:
        """What its pool is known by."""
        return (self.region, self.az_id, self.instance_type, self.product)


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


def newest_of_each_pool(rows: Sequence[tuple[int, ReportedPrice]]) -> tuple[list[ReportedPrice], list[RefusedRow]]:
    """Return one row of each pool, in the order of the report, and the others as refused. `rows` are numbered as in the report.

    A report says what a pool costs now, and that is one price: of several rows the newest change counts, the dearer of two at the same
    time, once. So a report is one vote in the median of its five minutes, however often it repeats itself.
    """
    newest: dict[tuple[str, str, str, str], tuple[int, ReportedPrice]] = {}
    for index, price in rows:
        earlier = newest.get(price.market)
        if earlier is None or _newness(price) > _newness(earlier[1]):
            newest[price.market] = (index, price)
    kept = {index for index, _price in newest.values()}
    refused = [
        RefusedRow(index, "effective_at", price.effective_at.isoformat(), f"row {newest[price.market][0]} says what this pool costs now")
        for index, price in rows
        if index not in kept
    ]
    return [price for index, price in rows if index in kept], refused


def _newness(price: ReportedPrice) -> tuple[datetime, Decimal]:
    return price.effective_at, price.usd_per_hour
