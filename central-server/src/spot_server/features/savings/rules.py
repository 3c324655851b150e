"""What each hour cost and what it would have cost on demand: spells that were paid for and prices go in, lines come out.

Money is rounded once, when a line is made: to 10^-8 USD, half to even. Every sum is a sum of lines, so that hours add up to days, and
days to months, without a rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from itertools import pairwise

from spot_server.features.savings.calendar_rules import HOUR, Stretch, hours_in_month, hours_of, merged, without
from spot_server.words import Mode

USD_STEP = Decimal("0.00000001")
"""What a line is rounded to; the database keeps as much (`db.types.Usd`)."""

_MICROSECOND = timedelta(microseconds=1)
_HOUR_MICROSECONDS = Decimal(HOUR // _MICROSECOND)


class Purpose(StrEnum):
    """What an amount was for."""

    PRIMARY = "primary"
    REPLICA = "replica"
    OVERLAP = "overlap"
    IMAGES = "images"
    ADDRESSES = "addresses"
    COMPARISON = "comparison"


UNCOMPARED = "not compared: an instance beside it has no known price"
"""What a line of the comparison says that stands for the cost itself."""

INSTANCE_PURPOSES = frozenset({Purpose.PRIMARY, Purpose.REPLICA, Purpose.OVERLAP})


class Unit(StrEnum):
    """What a price is for."""

    HOUR = "hour"
    GB_MONTH = "GB-month"


@dataclass(frozen=True, slots=True)
class PriceStep:
    """A price that holds from `effective_at` until the next one: whose word it is, and the 5-minute bucket in which it was first seen.

    `bucket_at` is None for what is not seen over and over: on-demand prices, tariffs.
    """

    effective_at: datetime
    usd_per_hour: Decimal
    source: str
    bucket_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """An instance in the time for which it is paid. `purposes`: from when on it was what to its agent; the first holds before, too.

    `prices`, oldest first, are its pool's, or the one on-demand price; empty: none is known.
    """

    instance_id: str
    instance_type: str
    az_id: str
    mode: Mode
    paid: Stretch
    purposes: Sequence[tuple[datetime, Purpose]]
    prices: Sequence[PriceStep]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image while its snapshots are kept; `size_gib` is that of the volumes that it was made of, None where nobody said."""

    image_id: str
    size_gib: int | None
    kept: Stretch


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices that AWS does not tell through an API that we ask, as an operator set them. Sources of the defaults: read in November 2026."""

    snapshot_usd_per_gb_month: Decimal
    """Of EBS's standard tier, 0.05; some regions ask more. Source: docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-pricing"""
    snapshot_change_ratio: Decimal
    """What share of its volumes each further image is taken to hold alone: AWS bills changed blocks, and does not say how many."""
    address_usd_per_hour: Decimal
    """Of every public IPv4 address that AWS provides, in use or not, since 1 February 2024: 0.005. Sources: for the charge boto3's page of
    MapPublicIpOnLaunch; for the figure AWS's announcement of 28 July 2023 as others quote it: no page of AWS's own was read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One amount of one hour: usd = usd_per_unit x quantity x its time in hours (of a month's hours, per GB-month), rounded.

    `usd` and the price are None where no price is known: that time is in no sum. `bucket_at` and `effective_at` are those of a spot price.
    """

    purpose: Purpose
    hour_at: datetime
    since: datetime
    until: datetime
    what: str
    mode: Mode | None
    instance_type: str | None
    az_id: str | None
    quantity: Decimal
    unit: Unit
    usd_per_unit: Decimal | None
    usd: Decimal | None
    source: str | None
    bucket_at: datetime | None
    effective_at: datetime | None


def amount_usd(usd_per_unit: Decimal, quantity: Decimal, length: timedelta, unit_hours: int = 1) -> Decimal:
    """Return what `quantity` units cost for a time, to the microsecond, rounded as the module says."""
    hours = Decimal(length // _MICROSECOND) / _HOUR_MICROSECONDS
    return (usd_per_unit * quantity * hours / unit_hours).quantize(USD_STEP, ROUND_HALF_EVEN)


def run_lines(run: Run, within: Stretch) -> Iterator[Line]:
    """Give the lines of an instance: cut at every hour of `within`, at every change of its price and of what it was for."""
    for hour in hours_of(within):
        part = hour.cut(run.paid)
        if part is None:
            continue
        moments = [step.effective_at for step in run.prices] + [at for at, _ in run.purposes]
        for piece in _pieces(part, moments):
            yield _run_line(run, hour.since, piece)


def _pieces(part: Stretch, moments: Iterable[datetime]) -> Iterator[Stretch]:
    cuts = sorted({part.since, part.until, *(at for at in moments if part.since < at < part.until)})
    for since, until in pairwise(cuts):
        yield Stretch(since, until)


def _run_line(run: Run, hour_at: datetime, piece: Stretch) -> Line:
    step = price_at(run.prices, piece.since)
    purpose = run.purposes[0][1]
    for at, next_purpose in run.purposes:
        if at <= piece.since:
            purpose = next_purpose
    return Line(
        purpose=purpose,
        hour_at=hour_at,
        since=piece.since,
        until=piece.until,
        what=run.instance_id,
        mode=run.mode,
        instance_type=run.instance_type,
        az_id=run.az_id,
        quantity=Decimal(1),
        unit=Unit.HOUR,
        usd_per_unit=None if step is None else step.usd_per_hour,
        usd=None if step is None else amount_usd(step.usd_per_hour, Decimal(1), piece.length),
        source=None if step is None else step.source,
        bucket_at=None if step is None else step.bucket_at,
        effective_at=None if step is None or step.bucket_at is None else step.effective_at,
    )


def price_at(steps: Sequence[PriceStep], moment: datetime) -> PriceStep | None:
    """Return the price in force at a moment; None before the first one that is known."""
    found = None
    for step in steps:
        if step.effective_at > moment:
            break
        found = step
    return found


def image_lines(images: Sequence[StoredImage], tariff: Tariff, within: Stretch) -> Iterator[Line]:
    """Give one line an hour for all images of an agent: the largest whole, of each other one the share that the tariff says."""
    for hour in hours_of(within):
        parts = [(image, image.kept.cut(hour)) for image in images if image.size_gib is not None]
        sizes = [Decimal(image.size_gib or 0) * _ratio(part.length, hour.length) for image, part in parts if part is not None]
        if not sizes:
            continue
        whole = max(sizes)
        quantity = whole + tariff.snapshot_change_ratio * (sum(sizes, start=Decimal(0)) - whole)
        usd = amount_usd(tariff.snapshot_usd_per_gb_month, quantity, hour.length, hours_in_month(hour.since))
        price = PriceStep(hour.since, tariff.snapshot_usd_per_gb_month, "tariff")
        yield _tariff_line(Purpose.IMAGES, hour, _counted(len(sizes), "image"), quantity, Unit.GB_MONTH, price, usd)


def address_lines(count: int, held: Stretch, tariff: Tariff, within: Stretch) -> Iterator[Line]:
    """Give one line an hour for an agent's public addresses, in use or not: AWS charges both alike."""
    for hour in hours_of(within):
        part = hour.cut(held)
        if count and part is not None:
            usd = amount_usd(tariff.address_usd_per_hour, Decimal(count), part.length)
            price = PriceStep(part.since, tariff.address_usd_per_hour, "tariff")
            yield _tariff_line(
                Purpose.ADDRESSES, part, _counted(count, "address"), Decimal(count), Unit.HOUR, price, usd, hour_at=hour.since
            )


def _counted(count: int, one: str) -> str:
    """Return "1 image" or "2 images"."""
    return f"{count} {one}" if count == 1 else f"{count} {one}{'es' if one.endswith('s') else 's'}"


def _tariff_line(  # noqa: PLR0913 - the columns of a line
    purpose: Purpose,
    part: Stretch,
    what: str,
    quantity: Decimal,
    unit: Unit,
    price: PriceStep,
    usd: Decimal,
    *,
    hour_at: datetime | None = None,
) -> Line:
    return Line(
        purpose=purpose,
        hour_at=hour_at or part.since,
        since=part.since,
        until=part.until,
        what=what,
        mode=None,
        instance_type=None,
        az_id=None,
        quantity=quantity.quantize(Decimal("0.000001")),
        unit=unit,
        usd_per_unit=price.usd_per_hour,
        usd=usd,
        source=price.source,
        bucket_at=None,
        effective_at=None,
    )


def _ratio(part: timedelta, whole: timedelta) -> Decimal:
    return Decimal(part // _MICROSECOND) / Decimal(whole // _MICROSECOND)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One instance on demand, of the type that the agent began with. `discount_ratio` is the client's own rate: 0.28 is 28 % less.

    `price` is None while no on-demand price of the type is known.
    """

    instance_type: str
    price: PriceStep | None
    discount_ratio: Decimal = Decimal(0)


def comparison_lines(comparison: Comparison, paid: Sequence[Line], within: Stretch) -> Iterator[Line]:
    """Give the lines of the one instance on demand, for the same hours: while at least one instance of the agent was paid for.

    Time in which the price of any of them is not known is not compared: the others' cost stands on both sides, so that what is not known
    looks neither like a saving nor like a loss.
    """
    if comparison.price is None:
        return
    usd_per_hour = (comparison.price.usd_per_hour * (1 - comparison.discount_ratio)).quantize(USD_STEP, ROUND_HALF_EVEN)
    instances = [line for line in paid if line.purpose in INSTANCE_PURPOSES]
    unpriced = merged([Stretch(line.since, line.until) for line in instances if line.usd is None])
    ran = merged([Stretch(line.since, line.until) for line in instances])
    compared = [left for one in ran for left in without(one, unpriced)]
    for hour in hours_of(within):
        for one in compared:
            part = hour.cut(one)
            if part is not None:
                yield Line(
                    purpose=Purpose.COMPARISON,
                    hour_at=hour.since,
                    since=part.since,
                    until=part.until,
                    what="one instance on demand",
                    mode=Mode.ON_DEMAND,
                    instance_type=comparison.instance_type,
                    az_id=None,
                    quantity=Decimal(1),
                    unit=Unit.HOUR,
                    usd_per_unit=usd_per_hour,
                    usd=amount_usd(usd_per_hour, Decimal(1), part.length),
                    source=comparison.price.source,
                    bucket_at=None,
                    effective_at=None,
                )
    yield from _uncompared_lines(instances, unpriced)


def _uncompared_lines(instances: Iterable[Line], unpriced: Sequence[Stretch]) -> Iterator[Line]:
    """Give what was paid in time that cannot be compared, once more as what it is compared with."""
    for line in instances:
        for one in unpriced:
            part = one.cut(Stretch(line.since, line.until))
            if part is not None and line.usd_per_unit is not None:
                usd = amount_usd(line.usd_per_unit, line.quantity, part.length)
                yield replace(line, purpose=Purpose.COMPARISON, since=part.since, until=part.until, what=UNCOMPARED, usd=usd)
