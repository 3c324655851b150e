"""What an instance costs: its running spans times the price of the moment, by the second, without AWS's 60-second minimum."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from spot_simulator.model.prices import PriceChange, price_at

_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)


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
