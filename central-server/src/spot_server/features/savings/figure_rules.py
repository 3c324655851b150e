"""What a day's lines are, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from spot_server.features.savings.calendar_rules import Stretch
from spot_server.features.savings.rules import (
    INSTANCE_PURPOSES,
    Comparison,
    Line,
    Purpose,
    Run,
    StoredImage,
    Tariff,
    address_lines,
    comparison_lines,
    image_lines,
    run_lines,
)
from spot_server.words import Mode

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What a day of one agent is reckoned from. `held`: while the agent lived, and with it its public addresses."""

    within: Stretch
    runs: Sequence[Run]
    images: Sequence[StoredImage]
    address_count: int
    held: Stretch
    tariff: Tariff
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts of one agent's day. `comparison_usd` and `saved_usd` are None where no on-demand price is known."""

    primary_spot_usd: Decimal = ZERO
    primary_on_demand_usd: Decimal = ZERO
    replica_usd: Decimal = ZERO
    overlap_usd: Decimal = ZERO
    image_usd: Decimal = ZERO
    address_usd: Decimal = ZERO
    comparison_usd: Decimal | None = ZERO
    unpriced_seconds: int = 0
    """Time of instances without a known price; it is in no amount."""

    @property
    def paid_usd(self) -> Decimal:
        """What was paid for everything."""
        instances = self.primary_spot_usd + self.primary_on_demand_usd + self.replica_usd + self.overlap_usd
        return instances + self.image_usd + self.address_usd

    @property
    def saved_usd(self) -> Decimal | None:
        """What on demand would have cost more; below zero where it would have cost less."""
        return None if self.comparison_usd is None else self.comparison_usd - self.paid_usd


def day_lines(facts: DayFacts) -> list[Line]:
    """Return every line of a day, what was paid and what it is compared with, in the order of time."""
    paid = [line for run in facts.runs for line in run_lines(run, facts.within)]
    addresses = list(address_lines(facts.address_count, facts.held, facts.tariff, facts.within))
    images = list(image_lines(facts.images, facts.tariff, facts.within))
    compared = list(comparison_lines(facts.comparison, paid, facts.within))
    return sorted([*paid, *images, *addresses, *compared], key=lambda line: (line.hour_at, line.purpose, line.since, line.what))


def amounts_of(lines: Sequence[Line], *, is_comparable: bool) -> Amounts:
    """Add lines up. The one instance on demand would have had the same public addresses, so they are on both sides."""
    addresses = _sum(line for line in lines if line.purpose is Purpose.ADDRESSES)
    primary = [line for line in lines if line.purpose is Purpose.PRIMARY]
    unpriced = [line.until - line.since for line in lines if line.purpose in INSTANCE_PURPOSES and line.usd is None]
    return Amounts(
        primary_spot_usd=_sum(line for line in primary if line.mode is Mode.SPOT),
        primary_on_demand_usd=_sum(line for line in primary if line.mode is not Mode.SPOT),
        replica_usd=_sum(line for line in lines if line.purpose is Purpose.REPLICA),
        overlap_usd=_sum(line for line in lines if line.purpose is Purpose.OVERLAP),
        image_usd=_sum(line for line in lines if line.purpose is Purpose.IMAGES),
        address_usd=addresses,
        comparison_usd=_sum(line for line in lines if line.purpose is Purpose.COMPARISON) + addresses if is_comparable else None,
        unpriced_seconds=round(sum(unpriced, start=timedelta()).total_seconds()),
    )


def _sum(lines: Iterable[Line]) -> Decimal:
    return sum((line.usd for line in lines if line.usd is not None), start=ZERO)
