"""Zones and spot prices from EC2, and with them the whole of a region's markets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from spot_server.aws.asking import asked, paged
from spot_server.aws.market_ports import OnDemandFacts, SpotPriceFacts
from spot_server.aws.price_list import PriceList

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

PAGE_ROWS = 1000
"""The most that DescribeSpotPriceHistory returns at once. Source: the EC2 API reference."""


class Boto3Market:
    """The real MarketPort. Safe to share between threads."""

    def __init__(self, ec2: EC2Client, price_list: PriceList) -> None:
        """`ec2` retries by itself."""
        self._ec2 = ec2
        self._price_list = price_list

    def zone_ids(self) -> Mapping[str, str]:
        """Read the zones of the region, those of other groups that the account has opted into included."""
        answer = asked(self._ec2.describe_availability_zones)
        return {zone["ZoneName"]: zone["ZoneId"] for zone in answer["AvailabilityZones"]}

    def spot_prices(
        self, instance_types: Sequence[str], products: Sequence[str], since: datetime, until: datetime
    ) -> Iterator[tuple[SpotPriceFacts, ...]]:
        """Read the history page by page."""
        wanted = {"InstanceTypes": list(instance_types), "ProductDescriptions": list(products), "StartTime": since, "EndTime": until}
        for page in paged(self._ec2.describe_spot_price_history, **wanted, MaxResults=PAGE_ROWS):
            yield tuple(_spot_price(row) for row in page.get("SpotPriceHistory", ()))

    def on_demand_prices(self, product: str) -> Iterator[tuple[OnDemandFacts, ...]]:
        """Read the price list."""
        return self._price_list.on_demand_prices(product)


def _spot_price(row: Mapping[str, Any]) -> SpotPriceFacts:
    return SpotPriceFacts(
        az_name=str(row["AvailabilityZone"]),
        instance_type=str(row["InstanceType"]),
        product=str(row["ProductDescription"]),
        usd_per_hour=Decimal(row["SpotPrice"]),
        effective_at=row["Timestamp"],
    )
