"""What an instance costs: its running spans times the price of the moment, by the second, and at least a minute of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from spot_simulator.model.prices import PriceChange, price_at

_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)

MINIMUM_BILLED = timedelta(seconds=60)
"""What EC2 bills at least, each time that a Linux instance runs, on demand and spot alike. Source:
aws.amazon.com/about-aws/whats-new/2017/10/announcing-amazon-ec2-per-second-billing (2 October 2017), read in November 2026."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time [since, until) at one price."""

    since: datetime
    until: datetime
    usd_per_hour: Decimal

    @property
    def usd(self) -> Decimal:
        """The cost of the span, exact to the microsecond."""
        return self.usd_per_hour * Decimal((self.until - self.since) // _MICROSECOND) / Decimal(_HOUR // _MICROSECOND)


def billed_until(since: datetime, until: datetime | None, now: datetime) -> datetime:
    """Return until when is billed what ran from `since` to `until` (None: it still runs): now, or its end, and then at least a minute."""
    return now if until is None else max(until, since + MINIMUM_BILLED)


def spot_spans(changes: Sequence[PriceChange], since: datetime, until: datetime) -> list[Span]:
    """Cut [since, until) at every price change in it; the spans are without gaps and in order."""
    if until <= since:
        return []
    cuts = [since, *(change.at for change in changes if since < change.at < until), until]
    return [Span(left, right, price_at(changes, left)) for left, right in pairwise(cuts) if left < right]


def on_demand_spans(usd_per_hour: Decimal, since: datetime, until: datetime) -> list[Span]:
    """One span at the on-demand price, or none if nothing ran."""
    return [Span(since, until, usd_per_hour)] if until > since else []


def total_usd(spans: Sequence[Span]) -> Decimal:
    """Add the spans up."""
    return sum((span.usd for span in spans), start=Decimal(0))
