"""Current prices out of a history of changes, and their shape on the wire."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

from spot_agent.ec2_facts import SpotPrice, TypeFacts
from spot_agent.model import JsonObject
from spot_agent.timestamps import to_wire

LINUX = "Linux/UNIX"
PRODUCTS = frozenset({LINUX, "Red Hat Enterprise Linux", "SUSE Linux", "Windows"})
"""What EC2 tells spot prices of, each also with its network. Source: DescribeSpotPriceHistory in the EC2 API reference."""


def product_of(platform_details: str | None) -> str:
    """Return the product whose prices an instance pays, by what EC2 says of its platform; Linux where EC2 tells no prices of that."""
    return platform_details if platform_details in PRODUCTS else LINUX


def products_asked(product: str) -> tuple[str, str]:
    """Return what to ask EC2 for: accounts of before 2013 know a pool by two products, without and with its network."""
    return (product, f"{product} (Amazon VPC)")


def newest_prices(history: Iterable[SpotPrice]) -> tuple[SpotPrice, ...]:
    """The newest row of each (type, AZ): both names of a product mean the same pool in a VPC."""
    newest: dict[tuple[str, str], SpotPrice] = {}
    for row in history:
        key = (row.instance_type, row.az_name)
        if key not in newest or row.effective_at > newest[key].effective_at:
            newest[key] = row
    return tuple(newest[key] for key in sorted(newest))


def price_rows(prices: Iterable[SpotPrice], product: str, region: str, zone_ids: Mapping[str, str]) -> list[JsonObject]:
    """Rows whose zone id is not known are left out: a pool without its AZ id is no pool."""
    return [
        {
            "region": region,
            "az_id": zone_ids[price.az_name],
            "az_name": price.az_name,
            "instance_type": price.instance_type,
            "product": product,
            "spot_usd_per_hour": format(price.spot_usd_per_hour, "f"),
            "effective_at": to_wire(price.effective_at),
        }
        for price in prices
        if price.az_name in zone_ids
    ]


def type_rows(types: Iterable[TypeFacts]) -> list[JsonObject]:
    """Instance types in the shape of the wire, sorted."""
    return [
        {
            "instance_type": known.instance_type,
            "vcpu": known.vcpu,
            "memory_mib": known.memory_mib,
            "architectures": list(known.architectures),
        }
        for known in sorted(types, key=lambda known: known.instance_type)
    ]


def report_id_of(instance_id: str, observed_at: datetime) -> str:
    """The same report keeps its id when it is sent again."""
    return hashlib.sha256(f"{instance_id}\n{to_wire(observed_at)}".encode()).hexdigest()[:32]


def watched_types(own_type: str, allowed: Iterable[str]) -> tuple[str, ...]:
    """Its own type and those where it may go."""
    return tuple(sorted({own_type, *allowed} - {""}))
