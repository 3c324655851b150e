"""What the server asks of AWS's markets, as protocols and frozen values: a region's zones and spot prices, and what on demand costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from spot_server.aws.ports import ControlRole


@dataclass(frozen=True, slots=True)
class SpotPriceFacts:
    """From `effective_at` on, the pool costs so much. `az_name` is the account's own name of the zone."""

    az_name: str
    instance_type: str
    product: str
    usd_per_hour: Decimal
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class OnDemandFacts:
    """What an instance type costs on demand in a region; `effective_at` is since when, where AWS says so."""

    instance_type: str
    usd_per_hour: Decimal
    effective_at: datetime | None


class MarketPort(Protocol):
    """The markets of one region, as one account sees them. Every call may raise AwsFailed and may be repeated."""

    def zone_ids(self) -> Mapping[str, str]:
        """Return the ids of the region's zones by the account's names of them."""

    def spot_prices(
        self, instance_types: Sequence[str], products: Sequence[str], since: datetime, until: datetime
    ) -> Iterator[tuple[SpotPriceFacts, ...]]:
        """Yield, a page at a time and in no order, the changes in the window and of each pool the price in force at its beginning.

        EC2 looks back 90 days.
        """

    def on_demand_prices(self, product: str) -> Iterator[tuple[OnDemandFacts, ...]]:
        """Yield what every instance type of the region costs, with shared tenancy and no licence beside the product, a page at a time."""


class MarketGateway(Protocol):
    """The way from a client's role to the markets of a region."""

    def market(self, role: ControlRole, region: str) -> MarketPort:
        """Return the markets as the role's account sees them. Raises AwsFailed."""

    def forget(self, role: ControlRole, region: str) -> None:
        """Drop the role's session."""
