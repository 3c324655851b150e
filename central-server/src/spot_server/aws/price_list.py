"""On-demand prices from AWS's Price List API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from spot_server.aws.asking import paged
from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.market_ports import OnDemandFacts

PAGE_PRODUCTS = 100
"""The most that GetProducts returns at once. Source: the Price List API reference."""

OPERATING_SYSTEMS = {"Linux/UNIX": "Linux", "Red Hat Enterprise Linux": "RHEL", "SUSE Linux": "SUSE", "Windows": "Windows"}
"""The Price List's word for what DescribeSpotPriceHistory calls the product."""

_ENDPOINTS = (("cn-", "cn-northwest-1"), ("eu-", "eu-central-1"), ("ap-", "ap-south-1"))


def endpoint_region(region: str) -> str:
    """Return the region in which the Price List API is asked about `region`: it has a handful of endpoints, and all tell of every region.

    The one of China tells of China. Source: the endpoint tables of the AWS general reference.
    """
    return next((endpoint for prefix, endpoint in _ENDPOINTS if region.startswith(prefix)), "us-east-1")


class PriceList:
    """The on-demand prices of one region. Safe to share between threads."""

    def __init__(self, client: Callable[[], Any], region: str) -> None:
        """`client` gives a boto3 client for `pricing`, the same each time; it is asked for at the first call."""
        self._client = client
        self._region = region

    def on_demand_prices(self, product: str) -> Iterator[tuple[OnDemandFacts, ...]]:
        """Yield the prices of every type, a page at a time; nothing for a product that the list has no word for."""
        system = OPERATING_SYSTEMS.get(product)
        if system is None:
            return
        wanted = {"ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1", "MaxResults": PAGE_PRODUCTS}
        for page in paged(self._client().get_products, **wanted, Filters=_filters(self._region, system)):
            found = (_price(text) for text in page.get("PriceList", ()))
            yield tuple(price for price in found if price is not None)


def _filters(region: str, operating_system: str) -> list[dict[str, str]]:
    """Pick, of the dozens of offers for a type, the plain one: shared hardware, nothing installed, capacity that is used."""
    fields = {
        "regionCode": region,
        "operatingSystem": operating_system,
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "licenseModel": "No License required",
    }
    return [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]


def _price(text: str) -> OnDemandFacts | None:
    """Read one product; None for what has no price by the hour: a few are listed at nothing, for hosts that are paid otherwise."""
    try:
        product = json.loads(text)
        name = str(product["product"]["attributes"]["instanceType"])
        terms: Mapping[str, Any] = product["terms"].get("OnDemand", {})
        hourly = [
            (term.get("effectiveDate"), Decimal(dimension["pricePerUnit"]["USD"]))
            for term in terms.values()
            for dimension in term["priceDimensions"].values()
            if dimension["unit"] == "Hrs" and "USD" in dimension["pricePerUnit"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise AwsFailed(ErrorClass.UNEXPECTED, "price_list_not_read", f"not a product of the price list: {error!r}") from error
    priced = [(since, price) for since, price in hourly if price > 0]
    if not priced:
        return None
    since, price = max(priced, key=lambda offer: offer[0] or "")
    return OnDemandFacts(name, price, None if since is None else datetime.fromisoformat(since))
